/** Does the simulator play small traces as one would by hand, and does everything finish under our rules? */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { backtest } from '../../lib/policy/backtest.ts';
import { simLowerBoundMs, simulate, type SimRule, type SimTask } from '../../lib/policy/simulate.ts';
import {
  countRule,
  freeRule,
  oracleRule,
  peakQuantile,
  reserveRule,
} from '../../lib/policy/simulate-others.ts';
import { ourRule } from '../../lib/policy/simulate-ours.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someSettings } from '../support/nouns.ts';

const tasks = (...traces: number[][]): SimTask[] =>
  traces.map((mb, at) => ({
    key: `t${at}`,
    kind: 'worker',
    bytes: Float64Array.from(mb, (size) => size * MIB),
  }));
const limits = (budgetMb: number) => ({ budgetBytes: budgetMb * MIB, stepMs: 1000, mostSteps: 2000 });

function ours(budgetMb: number, pauses = true): SimRule {
  const budgetBytes = budgetMb * MIB;
  const admission = { floorBytes: 0, safetyBytes: 0, lookahead: 3 };
  return ourRule({
    name: 'ours',
    settings: someSettings({
      maxConcurrentAgents: 100,
      totalMemoryLimitBytes: 1000 * budgetBytes,
      coordinatorMemoryBytes: 0,
      admission,
    }),
    forecast: { caution: 1, priorBytes: budgetBytes / 4 },
    pastOfKind: () => [],
    pastOfStream: () => [],
    learns: true,
    pauses,
    growthBytesPerS: 0,
    admitEverySteps: 1,
  });
}

describe('simulate', () => {
  // Two of three steps at 100 MB; the third is a lone one of 300.
  const three = tasks([100, 100, 100], [100, 100, 100], [300, 300]);
  it.each<[string, SimTask[], SimRule, number, number, number]>([
    ['one after another', three, countRule(1), 500, 11, 0],
    ['all at once', three, countRule(3), 500, 4, 0],
    ['all at once with too little: the largest goes, twice, until the others are through', three, countRule(3), 400, 6, 3],
    ['each reserves its peak: the third waits', three, oracleRule(0), 400, 7, 0],
    ['a smaller one behind goes first where one may look ahead', tasks([200, 200], [300, 300], [100, 100]), oracleRule(1), 300, 7, 0],
    ['each reserves 150', three, reserveRule('150', () => 150 * MIB, 0), 300, 7, 0],
    ['one a step while 250 are free', three, freeRule('free', 250 * MIB), 500, 5, 0],
  ])('%s', (_what, work, rule, budgetMb, steps, kills) => {
    const result = simulate(work, rule, limits(budgetMb));
    expect([result.isFinished, result.makespanMs / 1000, result.kills]).toEqual([true, steps, kills]);
  }); // prettier-ignore

  it('counts what was thrown away, in time and in memory', () => {
    const result = simulate(tasks([100, 100, 100], [100, 300, 300]), countRule(2), limits(350));
    // The second is stopped in its second step, again in its next second step, then lives alone.
    expect([result.kills, result.lostMs]).toEqual([1, 2000]);
    expect(result.wastedShare).toBeCloseTo(400 / 1000, 6);
  });

  it('gives up where nothing ends', () => {
    const idle: SimRule = { ...countRule(0), admit: () => [] };
    expect(simulate(three, idle, { ...limits(500), mostSteps: 7 })).toMatchObject({
      isFinished: false,
      makespanMs: 7000,
    });
  });

  it('no schedule is shorter than the area over the budget, nor than the longest task', () => {
    expect(simLowerBoundMs(three, 300 * MIB, 1000)).toBe(4000);
    expect(simLowerBoundMs(three, 3000 * MIB, 1000)).toBe(3000);
    expect(peakQuantile(three, 0.9)).toBe(300 * MIB);
  });
});

test('what earlier ones have shown lets more start at once: the second round is as wide as the memory', () => {
  const work = tasks(...Array.from({ length: 16 }, () => [100, 100, 100, 100]));
  const result = simulate(work, ours(1000), limits(1000));
  // Four at first, by the configured 250 MB; always four would take 20 s.
  expect(result.kills).toBe(0);
  expect(result.makespanMs).toBeLessThanOrEqual(19_000);
});

test('one that grows when there is no room is halted, and nothing is lost', () => {
  const work = tasks(
    [100, 200, 300, 400, 500, 600, 600],
    [100, 200, 300, 400, 500, 600, 600],
    [100, 100, 100],
  );
  const paused = simulate(work, ours(1000), limits(1000));
  const stopped = simulate(work, ours(1000, false), limits(1000));
  expect(stopped.kills).toBeGreaterThan(0);
  expect([paused.kills, paused.pausedMs > 0, paused.isFinished]).toEqual([0, true, true]);
});

test('one that is halted for too long gives its place up, once, and goes on when there is room', () => {
  const long = Array.from({ length: 80 }, (_, at) => Math.min(400, 50 * (at + 1)));
  const giant = [...Array.from({ length: 10 }, () => 10), 100, 300, 500, 700, 700];
  // After 500 of the giant and 400 of the long one it cannot grow by 200 more; a usual run takes 4 s.
  const result = simulate(tasks(long, giant, [10, 10, 10, 10]), ours(1000), limits(1000));
  expect([result.isFinished, result.kills, result.lostMs]).toEqual([true, 1, 13_000]);
  expect(result.pausedMs).toBeGreaterThanOrEqual(13_000);
  expect(result.makespanMs).toBeLessThan(110_000);
});

test('any work finishes in any order of arrival, and is held back by nothing for ever', () => {
  const someTrace = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(someTrace, { minLength: 1, maxLength: 12 }), fc.boolean(), (traces, pauses) => {
      const work = tasks(...traces);
      const result = simulate(work, ours(1000, pauses), limits(1000));
      expect(result.isFinished).toBe(true);
      expect(result.makespanMs).toBeGreaterThanOrEqual(simLowerBoundMs(work, GIB, 1000) * 0.9);
    }),
    { numRuns: 60 },
  );
});

test('a backtest counts failures and waste by hand', () => {
  const record = (peakGb: number, at: number) => ({
    kind: 'a',
    peakBytes: peakGb * GIB,
    isCensored: false,
    endedMs: at,
    durationMs: 3_600_000,
    priorBytes: 4 * GIB,
  });
  const records = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2].map(record);
  const options = { learnShare: 10 / 12, leastRuns: 5 };
  // 1.1 for 1; then 1.1 is too little for 2, and half as much again (1.65), and again (2.475).
  const result = backtest(records, { ...options, estimator: 'max' });
  expect([result.tasks, result.failures]).toEqual([2, 2]);
  expect(result.wasteGbHours).toBeCloseTo(0.1 + 1.1 + 1.65 + 0.475, 6);
  expect(result.maq).toBeCloseTo(3 / (1.1 + 1.1 + 1.65 + 2.475), 6);
  expect(backtest(records, { ...options, estimator: 'fixed' })).toMatchObject({
    failures: 0,
    wasteGbHours: 5,
  });
  expect(backtest(records, { ...options, leastRuns: 13, estimator: 'p99' })).toMatchObject({
    tasks: 0,
    maq: undefined,
  });
});
