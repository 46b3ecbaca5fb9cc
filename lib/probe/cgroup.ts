/** How much memory does one cgroup still allow? */
import { Failure } from '../failure.ts';
import type { MemoryBound } from '../model.ts';
import type { GroupPath } from './cgroup-path.ts';
import { keepFile, keepFileIfThere } from './proc.ts';
import type { KeptFile } from './proc.ts';

/**
 * `memory.high` is a bound like `memory.max`: from there on the kernel throttles and reclaims, so what lies above it is not
 * memory that an agent could use at speed. Sources: admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/memory.rst.
 */
const FILES = {
  1: {
    limits: ['memory.limit_in_bytes'],
    usage: 'memory.usage_in_bytes',
    inactive: /^total_inactive_file (\d+)$/m,
  },
  2: { limits: ['memory.max', 'memory.high'], usage: 'memory.current', inactive: /^inactive_file (\d+)$/m },
} as const;

/** Version 1 writes "no limit" as the largest signed 64-bit number rounded down to a page (64 KiB at most). */
const NO_LIMIT = 2 ** 63 - 64 * 1024;

/** A cgroup whose files are kept open. */
export interface OpenGroup {
  /** What it allows now; undefined while it has no limit below the machine's total. Throws a Failure that names the file. */
  read(machineTotalBytes: number): MemoryBound | undefined;
  close(): void;
}

/** Opens a group's files; undefined where the group has no limit file (the root group, or no memory controller in it). */
export function openGroup(group: GroupPath): OpenGroup | undefined {
  const files = FILES[group.version];
  const limits: KeptFile[] = [];
  let amounts: { usage: KeptFile; stat: KeptFile } | undefined;
  const close = () => {
    for (const file of [...limits, ...(amounts ? [amounts.usage, amounts.stat] : [])]) file.close();
  };
  try {
    for (const name of files.limits) {
      const file = keepFileIfThere(`${group.folder}/${name}`);
      if (file) limits.push(file);
    }
  } catch (error) {
    close();
    throw error;
  }
  if (limits.length === 0) return undefined;

  return {
    read(machineTotalBytes) {
      const limitBytes = Math.min(...limits.map(readLimit));
      if (limitBytes >= machineTotalBytes) return undefined;
      amounts ??= openAmounts(group.folder, files.usage);
      const usageBytes = wholeNumber(amounts.usage.path, amounts.usage.read());
      const inactiveBytes = statField(amounts.stat, files.inactive);
      // The kernel updates memory.stat later than the usage, so the difference can be negative for a moment.
      const heldBytes = Math.max(0, usageBytes - inactiveBytes);
      return {
        kind: 'cgroup',
        name: group.name,
        totalBytes: limitBytes,
        availableBytes: Math.max(0, limitBytes - heldBytes),
      };
    },
    close,
  };
}

function openAmounts(folder: string, usageName: string) {
  const usage = keepFile(`${folder}/${usageName}`);
  try {
    return { usage, stat: keepFile(`${folder}/memory.stat`) };
  } catch (error) {
    usage.close();
    throw error;
  }
}

/** Bytes, or Infinity for no limit. */
function readLimit(file: KeptFile): number {
  const text = file.read().trim();
  if (text === 'max') return Infinity;
  const bytes = wholeNumber(file.path, text);
  if (bytes === 0)
    throw new Failure(`${file.path} is 0: a group without any memory, in which nothing can run`);
  return bytes >= NO_LIMIT ? Infinity : bytes;
}

function wholeNumber(path: string, text: string): number {
  if (!/^\d+\n?$/.test(text))
    throw new Failure(`${path} holds no number of bytes: ${JSON.stringify(text.slice(0, 60))}`);
  return Number(text);
}

function statField(file: KeptFile, pattern: RegExp): number {
  const match = pattern.exec(file.read());
  if (!match) throw new Failure(`${file.path} has no line like ${pattern.source}`);
  return Number(match[1]);
}
