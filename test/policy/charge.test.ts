/** Is what is promised to agents counted once, and never after their death? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lease, LeaseLife } from '../../lib/model.ts';
import {
  counts,
  identityKey,
  judgeLease,
  sumCharges,
  UNCHECKED_LEASE_MS,
  type CheckedLease,
} from '../../lib/policy/charge.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someChecked, someLease, someProcess } from '../support/nouns.ts';

describe('judgeLease', () => {
  const owner = someProcess(7);
  const now = 1_000_000;
  it.each<[string, Partial<Lease>, boolean | undefined, LeaseLife]>([
    ['a live owner', { owner }, true, 'live'],
    ['a dead owner, renewed this very moment', { owner, renewedMs: now }, false, 'void-owner-dead'],
    ['an owner elsewhere, just renewed', { owner, renewedMs: now }, undefined, 'unchecked'],
    ['an owner elsewhere, renewed 1 ms inside the limit', { owner, renewedMs: now - UNCHECKED_LEASE_MS + 1 }, undefined, 'unchecked'],
    ['an owner elsewhere, renewed at the limit', { owner, renewedMs: now - UNCHECKED_LEASE_MS }, undefined, 'void-expired'],
    ['a live owner that nobody renewed for long', { owner, renewedMs: 0 }, true, 'live'],
    ['no owner, 1 ms before its end', { owner: undefined, expiresMs: now + 1 }, undefined, 'live'],
    ['no owner, at its end', { owner: undefined, expiresMs: now }, undefined, 'void-expired'],
    ['no owner and no end', { owner: undefined, expiresMs: undefined }, undefined, 'void-expired'],
    ['a live owner past its end', { owner, expiresMs: now }, true, 'void-expired'],
    ['a dead owner before its end', { owner, expiresMs: now + 1 }, false, 'void-owner-dead'],
    ['an owner elsewhere past its end', { owner, expiresMs: now - 1, renewedMs: now }, undefined, 'void-expired'],
    ['an owner elsewhere, renewed by a clock that is ahead', { owner, renewedMs: now + 5000 }, undefined, 'unchecked'],
  ])('%s', (_what, change, alive, life) => {
    expect(judgeLease(someLease(change), alive, now)).toBe(life);
  }); // prettier-ignore

  it.each([['live', true], ['unchecked', true], ['void-owner-dead', false], ['void-expired', false]] as const)(
    'a lease that is %s counts: %s',
    (life, counted) => {
      expect(counts(life)).toBe(counted);
      const { chargedBytes } = sumCharges([{ lease: someLease(), life, treeBytes: undefined }]);
      expect(chargedBytes).toBe(counted ? GIB : 0);
    },
  ); // prettier-ignore
});

describe('identityKey', () => {
  it('differs in every part of an identity', () => {
    const one = someProcess(7);
    const others = [
      someProcess(7, { bootId: 'other' }),
      someProcess(7, { pidNamespace: '1' }),
      someProcess(7, { pidNamespace: undefined }),
      someProcess(7, { startTicks: 1 }),
      someProcess(8, { startTicks: one.startTicks }),
    ];
    expect(new Set([one, ...others].map(identityKey)).size).toBe(6);
  });
});

describe('sumCharges', () => {
  const client = someProcess(7);
  const sub = { role: 'subagent', owner: client, baseBytes: 150 * MIB, estimateBytes: 100 * MIB } as const;

  it.each<[string, CheckedLease[], { current: number; promised: number; charged: number }]>([
    ['nothing', [], { current: 0, promised: 0, charged: 0 }],
    ['one that was not measured', [someChecked()], { current: 0, promised: 1024, charged: 1024 }],
    ['one that has just started', [someChecked({}, 0)], { current: 0, promised: 1024, charged: 1024 }],
    ['one below its estimate', [someChecked({}, 24 * MIB)], { current: 24, promised: 1000, charged: 1024 }],
    ['one at its estimate', [someChecked({}, GIB)], { current: 1024, promised: 0, charged: 1024 }],
    ['one above its estimate', [someChecked({}, 2 * GIB)], { current: 2048, promised: 0, charged: 2048 }],
    ['one above does not pay for one below', [someChecked({}, 2 * GIB), someChecked({}, 0)], { current: 2048, promised: 1024, charged: 3072 }],
    ['the dead count nothing', [{ ...someChecked({}, GIB), life: 'void-owner-dead' }], { current: 0, promised: 0, charged: 0 }],
    ['sub-agents before they grow', [someChecked(sub, 150 * MIB), someChecked(sub, 150 * MIB)], { current: 0, promised: 200, charged: 200 }],
    ['sub-agents that have grown', [someChecked(sub, 280 * MIB), someChecked(sub, 280 * MIB)], { current: 130, promised: 70, charged: 200 }],
    ['a client that shrank below its base', [someChecked(sub, 100 * MIB)], { current: 0, promised: 100, charged: 100 }],
    ['sub-agents of two clients', [someChecked(sub, 250 * MIB), someChecked({ ...sub, owner: someProcess(8) }, 150 * MIB)], { current: 100, promised: 100, charged: 200 }],
    ['a reused pid is another client', [someChecked(sub, 250 * MIB), someChecked({ ...sub, owner: someProcess(7, { startTicks: 1 }) }, 150 * MIB)], { current: 100, promised: 100, charged: 200 }],
    ['two without a process', [someChecked({ owner: undefined }), someChecked({ owner: undefined })], { current: 0, promised: 2048, charged: 2048 }],
    ['two that start, in their runner\'s name', [someChecked({ owner: client, state: 'starting' }, GIB), someChecked({ owner: client, state: 'starting' }, GIB)], { current: 0, promised: 2048, charged: 2048 }],
  ])('%s', (_what, leases, { current, promised, charged }) => {
    expect(sumCharges(leases)).toEqual({
      currentBytes: current * MIB,
      promisedBytes: promised * MIB,
      chargedBytes: charged * MIB,
    });
  }); // prettier-ignore

  const size = fc.integer({ min: 0, max: 8 * GIB });
  const agents = fc.array(fc.tuple(size, fc.option(size, { nil: undefined })), { maxLength: 12 });

  it('charges what is in use and what is promised, and neither twice, in any order', () => {
    fc.assert(
      fc.property(agents, (pairs) => {
        const leases = pairs.map(([estimateBytes, treeBytes]) => someChecked({ estimateBytes }, treeBytes));
        const charge = sumCharges(leases);
        expect(charge.currentBytes + charge.promisedBytes).toBe(charge.chargedBytes);
        expect(charge.chargedBytes).toBe(
          pairs.reduce((sum, [estimate, tree]) => sum + Math.max(estimate, tree ?? 0), 0),
        );
        expect(sumCharges(leases.toReversed())).toEqual(charge);
      }),
    );
  });

  it('gives back exactly what it took', () => {
    fc.assert(
      fc.property(agents, size, (pairs, estimateBytes) => {
        const leases = pairs.map(([estimate, tree]) => someChecked({ estimateBytes: estimate }, tree));
        const before = sumCharges(leases);
        const more = [...leases, someChecked({ estimateBytes })];
        expect(sumCharges(more).chargedBytes).toBe(before.chargedBytes + estimateBytes);
        expect(sumCharges(more.slice(0, -1))).toEqual(before);
      }),
    );
  });

  it('never promises less because one more sub-agent of a client was admitted', () => {
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 6 }), size, size, (estimates, base, tree) => {
        const leases = estimates.map((estimateBytes) =>
          someChecked({ owner: client, estimateBytes, baseBytes: base }, tree),
        );
        const fewer = sumCharges(leases.slice(1));
        const all = sumCharges(leases);
        expect(all.promisedBytes).toBeGreaterThanOrEqual(fewer.promisedBytes);
        expect(all.chargedBytes).toBeGreaterThanOrEqual(fewer.chargedBytes);
      }),
    );
  });
});
