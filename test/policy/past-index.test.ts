/** Which past attempts tell about a stream, and which must not? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PastAttempt } from '../../lib/history-model.ts';
import {
  estimateFromHistory,
  historyKind,
  indexHistory,
  type HistoryIndex,
} from '../../lib/policy/past-index.ts';
import { calibration, recommend } from '../../lib/policy/recommend.ts';
import { patterns, trends } from '../../lib/policy/past-patterns.ts';
import { keep, NOTHING_KEPT } from '../../lib/state/history-kept.ts';
import { MIB } from '../../lib/units.ts';
import { somePast, someSettings } from '../support/nouns.ts';

const { feedback } = someSettings();
const machine = 'x64 4K 2 cores';
const like = { key: 'shop/1/A', kind: 'tester', tool: 'node test.mjs' };
const facts = { feedback, priorBytes: 2048 * MIB, limitBytes: undefined, isWritten: false };

function indexOf(attempts: readonly PastAttempt[], label?: string): HistoryIndex {
  return indexHistory(keep(NOTHING_KEPT, attempts), { machine, label, window: 256 });
}

const times = (count: number, change: Partial<PastAttempt>): PastAttempt[] =>
  Array.from({ length: count }, (_, at) => somePast({ endedMs: 1000 + at, ...change }));

/** Where the estimate of `like` comes from. */
const from = (attempts: readonly PastAttempt[]): string | undefined =>
  estimateFromHistory(indexOf(attempts), like, facts)?.from;

test.each<[string, string | undefined, readonly PastAttempt[]]>([
  ['nothing', undefined, []],
  ['what failed before it came to its work', undefined, times(20, { cause: 'failed', peakBytes: MIB })],
  ['what failed but took more than was expected', 'stream', times(1, { cause: 'failed', peakBytes: 5000 * MIB })],
  ['the stream itself', 'stream', times(1, {})],
  ['a stream of that name of another kind', 'tool', times(1, { kind: 'other' })],
  ['a stream of that name with another tool', 'kind', times(1, { command: 'claude' })],
  ['another stream of the kind', 'kind', times(1, { key: 'shop/2/B', command: 'claude' })],
  ['another kind with the tool', 'tool', times(1, { key: 'shop/2/B', kind: 'other' })],
  ['other kinds and tools alone', undefined, times(50, { key: 'x/1/A', kind: 'other', command: 'lint' })],
  ['what somebody imported', undefined, times(50, { label: 'cluster' })],
  ['another class of machine, where there is none of ours', 'stream', times(3, { machine: 'arm64 16K 8 cores' })],
])('from %s the estimate is of level %s', (_, level, attempts) => {
  expect(from(attempts)).toBe(level);
}); // prettier-ignore

test('with attempts of this class of machine, those of another do not count', () => {
  const foreign = times(50, { machine: 'arm64 16K 8 cores', peakBytes: 9000 * MIB });
  const index = indexOf([...foreign, ...times(20, {})]);
  expect(index.total).toBe(20);
  expect(estimateFromHistory(index, like, facts)?.bytes).toBeLessThan(400 * MIB);
});

test('attempts that failed early lower no estimate and are no runs of it', () => {
  const good = times(20, { key: 'shop/2/B' });
  const bad = times(200, { key: 'shop/2/B', cause: 'failed', peakBytes: MIB, endedMs: 5000 });
  const [alone, mixed] = [good, [...good, ...bad]].map((attempts) => estimateFromHistory(indexOf(attempts), like, facts));
  expect(mixed).toEqual(alone);
}); // prettier-ignore

test('a label shows what was imported under it, and that alone', () => {
  const attempts = [...times(5, {}), ...times(7, { label: 'cluster' }), ...times(9, { label: 'other' })];
  expect(indexOf(attempts).total).toBe(5);
  expect(indexOf(attempts, 'cluster').total).toBe(7);
});

test('many runs of a kind give the 99th percentile with its reason in words', () => {
  const estimate = estimateFromHistory(indexOf(times(214, { key: 'shop/9/Z' })), like, facts);
  expect(estimate).toMatchObject({ bytes: 315 * MIB, reason: 'P99 of 214 runs of tester × 1.05' });
});

test('a figure that somebody wrote for the kind moderates a few runs, whatever other kinds need', () => {
  const index = indexOf([...times(2, { peakBytes: 40 * MIB }), ...times(50, { key: 'x/1/A', kind: 'other', peakBytes: 4000 * MIB })]); // prettier-ignore
  const estimate = (isWritten: boolean) => estimateFromHistory(index, like, { ...facts, priorBytes: 64 * MIB, isWritten })?.bytes; // prettier-ignore
  expect(estimate(true)).toBeLessThanOrEqual(64 * MIB);
  expect(estimate(false)).toBeGreaterThan(1000 * MIB);
});

test('the estimate is never above the limit, and the configured figure moderates a single run', () => {
  const one = indexOf(times(1, {}));
  const bytes = estimateFromHistory(one, like, facts)?.bytes ?? 0;
  expect(bytes).toBeGreaterThan(315 * MIB);
  expect(bytes).toBeLessThan(facts.priorBytes);
  expect(estimateFromHistory(one, like, { ...facts, limitBytes: 200 * MIB })?.bytes).toBe(200 * MIB);
});

test('settings decide how long an old peak counts, and how many runs are enough', () => {
  const index = indexOf([
    ...times(3, { peakBytes: 900 * MIB, endedMs: 1 }),
    ...times(9, { key: 'shop/2/B' }),
  ]);
  const bytes = (change: Partial<typeof feedback>): number =>
    estimateFromHistory(index, { ...like, key: undefined }, { ...facts, feedback: { ...feedback, ...change } })?.bytes ?? NaN; // prettier-ignore
  expect(bytes({})).toBe(945 * MIB);
  expect(bytes({ halfLifeAttempts: 1 })).toBe(315 * MIB);
  expect(bytes({ leastAttempts: 30 })).toBeGreaterThan(945 * MIB);
});

test('more of the same history never raises the estimate', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 100 }), (count, more) => {
      const bytes = (runs: number): number =>
        estimateFromHistory(indexOf(times(runs, { key: 'shop/2/B' })), like, facts)?.bytes ?? NaN;
      expect(bytes(count + more)).toBeLessThanOrEqual(bytes(count));
    }),
    { numRuns: 30 },
  );
});

test('a time comes from what got done: of the stream, else of its kind', () => {
  const ofKind = times(5, { key: 'shop/2/B', durationMs: 7000 });
  expect(indexOf(ofKind).expectedMs(like)).toBe(7000);
  const own = times(3, { durationMs: 4000 });
  expect(indexOf([...ofKind, ...own]).expectedMs(like)).toBe(4000);
  expect(indexOf(times(3, { cause: 'our-limit' })).expectedMs(like)).toBeUndefined();
});

test('a stream without a kind of its own is of the kind of its tool', () => {
  expect(historyKind('shell', 'npm test', 'shell')).toBe('npm test');
  expect(historyKind('tester', 'npm test', 'shell')).toBe('tester');
});

test('a recommendation tells its evidence, what is above it, and a limit where one was reached', () => {
  const attempts = [...times(200, {}), ...times(2, { cause: 'our-limit', isCensored: true, peakBytes: 600 * MIB, endedMs: 1 })]; // prettier-ignore
  const [one] = recommend(indexOf(attempts), { feedback, priorBytes: 1, configured: () => 64 * MIB });
  expect(one).toMatchObject({
    kind: 'tester',
    memoryBytes: 315 * MIB,
    limitBytes: 900 * MIB,
    confidence: 'high',
  });
  expect(one?.reason).toBe('P99 of 202 runs of tester × 1.05, 1.0% above it so far');
});

test('calibration leaves out what was stopped within its estimate, and tells claimed beside observed', () => {
  const ran = [...times(3, { estimateBytes: 200 * MIB }), ...times(9, {}), ...times(40, { isCensored: true, cause: 'user' })]; // prettier-ignore
  const [all] = calibration(indexOf(ran), feedback);
  expect(all).toMatchObject({ kind: undefined, ran: 12, ranWithinShare: 0.75 });
  const [steady] = calibration(indexOf(times(50, {})), feedback);
  expect(steady).toMatchObject({ replayed: 40, coveredShare: 1 });
  expect(steady?.claimedShare).toBeGreaterThan(0.9);
});

test('trends compare the older half with the newer, patterns tell when the peak comes', () => {
  const index = indexOf([...times(10, { endedMs: 1 }), ...times(10, { peakBytes: 600 * MIB, endedMs: 2 })]);
  expect(trends(index)[0]).toMatchObject({ changeShare: 1, nowBytes: 600 * MIB, per: 'attempt' });
  expect(trends(index, { sinceMs: 3 })).toEqual([]);
  expect(patterns(index)[0]).toMatchObject({ doneShare: 1, shape: 'late peak', medianMs: 10_000 });
});
