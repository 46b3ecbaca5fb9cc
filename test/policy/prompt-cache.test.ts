/** Which entries go: does every plan keep the limits, take the least recently used, and no more than it must? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  hitShare,
  isFresh,
  isSweepDue,
  planRelief,
  planRoom,
  planSweep,
  type CacheEntry,
} from '../../lib/policy/prompt-cache.ts';

const LIMITS = { ttlMs: 1000, maxBytes: 1000, maxEntries: 10, evictShare: 0.8, sweepEveryMs: 100 };
const NOW = 1_000_000;
/** Entries by their bytes, the first used longest ago. */
const entries = (...bytes: number[]): CacheEntry[] => bytes.map((size, at) => ({ address: `e${at}`, bytes: size, usedMs: NOW - 100 + at, expiresMs: NOW + 500 })); // prettier-ignore
const expired = (entry: CacheEntry): CacheEntry => ({ ...entry, expiresMs: NOW });

describe('planRoom', () => {
  it.each<[string, CacheEntry[], number, object]>([
    ['into an empty cache', [], 100, { expired: [], evicted: [] }],
    ['as large as the limit', [], 1000, { expired: [], evicted: [] }],
    ['one byte larger than the limit', entries(100), 1001, { decision: 'refuse' }],
    ['just under 80 % of the bytes', entries(400, 300), 99, { evicted: [] }],
    ['just at 80 % of the bytes', entries(400, 300), 100, { evicted: ['e0'] }],
    ['as the seventh', entries(1, 1, 1, 1, 1, 1), 1, { evicted: [] }],
    ['as the eighth: 80 % of the entries', entries(1, 1, 1, 1, 1, 1, 1), 1, { evicted: ['e0', 'e1'] }],
    ['where what has expired is enough', [...entries(400, 300).map(expired)], 500, { expired: ['e0', 'e1'], evicted: [] }],
    ['so large that no half is left', entries(100, 100, 100), 850, { evicted: ['e0', 'e1'] }],
  ])('%s', (_, before, bytes, plan) => {
    expect(planRoom(before, { address: 'new', bytes }, LIMITS, NOW)).toMatchObject(plan);
  }); // prettier-ignore

  it('keeps the limits while the file is written and afterwards, whatever there is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 400 }), used: fc.integer({ min: 0, max: 50 }), isOld: fc.boolean() }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 1200 }),
        fc.nat(12),
        (list, bytes, at) => {
          const all = list.map(({ bytes: size, used, isOld }, index) => ({ address: `e${index}`, bytes: size, usedMs: NOW - used, expiresMs: isOld ? NOW - 1 : NOW + 1 }));
          fc.pre(bytesOf(all) <= LIMITS.maxBytes);
          const plan = planRoom(all, { address: `e${at}`, bytes }, LIMITS, NOW);
          if (plan.decision === 'refuse') return bytes > LIMITS.maxBytes;
          const gone = new Set([...plan.expired, ...plan.evicted, ...(plan.isReplacedFirst ? [`e${at}`] : [])]);
          const beside = all.filter(({ address }) => !gone.has(address));
          const after = beside.filter(({ address }) => address !== `e${at}`).length + 1;
          const youngestGone = Math.max(-Infinity, ...all.filter(({ address }) => plan.evicted.includes(address)).map(({ usedMs }) => usedMs));
          const isFair = all.every(({ address, usedMs }) => gone.has(address) || address === `e${at}` || usedMs >= youngestGone);
          return bytesOf(beside) + bytes <= LIMITS.maxBytes && after <= LIMITS.maxEntries && isFair;
        },
      ),
    );
  }); // prettier-ignore
});

describe('planRelief', () => {
  it.each<['warning' | 'critical', number[], string[]]>([
    ['warning', [10, 10, 10, 10], ['e0', 'e1']],
    ['critical', [10, 10, 10, 10], ['e0', 'e1', 'e2']],
    ['warning', [10, 10, 10], ['e0', 'e1']],
    ['warning', [10], ['e0']],
    ['critical', [], []],
    ['warning', [10, 10, 90, 10], ['e0', 'e1', 'e2']],
  ])('at %s of %j', (level, sizes, gone) => {
    expect(planRelief(entries(...sizes), level, NOW).evicted).toEqual(gone);
  });

  it('counts what has expired as part of what goes', () => {
    const [first, ...rest] = entries(10, 10, 10, 10);
    expect(planRelief([...rest, expired(first!)], 'warning', NOW)).toEqual({
      expired: ['e0'],
      evicted: ['e1'],
    });
  });
});

describe('times', () => {
  it.each([
    [NOW - 999, NOW + 1, true],
    [NOW - 1000, NOW, false],
    [NOW + 5000, NOW + 6000, true],
    [NOW + 5001, NOW + 6000, false],
  ])('an entry of %d that ends at %d: %s', (createdMs, expiresMs, fresh) => {
    expect(isFresh(createdMs, expiresMs, NOW)).toBe(fresh);
  });

  it.each([
    [NOW - 99, false],
    [NOW - 100, true],
    [NOW + 5000, false],
    [NOW + 5001, true],
  ])('a sweep at %d: due %s', (sweptMs, due) => {
    expect(isSweepDue(sweptMs, NOW, LIMITS)).toBe(due);
  });

  it('sweeps what has expired and nothing else', () => {
    const [first, second] = entries(1, 1);
    expect(planSweep([expired(first!), second!], NOW)).toEqual(['e0']);
  });
});

it('knows no share of hits where nobody asked', () => {
  expect([hitShare({ hits: 0, misses: 0 }), hitShare({ hits: 3, misses: 1 })]).toEqual([undefined, 0.75]);
});
