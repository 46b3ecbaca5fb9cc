/** Is kept free what one agent may grow, and does the prior count for what is not known yet, and no longer? */
import { expect, it, test } from 'vitest';
import { compileRun, type ForecastTask } from '../../lib/policy/forecast.ts';
import { growthReserve, knownRuns, withPrior } from '../../lib/policy/our-rules.ts';
import { MIB } from '../../lib/units.ts';

it.each<[string, number, number, number, number, number]>([
  ['nothing where nobody looks away', 1000, 0, 100, 0, 0],
  ['what is assumed of the time between two looks', 1000, 500, 100, 0, 50],
  ['what was seen, where that is more', 1000, 500, 100, 80, 80],
  ['a quarter of all at most', 1000, 5000, 100, 0, 250],
  ['nothing of nothing', -10, 500, 100, 0, 0],
])('kept free: %s', (_what, budgetMb, lookMs, growthMb, stepMb, expected) => {
  const facts = { budgetBytes: budgetMb * MIB, lookMs, growthBytesPerS: growthMb * MIB };
  expect(growthReserve({ ...facts, largestStepBytes: stepMb * MIB }) / MIB).toBe(expected);
});

const run = compileRun({ profile: [{ untilMs: 1000, bytes: 50 * MIB }], isCensored: false });
if (run === undefined) throw new Error('no run');
const task = (stream: number, kind: number, others: number): ForecastTask => ({
  key: 'a',
  ageMs: 0,
  currentBytes: 0,
  peakBytes: 0,
  halfBytes: 0,
  past: {
    stream: Array(stream).fill(run) as (typeof run)[],
    kind: Array(kind).fill(run) as (typeof run)[],
    others: Array(others).fill(run) as (typeof run)[],
  },
});

test.each<[string, ForecastTask, number, number]>([
  ['nothing is known: the forecast itself takes the prior', task(0, 0, 0), 0, 0],
  ['one run of its kind counts three', task(0, 1, 0), 3, 7],
  ['runs of other kinds count one', task(0, 0, 4), 4, 6],
  ['its own earlier run is enough', task(1, 0, 0), 10, 0],
  ['enough is enough', task(0, 4, 0), 12, 0],
])('%s', (_what, one, known, priors) => {
  expect(knownRuns(one.past)).toBe(known);
  const rules = { priorBytes: 300 * MIB, oldestMs: 5000, pools: new Map() };
  const found = withPrior(one, rules);
  const added = found.past.kind.filter(({ peakBytes }) => peakBytes === 300 * MIB);
  expect([added.length, found.past.kind.length - one.past.kind.length]).toEqual([priors, priors]);
  // Those with the same past share it, and with it their forecast.
  expect(withPrior({ ...one, key: 'b' }, rules).past.kind).toBe(found.past.kind);
});
