/** Does each estimator give what its definition gives by hand, and does the decayed quantile never rise for more of the same? */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  ESTIMATORS,
  ESTIMATOR_WORDS,
  neededBytes,
  peakWindow,
  weightedQuantile,
  WINDOW_RECORDS,
  type EstimatorName,
  type PeakRecord,
} from '../../lib/policy/estimators.ts';
import { findStep } from '../../lib/policy/step-change.ts';

const DAY_MS = 86_400_000;

export function peaks(...bytes: number[]): PeakRecord[] {
  return bytes.map((peakBytes, at) => ({
    peakBytes,
    isCensored: false,
    endedMs: at * 1000,
    durationMs: 60_000,
  }));
}

const many = (count: number, bytes: number): number[] => Array.from({ length: count }, () => bytes);

describe('the table of estimators', () => {
  it.each<[string, EstimatorName, PeakRecord[], number]>([
    ['one record', 'p99', peaks(1000), 1050],
    ['the largest of few', 'p99', peaks(1000, 3000, 2000), 3150],
    ['one giant of long ago in two hundred is beyond P99', 'p99', peaks(9000, ...many(199, 1000)), 1050],
    ['one giant of just now is not', 'p99', peaks(...many(199, 1000), 9000), 9450],
    ['the largest and a tenth', 'max', peaks(1000, 9000, ...many(200, 500)), 9900],
    ['nothing but the setting', 'fixed', peaks(1000, 9000), 777],
    // 9 of 10 need 100: Σ a·t = 100 × 10, and the large one again with 1000: 2000 in all; all at once with 1000: 10 000.
    ['a first allocation for the many', 'tovar', peaks(...many(9, 100), 1000), 100],
    // 100 × 4 + 1000 × 2 = 2400 against 1000 × 4: still the small one; with three large ones of four it is 3400 to 4000.
    ['half and half', 'tovar', peaks(100, 100, 1000, 1000), 100],
    // 900 × 2 + 1000 × 1 = 2800 against 2000.
    ['nearly equal ones get the largest', 'tovar', peaks(900, 1000), 1000],
  ])('%s', (_what, estimator, records, expected) => {
    const bytes = ESTIMATORS[estimator]({ window: peakWindow(records), priorBytes: 777 });
    expect(bytes).toBeCloseTo(expected, 6);
  });

  it.each<[string, PeakRecord[], number]>([
    // Bucket 8 holds 95.5 to 110.3 MB: (1.05^9 - 1) / 0.05 × 10^7 = 110 265 643.
    ['the end of the bucket and 15 %', peaks(100e6), 110_265_643 * 1.15],
    ['the first bucket ends at 10 MB', peaks(1), 1e7 * 1.15],
    ['ten of eleven decide', peaks(...many(10, 1), 100e6), 1e7 * 1.15],
    ['eight of ten do not', peaks(...many(8, 1), 100e6, 100e6), 110_265_643 * 1.15],
  ])('VPA: %s', (_what, records, expected) => {
    expect(ESTIMATORS.vpa({ window: peakWindow(records), priorBytes: 0 })).toBeCloseTo(expected, -2);
  });

  it('VPA: a sample of four days ago weighs a sixteenth', () => {
    const old = many(10, 100e6).map((peakBytes) => ({ ...peaks(peakBytes)[0]!, endedMs: 0 }));
    const young = many(6, 1).map((peakBytes) => ({ ...peaks(peakBytes)[0]!, endedMs: 4 * DAY_MS }));
    // 10 / 16 of 6.625: 9.4 % lie in the high bucket, so P90 does not.
    const window = peakWindow([...old, ...young]);
    expect(ESTIMATORS.vpa({ window, priorBytes: 0 })).toBeCloseTo(1e7 * 1.15, 0);
  });

  it('says in words what it did', () => {
    expect(ESTIMATOR_WORDS.p99('214 runs')).toBe('P99 of 214 runs × 1.05');
    expect(Object.keys(ESTIMATOR_WORDS)).toEqual(Object.keys(ESTIMATORS));
  });
});

test('what was stopped counts a fifth more', () => {
  expect(neededBytes({ ...peaks(1000)[0]!, isCensored: true })).toBe(1200);
});

test('a window keeps the newest, and how many there ever were', () => {
  const window = peakWindow(peaks(...Array.from({ length: 300 }, (_, at) => at)));
  expect([window.records.length, window.records[0]?.peakBytes, window.total]).toEqual([
    WINDOW_RECORDS,
    300 - WINDOW_RECORDS,
    300,
  ]);
});

describe('findStep', () => {
  it.each<[string, number[], string | undefined, number | undefined]>([
    ['too few new ones', [...many(20, 1000), ...many(9, 400)], undefined, undefined],
    ['ten that are far below', [...many(20, 1000), ...many(10, 400)], 'down', 10],
    ['ten that are far above', [...many(20, 1000), ...many(10, 1300)], 'up', 10],
    ['within a fifth', [...many(20, 1000), ...many(10, 800)], undefined, undefined],
    ['one of them as before', [...many(20, 1000), ...many(9, 400), 1000, ...many(9, 400)], undefined, undefined],
    ['nothing before', many(14, 400), undefined, undefined],
    ['all since the step', [...many(20, 1000), ...many(30, 400)], 'down', 30],
  ])('%s', (_what, bytes, direction, length) => {
    const step = findStep(peakWindow(peaks(...bytes)));
    expect([step?.direction, step?.window.records.length]).toEqual([direction, length]);
  }); // prettier-ignore
});

const somePeaks = fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 300 });

test('one more record that is no larger than the quantile never raises it, also when another leaves the window', () => {
  fc.assert(
    fc.property(somePeaks, fc.double({ min: 0.5, max: 0.99, noNaN: true }), (bytes, share) => {
      const before = weightedQuantile(peakWindow(peaks(...bytes)), share);
      const after = weightedQuantile(peakWindow(peaks(...bytes, before)), share);
      expect(after).toBeLessThanOrEqual(before);
    }),
  );
});

test('the same history once more changes no quantile but by what leaves the window', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 128 }), (bytes) => {
      const once = weightedQuantile(peakWindow(peaks(...bytes)), 0.99);
      expect(weightedQuantile(peakWindow(peaks(...bytes, ...bytes)), 0.99)).toBeLessThanOrEqual(once);
    }),
  );
});
