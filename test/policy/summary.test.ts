/** Does the summary count what happened, and bound the time by what was measured? */
import { describe, expect, it } from 'vitest';
import { summarizeRun, type RunFacts } from '../../lib/policy/summary.ts';
import { GIB } from '../../lib/units.ts';
import { somePlanned, someResult, someStream } from '../support/nouns.ts';

const [a, b, c] = [someStream('A'), someStream('B', { after: ['A'] }), someStream('C')];
const summarize = (change: Partial<RunFacts>) =>
  summarizeRun({
    epic: 'shop',
    planned: [a, b, c].map((stream) => somePlanned(stream)),
    results: [],
    startedMs: 0,
    endedMs: 30_000,
    highestBytes: GIB,
    highestAgents: 2,
    budgetBytes: GIB,
    slots: 2,
    exitCode: 0,
    ...change,
  });

describe('summarizeRun', () => {
  it('knows no bound where nothing ran', () => {
    expect(summarize({})).toMatchObject({ lowerBoundMs: undefined, killedByUs: 0, results: [] });
  });

  it('counts kills by who did them, and what earlier runs did', () => {
    const results = [
      someResult(a.key, { outcome: 'killed-limit' }),
      someResult(b.key, { outcome: 'killed-kernel' }),
      someResult(c.key, { outcome: 'killed-user' }),
    ];
    const planned = [somePlanned(a), somePlanned(b), somePlanned(c), somePlanned(someStream('D'), { isDone: true })];
    expect(summarize({ results, planned })).toMatchObject({ killedByUs: 1, killedByKernel: 1, earlierDone: 1 });
  }); // prettier-ignore

  it.each([
    ['the chain', { averageBytes: 0 }, 2, 20_000],
    ['the memory', { averageBytes: GIB }, 2, 30_000],
    ['the slots', { averageBytes: 0 }, 1, 30_000],
    ['an average that nobody took', { averageBytes: undefined }, 2, 20_000],
  ])('bounds the time by %s', (_what, change, slots, ms) => {
    const results = [a, b, c].map(({ key }) => someResult(key, change));
    expect(summarize({ results, slots }).lowerBoundMs).toBe(ms);
  });

  it('takes the last attempt at a stream for its time', () => {
    const results = [
      someResult(a.key, { endedMs: 90_000 }),
      someResult(a.key, { attempt: 2, endedMs: 5000 }),
    ];
    expect(summarize({ results }).lowerBoundMs).toBe(5000);
  });
});
