/** Does the tightest limit decide, and does less room never look like more? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeCapacity, mostThatFits, spawnCapacity, type CapacityFacts } from '../../lib/policy/capacity.ts';
import type { CheckedLease } from '../../lib/policy/charge.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someChecked, someMemory, someSettings } from '../support/nouns.ts';

const judge = (facts: Partial<CapacityFacts>) =>
  judgeCapacity({
    settings: someSettings(),
    memory: someMemory(12 * GIB),
    leases: [],
    budget: undefined,
    ...facts,
  });

const budget = (bytes: number) => ({ bytes, project: '/project', epic: 'shop' });
const coordinator = (treeBytes?: number) =>
  someChecked({ role: 'coordinator', estimateBytes: 2 * GIB }, treeBytes);

describe('judgeCapacity', () => {
  it.each<[string, Partial<CapacityFacts>, number, string]>([
    ['an idle machine keeps the share of a coordinator that does not run', {}, 10, 'machine'],
    ['nothing is available', { memory: someMemory(0) }, 0, 'machine'],
    ['one byte less than is kept', { memory: someMemory(2 * GIB - 1) }, 0, 'machine'],
    ['safety is kept on top', { settings: someSettings({ admission: { safetyBytes: GIB } }) }, 9, 'machine'],
    ['a coordinator that runs is charged instead', { leases: [coordinator()] }, 10, 'machine'],
    ['a coordinator that uses its share', { memory: someMemory(10 * GIB), leases: [coordinator(2 * GIB)] }, 10, 'machine'],
    ['an agent that has not grown yet', { leases: [someChecked({ estimateBytes: 3 * GIB }, GIB)] }, 8, 'machine'],
    ['an agent above its estimate is seen in what is available', { leases: [someChecked({}, 5 * GIB)] }, 9, 'total_memory_limit'],
    ['the total limit', { settings: someSettings({ totalMemoryLimitBytes: 5 * GIB }) }, 3, 'total_memory_limit'],
    ['the total limit, of which an agent is charged', { settings: someSettings({ totalMemoryLimitBytes: 5 * GIB }), leases: [someChecked()] }, 2, 'total_memory_limit'],
    ['a cgroup that is smaller', { memory: someMemory(12 * GIB, 16 * GIB, [{ name: '/box', totalBytes: 6 * GIB, availableBytes: 5 * GIB }]) }, 3, 'cgroup'],
    ['a cgroup that is larger', { memory: someMemory(12 * GIB, 16 * GIB, [{ name: '/box', totalBytes: 64 * GIB, availableBytes: 60 * GIB }]) }, 10, 'machine'],
    ['a budget', { budget: budget(4 * GIB) }, 4, 'budget'],
    ['a budget, of which an agent of its epic is charged', { budget: budget(4 * GIB), leases: [someChecked()] }, 3, 'budget'],
    ['a budget, an agent of another epic', { budget: budget(4 * GIB), leases: [someChecked({ epic: 'other' })] }, 4, 'budget'],
    ['a budget, an agent of that epic in another project', { budget: budget(4 * GIB), leases: [someChecked({ project: '/elsewhere' })] }, 4, 'budget'],
    ['a budget, a coordinator of its project', { budget: budget(4 * GIB), leases: [coordinator()] }, 4, 'budget'],
    ['a budget that is overdrawn', { budget: budget(GIB), leases: [someChecked({}, 3 * GIB)] }, 0, 'budget'],
  ])('%s', (_what, facts, headroomGib, limit) => {
    const capacity = judge(facts);
    expect([capacity.headroomBytes / GIB, capacity.rooms[0]?.limit]).toEqual([headroomGib, limit]);
  }); // prettier-ignore

  it('counts agents and sub-agents that live, never the coordinator, the dead, or idle agents of the pool', () => {
    const leases: CheckedLease[] = [
      { ...someChecked(), isIdle: true },
      someChecked(),
      someChecked({ role: 'subagent' }),
      { ...someChecked(), life: 'unchecked' },
      coordinator(),
      { ...someChecked(), life: 'void-owner-dead' },
      { ...someChecked(), life: 'void-expired' },
    ];
    expect(judge({ leases }).liveAgents).toBe(3);
  });

  it('holds nothing back where memory management is off, and still says what it sees', () => {
    const capacity = judge({ settings: someSettings({ enabled: false }), memory: someMemory(GIB) });
    expect([capacity.headroomBytes, capacity.rooms[0]?.headroomBytes]).toEqual([Infinity, -GIB]);
  });

  it('says of every limit what it would leave with nothing running, the least of them for what can never fit', () => {
    const capacity = judge({ budget: budget(GIB), leases: [someChecked({}, 9 * GIB)] });
    expect(
      Object.fromEntries(capacity.rooms.map(({ limit, mostBytes }) => [limit, mostBytes / GIB])),
    ).toEqual({
      budget: 1,
      machine: 14,
      total_memory_limit: 14,
    });
    expect(mostThatFits(capacity)?.limit).toBe('budget');
  });
});

describe('spawnCapacity', () => {
  const narrow = someSettings({ admission: { sequentialBytes: 2 * GIB, limitedBytes: 4 * GIB } });
  it.each<[string, Partial<CapacityFacts>, number, number]>([
    ['as many as fit', {}, 3 * GIB, 3],
    ['one byte too large', {}, 10 * GIB + 1, 0],
    ['exactly one', {}, 10 * GIB, 1],
    ['no more than slots', {}, MIB, 4],
    ['no more than the slots that are left', { leases: [someChecked(), someChecked(), someChecked()] }, MIB, 1],
    ['never below zero where more run than may', { settings: someSettings({ maxConcurrentAgents: 1 }), leases: [someChecked(), someChecked()] }, MIB, 0],
    ['an estimate of nothing is no division by zero', {}, 0, 4],
    ['two in all when memory is short', { settings: narrow, memory: someMemory(4 * GIB - 1) }, MIB, 2],
    ['one beside one that runs then', { settings: narrow, memory: someMemory(4 * GIB - 1), leases: [someChecked({}, GIB)] }, MIB, 1],
    ['none beside two', { settings: narrow, memory: someMemory(4 * GIB - 1), leases: [someChecked({}, GIB), someChecked({}, GIB)] }, MIB, 0],
    ['not yet more than two within the margin above', { settings: narrow, memory: someMemory(5 * GIB - 1), modeBefore: 'limited_parallel' }, MIB, 2],
    ['one when it is very short', { settings: narrow, memory: someMemory(2 * GIB - 1), leases: [coordinator(2 * GIB)] }, MIB, 1],
    ['no mode at all where memory management is off', { settings: { ...narrow, enabled: false }, memory: someMemory(0) }, MIB, 4],
    ['only slots count where memory management is off', { settings: someSettings({ enabled: false }), memory: someMemory(5 * GIB) }, 1000 * GIB, 4],
  ])('%s', (_what, facts, estimateBytes, count) => {
    expect(spawnCapacity(judge(facts), estimateBytes)).toBe(count);
  }); // prettier-ignore
});

const size = fc.integer({ min: 0, max: 16 * GIB });
const leases = fc.array(
  fc.record({ estimateBytes: size, treeBytes: fc.option(size, { nil: undefined }), role: fc.constantFrom('agent', 'subagent', 'coordinator'), epic: fc.constantFrom('shop', 'other') }),
  { maxLength: 6 },
).map((list) => list.map(({ treeBytes, ...change }) => someChecked(change, treeBytes))); // prettier-ignore
const maybeBudget = fc.option(size.map(budget), { nil: undefined });

describe('less room', () => {
  it('never comes out as more headroom, whichever limit shrank', () => {
    fc.assert(
      fc.property(leases, maybeBudget, size, size, size, size, size, (list, limit, machine, group, total, less, grown) => {
        const facts = (machineBytes: number, groupBytes: number, totalBytes: number, safetyBytes: number) =>
          judge({
            settings: someSettings({ totalMemoryLimitBytes: totalBytes, admission: { safetyBytes, sequentialBytes: 2 * GIB, limitedBytes: 4 * GIB } }),
            memory: someMemory(machineBytes, 16 * GIB, [
              { name: '/box', totalBytes: 16 * GIB, availableBytes: groupBytes },
            ]),
            leases: list,
            budget: limit,
          });
        const more = facts(machine, group, total, 0);
        for (const poorer of [
          facts(Math.min(machine, less), group, total, 0),
          facts(machine, Math.min(group, less), total, 0),
          facts(machine, group, Math.min(total, less), 0),
          facts(machine, group, total, less),
        ]) {
          expect(poorer.headroomBytes).toBeLessThanOrEqual(more.headroomBytes);
          expect(spawnCapacity(poorer, grown)).toBeLessThanOrEqual(spawnCapacity(more, grown));
        }
      }),
    );
  }); // prettier-ignore

  it('is what one more agent leaves: its estimate less in every limit at once', () => {
    fc.assert(
      fc.property(leases, maybeBudget, size, size, (list, limit, available, estimateBytes) => {
        const facts = { memory: someMemory(available), budget: limit };
        const rooms = (all: readonly CheckedLease[]) =>
          new Map(judge({ ...facts, leases: all }).rooms.map((room) => [room.limit, room.headroomBytes]));
        const before = rooms(list);
        const after = rooms([...list, someChecked({ estimateBytes })]);
        for (const [name, bytes] of before) expect(after.get(name)).toBe(bytes - estimateBytes);
        expect(rooms([...list, { ...someChecked({ estimateBytes }), life: 'void-owner-dead' }])).toEqual(before);
      }),
    );
  }); // prettier-ignore
});
