/** How is the machine: normal, warning or critical, and which figure says so? */
import type { MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { formatBytes, formatShare } from '../units.ts';

export interface MachineHealth {
  readonly level: 'normal' | 'warning' | 'critical';
  readonly reason: string;
  /** Of the binding limit's total. */
  readonly usedShare: number;
}

/** Critical under the floor or over the critical share in use; warning under twice the floor or over the warning share. */
export function judgeHealth(
  memory: MemorySnapshot,
  settings: Pick<Settings, 'admission' | 'pressure'>,
): MachineHealth {
  const { floorBytes } = settings.admission;
  const { warningShare, criticalShare } = settings.pressure;
  const { totalBytes, availableBytes } = memory.binding;
  const usedShare = totalBytes > 0 ? 1 - availableBytes / totalBytes : 1;
  const free = `${formatBytes(availableBytes)} available`;
  const used = `${formatShare(usedShare)} of ${formatBytes(totalBytes)} in use`;

  if (availableBytes < floorBytes)
    return { level: 'critical', reason: `${free}, under the floor of ${formatBytes(floorBytes)}`, usedShare };
  if (usedShare >= criticalShare)
    return { level: 'critical', reason: `${used}, critical from ${formatShare(criticalShare)}`, usedShare };
  if (availableBytes < 2 * floorBytes)
    return {
      level: 'warning',
      reason: `${free}, under twice the floor of ${formatBytes(floorBytes)}`,
      usedShare,
    };
  if (usedShare >= warningShare)
    return { level: 'warning', reason: `${used}, warning from ${formatShare(warningShare)}`, usedShare };
  return { level: 'normal', reason: `${free}, ${used}`, usedShare };
}
