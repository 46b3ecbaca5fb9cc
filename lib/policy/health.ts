/** How is the machine: normal, warning or critical, and which figure of which limit says so? */
import type { MemoryBound, MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { formatBytes, formatShare } from '../units.ts';

type Level = 'normal' | 'warning' | 'critical';

export interface MachineHealth {
  readonly level: Level;
  readonly reason: string;
  /** The machine or the cgroup that the level is of. */
  readonly bound: MemoryBound;
  /** Of that bound's total. */
  readonly usedShare: number;
}

const LEVELS: readonly Level[] = ['normal', 'warning', 'critical'];

/**
 * Critical under the floor or over the critical share in use; warning under twice the floor or over the warning share: of
 * whichever limit is worst. The one with the least bytes left is not always the fullest: a cgroup of 4 GB may have 1 GB to
 * spare on a machine that is nearly full, and the other way round.
 */
export function judgeHealth(
  memory: MemorySnapshot,
  settings: Pick<Settings, 'admission' | 'pressure'>,
): MachineHealth {
  const others = memory.bounds.filter((bound) => bound !== memory.binding);
  const isOne = others.length === 0;
  return others
    .map((bound) => judgeBound(bound, settings, isOne))
    .reduce((one, other) => (isWorse(other, one) ? other : one), judgeBound(memory.binding, settings, isOne));
}

function isWorse(one: MachineHealth, other: MachineHealth): boolean {
  const difference = LEVELS.indexOf(one.level) - LEVELS.indexOf(other.level);
  return difference > 0 || (difference === 0 && one.usedShare > other.usedShare);
}

function judgeBound(
  bound: MemoryBound,
  {
    admission: { floorBytes },
    pressure: { warningShare, criticalShare },
  }: Pick<Settings, 'admission' | 'pressure'>,
  isOne: boolean,
): MachineHealth {
  const { totalBytes, availableBytes } = bound;
  const usedShare = totalBytes > 0 ? 1 - availableBytes / totalBytes : 1;
  const where = isOne ? '' : bound.kind === 'machine' ? ' of the machine' : ` of cgroup ${bound.name}`;
  const free = `${formatBytes(availableBytes)} available${where}`;
  const used = `${formatShare(usedShare)} of ${formatBytes(totalBytes)} in use`;
  const said = (level: Level, reason: string): MachineHealth => ({ level, reason, bound, usedShare });

  if (availableBytes < floorBytes)
    return said('critical', `${free}, under the floor of ${formatBytes(floorBytes)}`);
  if (usedShare >= criticalShare)
    return said('critical', `${used}${where}, critical from ${formatShare(criticalShare)}`);
  if (availableBytes < 2 * floorBytes)
    return said('warning', `${free}, under twice the floor of ${formatBytes(floorBytes)}`);
  if (usedShare >= warningShare)
    return said('warning', `${used}${where}, warning from ${formatShare(warningShare)}`);
  return said('normal', `${free}, ${used}`);
}
