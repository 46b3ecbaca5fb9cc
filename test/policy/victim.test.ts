/** Who is stopped for the machine's sake? Over its charge first, then least work lost; never the last, never a second one too early. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseVictim, type Candidate } from '../../lib/policy/victim.ts';
import { GIB, MIB } from '../../lib/units.ts';

function agent(key: string, facts: Partial<Candidate> = {}): Candidate {
  return {
    key,
    currentBytes: GIB,
    privateBytes: GIB,
    estimateBytes: GIB,
    ageMs: 60_000,
    isLeaving: false,
    ...facts,
  };
}

test.each<[string, Candidate[], string | undefined]>([
  ['nobody runs', [], undefined],
  ['the last one stays', [agent('a', { currentBytes: 9 * GIB })], undefined],
  [
    'the largest excess goes',
    [agent('a', { currentBytes: 2 * GIB }), agent('b', { currentBytes: 3 * GIB }), agent('c')],
    'b',
  ],
  [
    'a big one within its charge stays when a small one is over',
    [agent('a', { currentBytes: 8 * GIB, estimateBytes: 8 * GIB }), agent('b', { currentBytes: GIB + MIB })],
    'b',
  ],
  ['nobody is over: the youngest of equals goes', [agent('a'), agent('b', { ageMs: 1000 })], 'b'],
  [
    'nobody is over: much memory for the same work goes',
    [agent('a'), agent('b', { privateBytes: 4 * GIB, currentBytes: 4 * GIB, estimateBytes: 4 * GIB })],
    'b',
  ],
  ['one byte over is over', [agent('a', { ageMs: 1 }), agent('b', { currentBytes: GIB + 1 })], 'b'],
  [
    'while one is leaving nobody else goes',
    [agent('a', { isLeaving: true }), agent('b', { currentBytes: 9 * GIB })],
    undefined,
  ],
])('%s', (_, agents, expected) => {
  const choice = chooseVictim(agents);
  expect(choice.choice === 'stop' ? choice.key : undefined).toBe(expected);
  expect(choice.reason).not.toBe('');
});

test.each<[string, Candidate[], number, string]>([
  ['of those whose end is enough the youngest goes', [agent('a'), agent('b', { ageMs: 1000 }), agent('c', { ageMs: 1, privateBytes: MIB })], GIB, 'b'],
  ['where none is enough, the one that frees most', [agent('a', { privateBytes: 2 * GIB }), agent('b', { ageMs: 1 })], 3 * GIB, 'a'],
  ['a little over what was expected is no guilt', [agent('a', { currentBytes: 1.4 * GIB }), agent('b', { ageMs: 1 })], GIB, 'b'],
  ['half as much again is', [agent('a', { currentBytes: 1.6 * GIB }), agent('b', { ageMs: 1 })], GIB, 'a'],
])('told how much must come free: %s', (_, agents, neededBytes, expected) => {
  expect(chooseVictim(agents, { neededBytes, toleranceShare: 0.5 })).toMatchObject({ key: expected });
}); // prettier-ignore

const anyAgent = fc.record({
  currentBytes: fc.nat(8 * GIB),
  privateBytes: fc.nat(8 * GIB),
  estimateBytes: fc.integer({ min: 1, max: 8 * GIB }),
  ageMs: fc.nat(1e7),
});

test('an agent within its charge never goes while another is over its own', () => {
  fc.assert(
    fc.property(fc.array(anyAgent, { minLength: 2, maxLength: 8 }), (facts) => {
      const agents = facts.map((fact, at) => agent(String(at), fact));
      const choice = chooseVictim(agents);
      if (choice.choice === 'wait') return false;
      const chosen = agents.find(({ key }) => key === choice.key);
      const someOver = agents.some(({ currentBytes, estimateBytes }) => currentBytes > estimateBytes);
      return chosen !== undefined && (!someOver || chosen.currentBytes > chosen.estimateBytes);
    }),
  );
});

test('the order in which agents are listed does not decide between agents that differ', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 1e6 }), { minLength: 2, maxLength: 8 }),
      (excesses) => {
        const agents = excesses.map((excess) => agent(String(excess), { currentBytes: GIB + excess }));
        expect(chooseVictim([...agents].reverse())).toEqual(chooseVictim(agents));
      },
    ),
  );
});
