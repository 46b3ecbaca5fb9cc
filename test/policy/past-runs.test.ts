/** What does a forecast make of past attempts, with and without a profile? */
import { describe, expect, it } from 'vitest';
import { compileNewest, courseOf } from '../../lib/policy/past-runs.ts';
import { MIB } from '../../lib/units.ts';
import { somePast } from '../support/nouns.ts';

const averageOf = (profile: readonly { bytes: number }[]): number =>
  profile.reduce((sum, { bytes }) => sum + bytes, 0) / profile.length;

describe('courseOf', () => {
  it.each<[string, number | undefined, number]>([
    ['stays at its peak where nobody knows its average', undefined, 400],
    ['stays at its peak where that is its average', 400, 400],
    ['is a straight line where the average is half of it', 200, 25],
    ['is its square where the average is a third', 133.3, 1.6],
  ])('%s', (_what, averageMb, firstMb) => {
    const course = courseOf({
      peakBytes: 400 * MIB,
      averageBytes: averageMb && Math.round(averageMb * MIB),
      durationMs: 16_000,
    });
    expect(course).toHaveLength(16);
    expect((course[0]?.bytes ?? 0) / MIB).toBeCloseTo(firstMb, 0);
    expect(course.at(-1)).toEqual({ untilMs: 16_000, bytes: 400 * MIB });
    // Each segment holds the most that is in it, so that the course is a little above the average and never below.
    const saidMb = averageOf(course) / MIB;
    expect(saidMb).toBeGreaterThanOrEqual((averageMb ?? 400) - 1);
    expect(saidMb).toBeLessThanOrEqual((averageMb ?? 400) + 400 / 16);
  });

  it('is nothing where it took no time', () => {
    expect(courseOf({ peakBytes: MIB, averageBytes: MIB, durationMs: 0 })).toEqual([]);
  });
});

describe('compileNewest', () => {
  it('takes the newest, the oldest of them first, prefers what was measured, and leaves out what tells nothing', () => {
    const profile = [{ untilMs: 500, bytes: 7 * MIB }];
    const attempts = [
      somePast({ peakBytes: MIB, durationMs: 1000, profile: [] }),
      somePast({ peakBytes: 2 * MIB, durationMs: 1000, profile: [] }),
      somePast({ peakBytes: 3 * MIB, durationMs: 0, profile: [] }),
      somePast({ peakBytes: 4 * MIB, durationMs: 1000, profile, isCensored: true }),
    ];
    const runs = compileNewest(attempts, 2);
    expect(runs.map(({ peakBytes, isCensored }) => [peakBytes / MIB, isCensored])).toEqual([
      [2, false],
      [7, true],
    ]);
  });
});
