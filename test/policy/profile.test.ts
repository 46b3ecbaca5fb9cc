/** Do sixteen segments tell how memory ran, without ever claiming less than was seen? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MOST_SEGMENTS, profileAt, profileOf, type ProfileSample } from '../../lib/policy/profile.ts';

const samples = (...bytes: number[]): ProfileSample[] =>
  bytes.map((held, at) => ({ atMs: (at + 1) * 100, bytes: held }));

test.each<[string, ProfileSample[], number | undefined, [number, number][]]>([
  ['nothing was sampled', [], undefined, []],
  ['one look', samples(5), undefined, [[100, 5]]],
  ['what stays the same is one segment', samples(5, 5, 5), undefined, [[300, 5]]],
  ['a step', samples(5, 5, 9), undefined, [[200, 5], [300, 9]]],
  ['a second look at the same moment counts if it saw more', [...samples(5), { atMs: 100, bytes: 7 }, { atMs: 100, bytes: 6 }], undefined, [[100, 7]]],
  ['it lived on after the last look', samples(5, 9), 1000, [[100, 5], [1000, 9]]],
])('%s', (_what, given, endMs, expected) => {
  expect(profileOf(given, endMs).map(({ untilMs, bytes }) => [untilMs, bytes])).toEqual(expected);
}); // prettier-ignore

test('the seventeenth goes together with the neighbour that costs least', () => {
  const bytes = Array.from({ length: 17 }, (_, at) => at * 100);
  // Only the sixth and the seventh are near each other.
  bytes[6] = 510;
  const profile = profileOf(samples(...bytes));
  expect(profile).toHaveLength(MOST_SEGMENTS);
  expect(profile[5]).toEqual({ untilMs: 700, bytes: 510 });
  expect([profileAt(profile, 600), profileAt(profile, 800), profileAt(profile, 99_999)]).toEqual([
    510, 700, 1600,
  ]);
});

test('a profile never claims less than was seen, at most what was the most, and ends when the last look was', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 200 }), (bytes) => {
      const given = samples(...bytes);
      const profile = profileOf(given);
      expect(profile.length).toBeLessThanOrEqual(MOST_SEGMENTS);
      expect(profile.at(-1)?.untilMs).toBe(bytes.length * 100);
      expect(Math.max(...profile.map((segment) => segment.bytes))).toBe(Math.max(...bytes));
      for (const { atMs, bytes: held } of given)
        expect(profileAt(profile, atMs)).toBeGreaterThanOrEqual(held);
    }),
  );
});
