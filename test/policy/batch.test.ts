/** Are batches an honest explanation: everything once, in order, and nothing together that cannot run together? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stream } from '../../lib/model.ts';
import { planBatches, planCounts } from '../../lib/policy/batch.ts';
import { GIB } from '../../lib/units.ts';
import { someStream } from '../support/nouns.ts';
import { somePlan } from '../support/simulate.ts';

describe('planCounts', () => {
  it.each([
    [1, 0, 'impossible', undefined, undefined],
    [5, -1, 'impossible', undefined, undefined],
    [0, 4, 'parallel', 1, 0],
    [1, 1, 'parallel', 1, 1],
    [1, 4, 'parallel', 1, 1],
    [4, 4, 'parallel', 4, 1],
    [5, 4, 'batched', 4, 2],
    [8, 4, 'batched', 4, 2],
    [9, 4, 'batched', 4, 3],
    [2, 1, 'sequential', 1, 2],
    [100_000, 1, 'sequential', 1, 100_000],
  ])('%d agents of which %d run at once: %s, %s each, %s batches', (count, capacity, strategy, batchSize, batches) => {
    expect(planCounts(count, capacity)).toEqual({ strategy, batchSize, batches });
  }); // prettier-ignore

  it('has batches that hold them all, and not one batch too many', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 1000 }), (count, capacity) => {
        const { batchSize = 0, batches = 0 } = planCounts(count, capacity);
        expect(batchSize * batches).toBeGreaterThanOrEqual(count);
        expect(batchSize * (batches - 1)).toBeLessThan(count);
        expect(batchSize).toBeLessThanOrEqual(capacity);
      }),
    );
  }); // prettier-ignore
});

describe('planBatches', () => {
  const one = (): number => 1;
  const [a, b, c, d] = ['A', 'B', 'C', 'D'].map((id) => someStream(id)) as [Stream, Stream, Stream, Stream];
  const after = (id: string, ...needed: string[]) => someStream(id, { after: needed });
  const apart = (id: string, ...others: string[]) => someStream(id, { apart: others });

  it.each<[string, Stream[], { headroomBytes: number; slots: number }, string, string]>([
    ['nothing', [], { headroomBytes: 9, slots: 9 }, 'parallel', ''],
    ['all at once', [a, b, c], { headroomBytes: 3, slots: 3 }, 'parallel', 'A B C'],
    ['the slots part them', [a, b, c], { headroomBytes: 9, slots: 2 }, 'batched', 'A B|C'],
    ['the memory parts them', [a, b, c, d], { headroomBytes: 2.9, slots: 9 }, 'batched', 'A B|C D'],
    ['one alone', [a], { headroomBytes: 1, slots: 1 }, 'parallel', 'A'],
    ['one by one', [a, b], { headroomBytes: 1, slots: 9 }, 'sequential', 'A|B'],
    ['no headroom at all still explains an order', [a, b], { headroomBytes: 0, slots: 0 }, 'sequential', 'A|B'],
    ['no limit on memory', [a, b, c], { headroomBytes: Infinity, slots: 2 }, 'batched', 'A B|C'],
    ['a dependency', [a, after('B', 'A'), c], { headroomBytes: 9, slots: 9 }, 'batched', 'A C|B'],
    ['a dependency that comes later in the list', [after('B', 'A'), a], { headroomBytes: 9, slots: 9 }, 'sequential', 'A|B'],
    ['a dependency that is done already', [after('B', 'Z')], { headroomBytes: 9, slots: 9 }, 'parallel', 'B'],
    ['a chain', [a, after('B', 'A'), after('C', 'B')], { headroomBytes: 9, slots: 9 }, 'sequential', 'A|B|C'],
    ['a conflict that the first says', [apart('A', 'B'), b, c], { headroomBytes: 9, slots: 9 }, 'batched', 'A C|B'],
    ['a conflict that the second says', [a, apart('B', 'A'), c], { headroomBytes: 9, slots: 9 }, 'batched', 'A C|B'],
    ['a smaller one goes past one that does not fit', [someStream('BIG'), a, b], { headroomBytes: 2, slots: 9 }, 'batched', 'BIG|A B'],
  ])('%s', (_what, streams, limits, strategy, shape) => {
    const found = planBatches(streams, ({ id }) => (id === 'BIG' ? 5 : 1), limits);
    expect(found.strategy).toBe(strategy);
    expect(found.batches.map(({ keys }) => keys.map((key) => key.slice(7)).join(' ')).join('|')).toBe(shape);
  }); // prettier-ignore

  it('holds every stream once, after what it depends on, apart from its conflicts, within slots and headroom', () => {
    const limits = fc.record({
      headroomBytes: fc.integer({ min: 0, max: 10 * GIB }),
      slots: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(somePlan, limits, (fates, { headroomBytes, slots }) => {
        const plan = fates.map(({ planned }) => planned);
        const sizes = new Map(plan.map(({ stream, estimateBytes }) => [stream.key, estimateBytes]));
        const streams = plan.map(({ stream }) => stream);
        const { batches } = planBatches(streams, ({ key }) => sizes.get(key) ?? NaN, { headroomBytes, slots });
        const batchOf = new Map(batches.flatMap(({ keys }, at) => keys.map((key) => [key, at] as const)));

        expect(batches.flatMap(({ keys }) => keys).toSorted()).toEqual([...sizes.keys()].toSorted());
        for (const { key, dependsOn, conflictsWith } of streams) {
          const at = batchOf.get(key) ?? NaN;
          for (const needed of dependsOn) expect(batchOf.get(needed)).toBeLessThan(at);
          for (const other of conflictsWith) expect(batchOf.get(other)).not.toBe(at);
        }
        for (const { keys, estimateBytes } of batches) {
          expect(estimateBytes).toBe(keys.reduce((sum, key) => sum + (sizes.get(key) ?? NaN), 0));
          if (keys.length === 1) continue;
          expect(keys.length).toBeLessThanOrEqual(slots);
          expect(estimateBytes).toBeLessThanOrEqual(headroomBytes);
        }
      }),
    );
  }); // prettier-ignore

  const COUNT = 10_000;
  const names = Array.from({ length: COUNT }, (_, at) => `S${at}`);
  it.each<[string, Stream[], { headroomBytes: number; slots: number }, number]>([
    ['alone, one by one', names.map((id) => someStream(id)), { headroomBytes: 1, slots: 8 }, COUNT],
    ['in eight slots', names.map((id) => someStream(id)), { headroomBytes: 1e9, slots: 8 }, COUNT / 8],
    ['all at once', names.map((id) => someStream(id)), { headroomBytes: 1e9, slots: COUNT }, 1],
    ['in one chain', names.map((id, at) => after(id, ...(at === 0 ? [] : [`S${at - 1}`]))), { headroomBytes: 1e9, slots: 8 }, COUNT],
    ['all behind one', names.map((id, at) => after(id, ...(at === 0 ? [] : ['S0']))), { headroomBytes: 1e9, slots: COUNT }, 2],
    ['in pairs that conflict', names.map((id, at) => apart(id, `S${at ^ 1}`)), { headroomBytes: 1e9, slots: COUNT }, 2],
  ])('parts ten thousand streams in good time: %s', (_what, streams, limits, count) => {
    const startMs = performance.now();
    expect(planBatches(streams, one, limits).batches).toHaveLength(count);
    // Half a second on two idle cores at most.
    expect(performance.now() - startMs).toBeLessThan(10_000);
  }); // prettier-ignore
});
