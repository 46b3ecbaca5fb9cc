/** How much memory is there, and how much of it could be had now? */
import { Failure } from '../failure.ts';
import type { MemoryBound, MemorySnapshot, PressureStall } from '../model.ts';
import { KIB } from '../units.ts';
import { findEnclosingGroups } from './cgroup-path.ts';
import { openGroup } from './cgroup.ts';
import type { OpenGroup } from './cgroup.ts';
import { parsePressure } from './pressure.ts';
import { causeCode, isGone, keepFile, keepFileIfThere } from './proc.ts';
import type { KeptFile } from './proc.ts';

/** After this long the groups are looked up anew: an administrator may have given one a memory controller meanwhile. */
const REOPEN_MS = 30_000;

/** Descriptors that are kept for a loop which measures many times a second. */
export interface MemoryProbe {
  /** The machine's memory now. Throws a Failure where it can't be told. */
  read(): MemorySnapshot;
  close(): void;
}

/**
 * The machine's memory now (Linux): the least of MemAvailable and of `limit - (usage - inactive_file)` of every enclosing
 * cgroup, bytes. Throws a Failure that names the file where a figure is missing or unreadable: never a guess.
 * MemAvailable is required: every kernel that Node 20 runs on has it. `root` stands for `/`.
 */
export function readMemory(root = ''): MemorySnapshot {
  const probe = openMemoryProbe(root);
  try {
    return probe.read();
  } finally {
    probe.close();
  }
}

/** As readMemory, with the files kept open between reads; groups are found anew when we are moved or one vanishes. */
export function openMemoryProbe(root = ''): MemoryProbe {
  let files = openFiles(root);
  const reopen = () => {
    const stale = files;
    files = openFiles(root);
    closeFiles(stale);
  };
  return {
    read() {
      const ageMs = Date.now() - files.openedMs;
      if (ageMs > REOPEN_MS || ageMs < 0) reopen();
      try {
        if (files.own && files.own.read() !== files.ownText) reopen();
        return takeSnapshot(files);
      } catch (error) {
        if (!isGone(error)) throw error;
        reopen();
        return takeSnapshot(files);
      }
    },
    close() {
      closeFiles(files);
    },
  };
}

interface Files {
  readonly openedMs: number;
  readonly meminfo: KeptFile;
  readonly pressure: KeptFile | undefined;
  /** /proc/self/cgroup and what it said when the groups were found; undefined where the kernel has no cgroups. */
  readonly own: KeptFile | undefined;
  readonly ownText: string;
  readonly groups: readonly OpenGroup[];
}

function openFiles(root: string): Files {
  const open: { close(): void }[] = [];
  const kept = <T extends { close(): void } | undefined>(file: T): T => {
    if (file) open.push(file);
    return file;
  };
  try {
    const meminfo = kept(keepFile(`${root}/proc/meminfo`));
    const pressure = kept(openPressure(`${root}/proc/pressure/memory`));
    const own = kept(keepFileIfThere(`${root}/proc/self/cgroup`));
    const ownText = own?.read() ?? '';
    const groups = findEnclosingGroups(root, ownText)
      .map((group) => kept(openGroup(group)))
      .filter((group) => group !== undefined);
    return { openedMs: Date.now(), meminfo, pressure, own, ownText, groups };
  } catch (error) {
    for (const file of open) file.close();
    throw error;
  }
}

function closeFiles({ meminfo, pressure, own, groups }: Files): void {
  for (const file of [meminfo, pressure, own, ...groups]) file?.close();
}

/** Pressure is a help, not a need: a container may hide it, and a kernel started with psi=0 refuses to open or to read it. */
function openPressure(path: string): KeptFile | undefined {
  return unlessRefused(() => keepFileIfThere(path));
}

function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['EOPNOTSUPP', 'ENOTSUP', 'EACCES', 'EPERM'].includes(causeCode(error))) return undefined;
    throw error;
  }
}

function takeSnapshot(files: Files): MemorySnapshot {
  const meminfo = files.meminfo.read();
  const fieldBytes = (name: string) => parseMeminfoField(meminfo, name);
  const machine = machineBound(files.meminfo.path, fieldBytes('MemTotal'), fieldBytes('MemAvailable'));
  const groups = files.groups
    .map((group) => group.read(machine.totalBytes))
    .filter((bound) => bound !== undefined);
  const swapTotalBytes = fieldBytes('SwapTotal');
  const swapFreeBytes = fieldBytes('SwapFree');
  const pressure = readPressure(files.pressure);
  return summarize(machine, groups, { swapTotalBytes, swapFreeBytes, pressure }, Date.now());
}

/** Bytes of one line of /proc/meminfo; undefined where there is no such line in the kernel's form. */
export function parseMeminfoField(meminfo: string, name: string): number | undefined {
  // Without a search by pattern over all fifty lines: an admission asks for four of them.
  const lines = `\n${meminfo}\n`;
  const at = lines.indexOf(`\n${name}:`);
  if (at < 0) return undefined;
  const start = at + name.length + 2;
  const match = /^ +(\d+) kB$/.exec(lines.slice(start, lines.indexOf('\n', start)));
  return match ? Number(match[1]) * KIB : undefined;
}

function machineBound(source: string, total: number | undefined, available: number | undefined): MemoryBound {
  if (total === undefined || !(total > 0)) throw new Failure(`${source} gives no total memory (MemTotal)`);
  if (available === undefined || !(available >= 0)) {
    throw new Failure(`${source} gives no available memory (MemAvailable)`);
  }
  // A shrunken virtual machine can have more available than it is said to have in all.
  return { kind: 'machine', name: 'machine', totalBytes: total, availableBytes: Math.min(available, total) };
}

function readPressure(file: KeptFile | undefined): PressureStall | undefined {
  const text = file && unlessRefused(() => file.read());
  return text === undefined ? undefined : parsePressure(text);
}

type Extras = Pick<MemorySnapshot, 'swapTotalBytes' | 'swapFreeBytes' | 'pressure'>;

function summarize(
  machine: MemoryBound,
  groups: readonly MemoryBound[],
  extras: Extras,
  atMs: number,
): MemorySnapshot {
  const bounds = [machine, ...groups];
  const binding = bounds.reduce((least, bound) =>
    bound.availableBytes < least.availableBytes ? bound : least,
  );
  return {
    atMs,
    totalBytes: Math.min(...bounds.map((bound) => bound.totalBytes)),
    availableBytes: binding.availableBytes,
    binding,
    bounds,
    ...extras,
  };
}

/** What of systeminformation's answer is used, bytes. */
export interface SystemMemory {
  readonly total: number;
  readonly available: number;
  readonly swaptotal: number;
  readonly swapfree: number;
}

/** A snapshot from systeminformation's figures: the machine is the only bound (it doesn't see cgroups), and no pressure. */
export function snapshotFromSystemInformation(memory: SystemMemory, atMs: number): MemorySnapshot {
  const machine = machineBound('systeminformation', memory.total, memory.available);
  const hasSwap = Number.isFinite(memory.swaptotal) && Number.isFinite(memory.swapfree);
  const extras: Extras = {
    swapTotalBytes: hasSwap ? memory.swaptotal : undefined,
    swapFreeBytes: hasSwap ? memory.swapfree : undefined,
    pressure: undefined,
  };
  return summarize(machine, [], extras, atMs);
}

/** The machine's memory on any system: readMemory on Linux, systeminformation (loaded only then) elsewhere. */
export async function readMemoryAnywhere(): Promise<MemorySnapshot> {
  if (process.platform === 'linux') return readMemory();
  const { default: systeminformation } = await import('systeminformation');
  return snapshotFromSystemInformation(await systeminformation.mem(), Date.now());
}
