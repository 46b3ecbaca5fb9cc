/** How long do streams take when each starts as soon as it fits? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timesInWays, type TimedStream } from '../../lib/policy/suggest.ts';
import { someStream } from '../support/nouns.ts';

const timed = (id: string, estimateBytes: number, expectedMs: number, after: string[] = []): TimedStream => ({
  stream: someStream(id, { after }),
  estimateBytes,
  expectedMs,
});

test.each<[string, TimedStream[], number, number, number]>([
  ['nothing', [], 10, 0, 0],
  ['two that fit', [timed('A', 5, 100), timed('B', 5, 60)], 10, 100, 2],
  ['two that do not', [timed('A', 6, 100), timed('B', 5, 60)], 10, 160, 1],
  ['a small one beside a large one', [timed('A', 8, 100), timed('B', 8, 60), timed('C', 2, 90)], 10, 160, 2],
  ['one that waits for another', [timed('A', 1, 100), timed('B', 1, 60, ['A'])], 10, 160, 1],
  ['one that fits nowhere', [timed('A', 99, 100), timed('B', 1, 60)], 10, 160, 1],
])('%s', (_, streams, headroomBytes, continuousMs, mostAtOnce) => {
  expect(timesInWays(streams, [], { headroomBytes, slots: 8 })).toMatchObject({ continuousMs, mostAtOnce });
});

test('it never takes longer than one by one, nor less than the longest', () => {
  const entry = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100 }));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.integer({ min: 1, max: 4 }), (entries, slots) => {
      const streams = entries.map(([bytes, ms], at) => timed(`S${at}`, bytes, ms));
      const { continuousMs, oneByOneMs } = timesInWays(streams, [], { headroomBytes: 20, slots });
      expect(continuousMs).toBeLessThanOrEqual(oneByOneMs);
      expect(continuousMs).toBeGreaterThanOrEqual(Math.max(0, ...entries.map(([, ms]) => ms)));
    }),
  );
});
