/** What can be done with an agent's own group: count its members and its deaths, end them all, remove it. */
import { errorCode } from '../failure.ts';
import { makeGroup, removeGroup, tellKernel } from '../kernel-files.ts';
import type { ProcessIdentity } from '../model.ts';
import { ceilingBytes } from '../policy/ceiling.ts';
import {
  findGroups,
  listGroups,
  readGroupBytes,
  countOomKills,
  readMembers,
  type GroupFolder,
} from '../probe/group-state.ts';

/** An agent's group in the kernel. After `remove` the counters keep their last values. */
export interface GroupHandle {
  readonly folder: string;
  /** Where the kernel stops its members, bytes; undefined: nowhere. */
  readonly ceilingBytes: number | undefined;
  /** Puts a child that was just started into it, if it did not go by itself; false: it stays outside, the watchdog alone holds. */
  readonly enter: (pid: number) => boolean;
  /** Processes in it that the kernel killed at the ceiling; undefined where the kernel does not count them. */
  readonly oomKills: () => number | undefined;
  /** What the kernel counts for all of it, page cache included; undefined where it does not say. */
  readonly currentBytes: () => number | undefined;
  readonly peakBytes: () => number | undefined;
  /** Its members and those of groups below it, whatever session, parent or environment they gave themselves. */
  readonly procs: () => number[];
  /** Sends KILL to every member and to what they fork meanwhile; how many got it. To be called again until `procs` is empty. */
  readonly killAll: () => number;
  /** Removes it by one call of the system; false: it has members, or groups below it. */
  readonly removeEmpty: () => boolean;
  /** Removes it with what is below it; false: it still has members, so try again later. */
  readonly remove: () => boolean;
}

const PREFIX = 'claude-pm-';
const NAME = /^claude-pm-(.+)\.(\d+)\.(\d+)\.(\d+)$/;
/** Passes of one killAll: each catches what was forked during the one before it. */
const KILL_PASSES = 10;

function plainId(id: string): string {
  return id.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 100);
}

/** `claude-pm-ID.NAMESPACE.PID.START`: whose group it is, and which run made it, so that a dead run's leftovers are known. */
export function groupName(id: string, self: ProcessIdentity): string {
  return `${PREFIX}${plainId(id)}.${self.pidNamespace ?? '0'}.${self.pid}.${self.startTicks}`;
}

/**
 * Makes a group with the ceiling that belongs to a limit. A refusal names the deed and the system's code. Without swap
 * (`hasSwap`) its files are left alone: they bound nothing, and writing them is a tenth of what a start costs.
 */
export function makeLimitedGroup(
  place: GroupFolder,
  name: string,
  limitBytes: number | undefined,
  hasSwap = true,
): GroupHandle | { readonly refusal: string } {
  const group = { version: place.version, folder: `${place.folder}/${name}` };
  const made = makeGroup(group.folder);
  if (made !== undefined) return { refusal: `${group.folder} cannot be made (${made})` };
  const refused = limitBytes === undefined ? undefined : setCeiling(group, limitBytes, hasSwap);
  if (refused === undefined)
    return openGroupHandle(group, limitBytes === undefined ? undefined : ceilingBytes(limitBytes));
  removeGroup(group.folder);
  return { refusal: refused };
}

/**
 * Memory and swap together end at the ceiling. Version 2 slows the group down from the watchdog's limit on (memory.high),
 * which gives the watchdog time. Where swap is not accounted for there is no file for it, and nothing is lost.
 */
function setCeiling(
  { version, folder }: GroupFolder,
  limitBytes: number,
  hasSwap: boolean,
): string | undefined {
  const ceiling = String(ceilingBytes(limitBytes));
  const file = `${folder}/${version === 1 ? 'memory.limit_in_bytes' : 'memory.max'}`;
  const code = tellKernel(file, ceiling);
  if (code !== undefined) return `${file} cannot be written (${code})`;
  if (version === 2) tellKernel(`${folder}/memory.high`, String(limitBytes));
  if (!hasSwap) return undefined;
  if (version === 2) tellKernel(`${folder}/memory.swap.max`, '0');
  else {
    tellKernel(`${folder}/memory.memsw.limit_in_bytes`, ceiling);
    tellKernel(`${folder}/memory.swappiness`, '0');
  }
  return undefined;
}

/** Gives the group of an agent that lives on another ceiling, for its next task; where it has none, nothing happens. */
export function moveCeiling(id: string, limitBytes: number, root = ''): void {
  const start = `${PREFIX}${plainId(id)}.`;
  for (const group of findGroups((name) => name.startsWith(start), root)) {
    // Upwards version 1 wants the sum with swap first, downwards last: what comes too early is refused.
    if (group.version === 1)
      tellKernel(`${group.folder}/memory.memsw.limit_in_bytes`, String(ceilingBytes(limitBytes)));
    setCeiling(group, limitBytes, true);
  }
}

/** A handle on a group that is there, or will be (a scope of systemd's appears with its first process). */
export function openGroupHandle(group: GroupFolder, ceiling: number | undefined): GroupHandle {
  const { folder } = group;
  const last: Partial<Record<'oomKills' | 'peakBytes', number | undefined>> = {};
  // A scope vanishes with its last process; what was seen before remains true.
  const oomKills = (): number | undefined => (last.oomKills = countOomKills(group) ?? last.oomKills);
  const peakBytes = (): number | undefined =>
    (last.peakBytes = readGroupBytes(group, 'peak') ?? last.peakBytes);
  return {
    folder,
    ceilingBytes: ceiling,
    enter: (pid) => tellKernel(`${folder}/cgroup.procs`, String(pid)) === undefined,
    oomKills,
    currentBytes: () => readGroupBytes(group, 'current'),
    peakBytes,
    procs: () => readMembers(folder),
    killAll: () => killMembers(folder),
    removeEmpty: () => removeGroup(folder) === undefined,
    remove: () => {
      // The usual case by one call: the kernel itself refuses while there is a member or a group below.
      if (removeGroup(folder) === undefined) return true;
      oomKills();
      peakBytes();
      return removeAll(folder);
    },
  };
}

/** `cgroup.kill` (version 2, from kernel 5.14 on) reaches all at once, forks included; else one by one until none is new. Never ourselves. */
function killMembers(folder: string): number {
  const before = readMembers(folder);
  if (before.includes(process.pid)) return 0;
  if (before.length > 0 && tellKernel(`${folder}/cgroup.kill`, '1') === undefined) return before.length;
  const killed = new Set<number>();
  for (let pass = 0; pass < KILL_PASSES; pass++) {
    const fresh = readMembers(folder).filter((pid) => !killed.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) {
      killed.add(pid);
      kill(pid);
    }
  }
  return killed.size;
}

/** The kernel has just listed it as a member of our group: that is the proof that it is ours. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH' && errorCode(error) !== 'EPERM') throw error;
  }
}

function removeAll(folder: string): boolean {
  if (readMembers(folder).length > 0) return false;
  return listGroups(folder).every((one) => removeGroup(one) === undefined);
}

/** What became of the groups that dead runs left. */
export interface SweptGroups {
  readonly removed: readonly string[];
  /** Groups of dead runs in which something still lives: agents that outlived their run. */
  readonly left: readonly {
    readonly id: string;
    readonly folder: string;
    readonly processes: readonly number[];
  }[];
}

/**
 * Removes the empty groups of runs that are certainly dead. Members are ended only where `endsMembersOf` says that the id
 * (the lease) is dead too: an agent may outlive its run and be somebody's still. `root` stands for `/`.
 */
export function sweepGroups(facts: {
  readonly self: ProcessIdentity;
  readonly isAlive: (identity: ProcessIdentity) => boolean | undefined;
  readonly endsMembersOf?: (id: string) => boolean;
  /** Ids whose agent has ended, though whoever made its group may still live. */
  readonly hasEnded?: (id: string) => boolean;
  readonly root?: string;
}): SweptGroups {
  const removed: string[] = [];
  const left: SweptGroups['left'][number][] = [];
  for (const group of findGroups((name) => name.startsWith(PREFIX), facts.root)) {
    const owner = ownerOf(group.folder, facts.self);
    if (owner === undefined) continue;
    if (facts.isAlive(owner.run) !== false && facts.hasEnded?.(owner.id) !== true) continue;
    const handle = openGroupHandle(group, undefined);
    if (facts.endsMembersOf?.(owner.id) === true) handle.killAll();
    const processes = handle.procs();
    if (processes.length > 0) left.push({ id: owner.id, folder: group.folder, processes });
    else if (handle.remove()) removed.push(group.folder);
  }
  return { removed, left };
}

/** Groups do not outlast a boot, so the boot is ours. */
function ownerOf(folder: string, self: ProcessIdentity): { id: string; run: ProcessIdentity } | undefined {
  const match = NAME.exec(folder.slice(folder.lastIndexOf('/') + 1));
  if (!match) return undefined;
  const [, id = '', namespace, pid, startTicks] = match;
  const pidNamespace = namespace === '0' ? undefined : namespace;
  return {
    id,
    run: { bootId: self.bootId, pidNamespace, pid: Number(pid), startTicks: Number(startTicks) },
  };
}
