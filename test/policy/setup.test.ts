/** Is it told truly whether the coordinator and all agents fit, and which limit says no? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeFit, worstState, type ItemState } from '../../lib/policy/setup.ts';
import type { MemorySnapshot } from '../../lib/model.ts';
import type { Settings } from '../../lib/settings-model.ts';
import { GIB, MIB } from '../../lib/units.ts';

const settings = {
  enabled: true,
  maxConcurrentAgents: 4,
  memoryPerAgentBytes: 2 * GIB,
  totalMemoryLimitBytes: 100 * GIB,
  coordinatorMemoryBytes: 3 * GIB,
  coordinatorHeapMb: 2048,
  admission: { safetyBytes: GIB, floorBytes: GIB },
} as Settings;

/** A machine that is busy: what is free now must not matter. */
function machine(totalBytes: number, cgroupBytes?: number): MemorySnapshot {
  const bounds = [{ kind: 'machine' as const, name: 'machine', totalBytes, availableBytes: 0 }];
  const group =
    cgroupBytes === undefined
      ? []
      : [{ kind: 'cgroup' as const, name: '/a', totalBytes: cgroupBytes, availableBytes: 0 }];
  return { totalBytes, availableBytes: 0, bounds: [...bounds, ...group] } as unknown as MemorySnapshot;
}

describe('judgeFit', () => {
  it.each([
    [12 * GIB, undefined, {}, 'fits', 4, /machine/],
    [12 * GIB - 1, undefined, {}, 'fewer', 3, /machine/],
    [6 * GIB, undefined, {}, 'fewer', 1, /machine/],
    [6 * GIB - 1, undefined, {}, 'none', 0, /machine/],
    [GIB, undefined, {}, 'none', 0, /machine/],
    [64 * GIB, 8 * GIB, {}, 'fewer', 2, /cgroup \/a/],
    [64 * GIB, undefined, { totalMemoryLimitBytes: 6 * GIB }, 'fewer', 1, /total_memory_limit/],
    [GIB, undefined, { enabled: false }, 'fits', 4, /machine/],
  ] as const)(
    'of %d bytes (cgroup: %s, %j) is %s with %d agents',
    (total, group, changes, verdict, agents, binding) => {
      const fit = judgeFit({ ...settings, ...changes }, machine(total, group));
      expect(fit).toMatchObject({ verdict, agents });
      expect(fit.binding).toMatch(binding);
    },
  );

  it('gives a reason for every answer but "fits", and for a coordinator whose heap outgrows its share', () => {
    expect(judgeFit(settings, machine(12 * GIB)).reasons).toEqual([]);
    expect(judgeFit(settings, machine(8 * GIB)).reasons.join()).toMatch(
      /4 agents of 2\.0GB need 12\.0GB; .* room for 2/,
    );
    expect(judgeFit(settings, machine(GIB)).reasons.join()).toMatch(/smaller limit/);
    expect(judgeFit({ ...settings, coordinatorHeapMb: 3073 }, machine(12 * GIB)).reasons.join()).toMatch(
      /coordinator_heap_size \(3073MB\)/,
    );
  });

  it('never lets more agents fit on less memory', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 5000 }), (mb, more) => {
        const few = judgeFit(settings, machine(mb * MIB)).agents;
        expect(judgeFit(settings, machine((mb + more) * MIB)).agents).toBeGreaterThanOrEqual(few);
      }),
    );
  });
});

it.each<[ItemState[], ItemState]>([
  [[], 'ok'],
  [['ok', 'warning', 'ok'], 'warning'],
  [['warning', 'fault', 'ok'], 'fault'],
])('of %j the worst is %s', (states, worst) => {
  expect(worstState(states.map((state) => ({ name: 'x', state, detail: '' })))).toBe(worst);
});
