/** Is the machine's level named by the figure that is worst, and never better for less memory? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeHealth, type MachineHealth } from '../../lib/policy/health.ts';
import { GIB } from '../../lib/units.ts';
import { someMemory, someSettings } from '../support/nouns.ts';

const settings = someSettings();
const LEVELS: readonly MachineHealth['level'][] = ['normal', 'warning', 'critical'];

describe('judgeHealth', () => {
  it.each<[string, number, number, MachineHealth['level'], string]>([
    ['an empty machine', 16 * GIB, 16 * GIB, 'normal', '16.0GB available, 0% of 16.0GB in use'],
    ['just under the warning share', 4.81 * GIB, 16 * GIB, 'normal', '4.8GB available, 70% of 16.0GB in use'],
    ['the warning share', 30 * GIB, 100 * GIB, 'warning', '70% of 100.0GB in use, warning from 70%'],
    ['the critical share', 15 * GIB, 100 * GIB, 'critical', '85% of 100.0GB in use, critical from 85%'],
    ['twice the floor', 2 * GIB, 4 * GIB, 'normal', '2.0GB available, 50% of 4.0GB in use'],
    ['a byte under twice the floor', 2 * GIB - 1, 4 * GIB, 'warning', '2.0GB available, under twice the floor of 1.0GB'],
    ['the floor', GIB, 4 * GIB, 'warning', '1.0GB available, under twice the floor of 1.0GB'],
    ['a byte under the floor', GIB - 1, 2 * GIB, 'critical', '1.0GB available, under the floor of 1.0GB'],
    ['nothing', 0, 16 * GIB, 'critical', '0B available, under the floor of 1.0GB'],
    ['a machine that tells no total', 2 * GIB, 0, 'critical', '100% of 0B in use, critical from 85%'],
  ])('%s', (_what, availableBytes, totalBytes, level, reason) => {
    expect(judgeHealth(someMemory(availableBytes, totalBytes), settings)).toMatchObject({ level, reason });
  }); // prettier-ignore

  /** Machine and cgroup, each `[available, total]` in GB. */
  it.each<[string, readonly [number, number], readonly [number, number], MachineHealth['level'], string]>([
    ['a full machine around a cgroup with room', [8, 64], [3, 4], 'critical', '88% of 64.0GB in use of the machine, critical from 85%'],
    ['a full cgroup with more bytes left than the machine', [5, 12], [6, 64], 'critical', '91% of 64.0GB in use of cgroup /box, critical from 85%'],
    ['a full cgroup on an empty machine', [50, 64], [1.9, 16], 'critical', '88% of 16.0GB in use of cgroup /box, critical from 85%'],
    ['a machine under the floor, and a cgroup that is only full', [0.5, 64], [2, 10], 'critical', '512.0MB available of the machine, under the floor of 1.0GB'],
    ['both have room', [60, 64], [12, 16], 'normal', '12.0GB available of cgroup /box, 25% of 16.0GB in use'],
  ])('%s', (_what, machine, group, level, reason) => {
    const gb = ([available, total]: readonly [number, number]) => [available * GIB, total * GIB] as const;
    const [availableBytes, totalBytes] = gb(group);
    const memory = someMemory(...gb(machine), [{ name: '/box', availableBytes, totalBytes }]);
    expect(judgeHealth(memory, settings)).toMatchObject({ level, reason });
  }); // prettier-ignore

  it('speaks of the limit that binds, not of the machine around it', () => {
    const memory = someMemory(50 * GIB, 64 * GIB, [{ name: '/box', totalBytes: 4 * GIB, availableBytes: GIB / 2 }]);
    expect(judgeHealth(memory, settings)).toMatchObject({ level: 'critical', usedShare: 0.875 });
  }); // prettier-ignore

  it('is never better for less memory', () => {
    const size = fc.integer({ min: 0, max: 16 * GIB });
    fc.assert(
      fc.property(size, size, (one, other) => {
        const at = (bytes: number) => LEVELS.indexOf(judgeHealth(someMemory(bytes), settings).level);
        expect(at(Math.min(one, other))).toBeGreaterThanOrEqual(at(Math.max(one, other)));
        // Nor for the same memory within one more limit.
        const box = { name: '/box', totalBytes: 8 * GIB, availableBytes: other / 2 };
        const inside = judgeHealth(someMemory(one, 16 * GIB, [box]), settings);
        expect(LEVELS.indexOf(inside.level)).toBeGreaterThanOrEqual(at(one));
      }),
    );
  });
});
