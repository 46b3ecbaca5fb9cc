/** Does an estimate come from the closest records there are, shrunk where they are few, and never above the limit? */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  calibrate,
  estimateAfterFailure,
  estimatePeak,
  type PeakHistory,
} from '../../lib/policy/estimate.ts';
import { EMPTY_WINDOW, ESTIMATORS, peakWindow, type EstimatorName } from '../../lib/policy/estimators.ts';
import { GIB, MIB } from '../../lib/units.ts';

const record = (peakBytes: number, isCensored = false) => ({
  peakBytes,
  isCensored,
  endedMs: 0,
  durationMs: 60_000,
});
const of = (count: number, bytes: number) => peakWindow(Array.from({ length: count }, () => record(bytes)));

const history = (known: Partial<PeakHistory> = {}): PeakHistory => ({
  stream: EMPTY_WINDOW,
  kind: EMPTY_WINDOW,
  tool: EMPTY_WINDOW,
  all: EMPTY_WINDOW,
  ...known,
});
const P99 = { estimator: 'p99', limitBytes: undefined } as const;
const G = GIB;

describe('estimatePeak, with 2 GB as the configured figure', () => {
  it.each<[string, Partial<PeakHistory>, number, string, number]>([
    ['nothing known', {}, 2 * G, 'prior', 0],
    ['ten of its kind stand for themselves', { kind: of(10, G) }, 1.05 * G, 'kind', 10],
    ['nine get a tenth from the setting', { kind: of(9, G) }, (1.05 * 0.9 + 2 * 0.1) * G, 'kind', 9],
    ['one gets nine tenths', { kind: of(1, G) }, (1.05 * 0.1 + 2 * 0.9) * G, 'kind', 1],
    ['never below what was seen', { kind: of(1, 8 * G) }, 8.4 * G, 'kind', 1],
    ['the closest first', { stream: of(10, G), kind: of(50, 4 * G) }, 1.05 * G, 'stream', 10],
    ['five of the stream, the rest from its kind', { stream: of(5, G), kind: of(50, 4 * G) }, (1.05 * 0.5 + 4.2 * 0.5) * G, 'stream', 5],
    ['the tool where the kind is new', { tool: of(20, 3 * G) }, 3.15 * G, 'tool', 20],
    ['anything where the tool is new', { all: of(20, 3 * G) }, 3.15 * G, 'all', 20],
    ['nothing below what a shell takes', { kind: of(20, 1000) }, 32 * MIB, 'kind', 20],
  ])('%s', (_what, known, bytes, from, records) => {
    const estimate = estimatePeak(history(known), 2 * G, P99);
    expect([estimate.bytes, estimate.from, estimate.records]).toEqual([Math.round(bytes), from, records]);
  }); // prettier-ignore

  it('is never above the limit, and says that it was cut', () => {
    const estimate = estimatePeak(history({ kind: of(20, 8 * G) }), 2 * G, {
      estimator: 'p99',
      limitBytes: 4 * G,
    });
    expect(estimate.bytes).toBe(4 * G);
    expect(estimate.reason).toBe('P99 of 20 runs of this kind × 1.05; at most the limit of 4.0GB');
  });

  it.each<[number, string, number]>([
    [1, 'low', 1 / 2],
    [9, 'low', 9 / 10],
    [10, 'medium', 10 / 11],
    [100, 'high', 0.99],
  ])('%i records: confidence %s, and it claims to cover %d', (count, confidence, claimedShare) => {
    const estimate = estimatePeak(history({ kind: of(count, G) }), 2 * G, P99);
    expect([estimate.confidence, estimate.claimedShare]).toEqual([confidence, claimedShare]);
  });

  it('tells the share of the records that it would have covered', () => {
    const records = [...Array.from({ length: 199 }, () => record(G)), record(G)];
    const window = peakWindow([record(9 * G), ...records]);
    expect(estimatePeak(history({ kind: window }), G, P99).coveredShare).toBeCloseTo(200 / 201, 6);
  });

  it('forgets what was before a release that needs half, and says since when', () => {
    const records = [
      ...Array.from({ length: 40 }, () => record(4 * G)),
      ...Array.from({ length: 12 }, () => record(2 * G)),
    ];
    const estimate = estimatePeak(history({ kind: peakWindow(records) }), G, P99);
    expect([estimate.bytes, estimate.sinceStep]).toEqual([Math.round(2.1 * G), 12]);
    expect(estimate.reason).toBe('P99 of 12 runs of this kind × 1.05, since its need changed');
  });

  it('gives the configured figure where that is the estimator, whatever is known', () => {
    const estimate = estimatePeak(history({ kind: of(50, G) }), 2 * G, {
      estimator: 'fixed',
      limitBytes: undefined,
    });
    expect([estimate.bytes, estimate.from]).toEqual([2 * G, 'prior']);
  });
});

test.each<[string, Partial<PeakHistory>, number, number | undefined, number]>([
  ['the largest seen and a tenth', { kind: peakWindow([record(4 * G), record(G)]) }, G, undefined, 4.4 * G],
  ['half as much again where that was it', { kind: of(3, G) }, 2 * G, undefined, 3 * G],
  ['nothing known', {}, 2 * G, undefined, 3 * G],
  ['never above the limit', { kind: of(3, 8 * G) }, 2 * G, 4 * G, 4 * G],
])('after a failure: %s', (_what, known, failed, limit, expected) => {
  expect(estimateAfterFailure(history(known), failed, limit)).toBe(Math.round(expected));
});

test('calibration leaves out what was stopped within its estimate', () => {
  const estimated = (peak: number, estimateBytes: number | undefined, isCensored = false) => ({
    ...record(peak, isCensored),
    estimateBytes,
  });
  expect(calibrate([])).toEqual({ attempts: 0, withinShare: undefined });
  expect(
    calibrate([
      estimated(1, 2),
      estimated(2, 2),
      estimated(3, 2),
      estimated(1, 2, true),
      estimated(3, 2, true),
      estimated(9, undefined),
    ]),
  ).toEqual({ attempts: 4, withinShare: 0.5 });
});

const someBytes = fc.integer({ min: 64 * MIB, max: 8 * GIB });
const someWindow = fc
  .array(someBytes, { maxLength: 60 })
  .map((bytes) => peakWindow(bytes.map((peak) => record(peak))));
const someHistory = fc.record({ stream: someWindow, kind: someWindow, tool: someWindow, all: someWindow });

test('more history of the same never raises an estimate', () => {
  fc.assert(
    fc.property(someHistory, someBytes, fc.integer({ min: 1, max: 30 }), (known, prior, times) => {
      const level = (['stream', 'kind', 'tool', 'all'] as const).find(
        (name) => known[name].records.length > 0,
      );
      if (level === undefined) return;
      const before = estimatePeak(known, prior, P99).bytes;
      const least = known[level].records.reduce((low, { peakBytes }) => Math.min(low, peakBytes), Infinity);
      const more = Array.from({ length: times }, () => record(least));
      const window = peakWindow([...known[level].records, ...more]);
      expect(estimatePeak({ ...known, [level]: window }, prior, P99).bytes).toBeLessThanOrEqual(before);
    }),
  );
});

test('no estimate is above its limit or below nothing, whatever the estimator', () => {
  const names = Object.keys(ESTIMATORS) as EstimatorName[];
  fc.assert(
    fc.property(
      someHistory,
      someBytes,
      someBytes,
      fc.constantFrom(...names),
      (known, prior, limitBytes, estimator) => {
        const { bytes } = estimatePeak(known, prior, { estimator, limitBytes });
        expect(bytes).toBeGreaterThan(0);
        expect(bytes).toBeLessThanOrEqual(limitBytes);
      },
    ),
  );
});
