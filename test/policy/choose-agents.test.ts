/** Does a prompt get the agents that its words ask for, in the right order, and somebody in any case? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ROSTER } from '../../lib/config/default-roster.ts';
import { chooseAgents, promptFor } from '../../lib/policy/choose-agents.ts';
import type { RosterAgent } from '../../lib/settings-model.ts';

const agent = (name: string, when: readonly string[], change: Partial<RosterAgent> = {}): RosterAgent => ({
  name,
  when,
  isFallback: false,
  command: undefined,
  kind: name,
  prompt: '{prompt}',
  priority: 0,
  ...change,
});
const names = (prompt: string, roster: readonly RosterAgent[]): string =>
  chooseAgents(prompt, roster)
    .map(({ agent: { name }, because }) => `${name}(${because.join(' ')})`)
    .join(' ');

describe('one term', () => {
  it.each<[string, string, string]>([
    ['test', 'please test it', 'a(test)'],
    ['test', 'please TEST it', 'a(test)'],
    ['test', 'attest, tests and testing', ''],
    ['test*', 'attest, testing', 'a(testing)'],
    ['test', 'a load-test', 'a(test)'],
    ['load-test', 'a load-test', 'a(load-test)'],
    ['prüf*', 'bitte Prüfungen', 'a(prüfungen)'],
    ['/n\\+1/', 'an N+1 query', 'a(N+1)'],
    ['/^$/m', 'x\n\ny', ''],
    ['sql', 'sql_injection', ''],
  ])('%j in %j chooses %j', (term, prompt, chosen) => {
    expect(names(prompt, [agent('a', [term])])).toBe(chosen);
  });
});

it('lets higher priorities come first, equal ones in the order of the roster', () => {
  const roster = [agent('low', ['x']), agent('first', ['x'], { priority: 5 }), agent('second', ['x'], { priority: 5 })];
  expect(names('x', roster)).toBe('first(x) second(x) low(x)');
}); // prettier-ignore

it('takes the fallbacks only where nobody else is for it', () => {
  const roster = [agent('a', ['x']), agent('b', [], { isFallback: true }), agent('c', ['y'], { isFallback: true })];
  expect([names('x', roster), names('y', roster), names('z', roster), names('z', [agent('a', ['x'])])]).toEqual(['a(x)', 'c(y)', 'b() c()', '']);
}); // prettier-ignore

it('puts the prompt into what an agent is told as it stands', () => {
  expect(promptFor(agent('a', [], { prompt: 'Do: {prompt}!' }), 'cost $& {prompt}')).toBe(
    'Do: cost $& {prompt}!',
  );
});

describe('the shipped roster', () => {
  it.each([
    ['Find slow and insecure queries', ['security-analyst', 'performance-auditor']],
    ['Write unit tests for cart.ts', ['test-generator']],
    ['Review the architecture', ['code-analyzer']],
    ['Who is the author?', ['code-analyzer']],
    ['hello', ['code-analyzer']],
  ])('%j', (prompt, chosen) => {
    expect(chooseAgents(prompt, DEFAULT_ROSTER).map(({ agent: { name } }) => name)).toEqual(chosen);
  });

  it('has somebody for every prompt, each once', () => {
    fc.assert(
      fc.property(fc.string(), (prompt) => {
        const chosen = chooseAgents(prompt, DEFAULT_ROSTER).map(({ agent: { name } }) => name);
        return chosen.length > 0 && new Set(chosen).size === chosen.length;
      }),
    );
  });
});
