/** Is the peak the largest that was seen, in the dearer measure where it was taken, and the average one over time? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSample, averageBytes, isPssWorth, NO_USE, type UseSoFar } from '../../lib/policy/peak.ts';

type Sample = readonly [atMs: number, rssBytes: number, pssBytes?: number];

const use = (...samples: Sample[]): UseSoFar =>
  samples.reduce((sum, [atMs, rssBytes, pssBytes]) => addSample(sum, { atMs, rssBytes, pssBytes }), NO_USE);

describe('addSample', () => {
  it.each<[string, Sample[], number | undefined, 'rss' | 'pss' | undefined, number | undefined]>([
    ['nothing seen is unknown', [], undefined, undefined, undefined],
    ['one look is its own average', [[5, 100]], 100, 'rss', 100],
    ['a look that saw nothing', [[5, 0]], 0, 'rss', 0],
    ['up and down', [[0, 0], [10, 100], [20, 0]], 100, 'rss', 50],
    ['long looks weigh more', [[0, 100], [90, 100], [100, 0]], 100, 'rss', 95],
    ['two looks in one instant', [[5, 100], [5, 300]], 300, 'rss', 300],
    ['a clock that went back does not count backwards', [[100, 100], [50, 100], [60, 100]], 100, 'rss', 100],
    ['the dearer measure wins', [[0, 100, 60]], 60, 'pss', 60],
    ['later looks are scaled by it', [[0, 100, 60], [10, 200]], 120, 'pss', 90],
    ['a smaller later one changes no peak', [[0, 100], [10, 90, 10]], 100, 'rss', 55],
    ['PSS above RSS (pages swapped in between) does not scale up', [[0, 100, 150], [10, 100]], 150, 'pss', 125],
    ['PSS of a tree that holds nothing', [[0, 0, 0], [10, 100]], 0, 'pss', 0],
  ])('%s', (_what, samples, peakBytes, peakKind, average) => {
    const sum = use(...samples);
    expect([sum.peakBytes, sum.peakKind, averageBytes(sum)]).toEqual([peakBytes, peakKind, average]);
    expect(sum.samples).toBe(samples.length);
  }); // prettier-ignore

  it('counts a process that is alone in full, however little its tree was of its own before', () => {
    const tree = addSample(NO_USE, { atMs: 0, rssBytes: 100, pssBytes: 10, processes: 2 });
    const alone = addSample(tree, { atMs: 10, rssBytes: 1000, pssBytes: undefined, processes: 1 });
    expect([alone.lastBytes, alone.peakBytes, alone.peakKind]).toEqual([1000, 1000, 'rss']);
    // A tree once more: nothing is known of what it shares until it is measured.
    expect(isPssWorth(alone, 100, 2)).toBe(true);
    expect(addSample(alone, { atMs: 20, rssBytes: 100, pssBytes: undefined, processes: 2 }).lastBytes).toBe(
      100,
    );
  });

  it('keeps the average between the least and the most, and the peak at the most', () => {
    const look = fc.tuple(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 2 ** 40 }));
    fc.assert(
      fc.property(fc.array(look, { minLength: 1, maxLength: 30 }), (looks) => {
        const sorted = looks.toSorted(([a], [b]) => a - b);
        const sum = use(...sorted);
        const sizes = sorted.map(([, bytes]) => bytes);
        expect(sum.peakBytes).toBe(Math.max(...sizes));
        expect(averageBytes(sum)).toBeGreaterThanOrEqual(Math.min(...sizes));
        expect(averageBytes(sum)).toBeLessThanOrEqual(Math.max(...sizes));
      }),
    );
  });
});

describe('isPssWorth', () => {
  it.each([
    ['the first look at a tree', 0, 1, 2, true],
    ['a single process shares with nobody', 0, 1000, 1, false],
    ['an empty tree', 0, 0, 0, false],
    ['a tenth more than when it was last taken', 1000, 1100, 2, false],
    ['more than a tenth more', 1000, 1101, 2, true],
    ['a little less than then', 1000, 910, 2, false],
    ['less than a tenth less: what is left may share nothing', 1000, 909, 2, true],
    ['a single process, less than then', 1000, 500, 1, false],
  ])('%s', (_what, pssTakenAtRss, rssBytes, processes, worth) => {
    expect(isPssWorth({ ...NO_USE, pssTakenAtRss }, rssBytes, processes)).toBe(worth);
  });
});
