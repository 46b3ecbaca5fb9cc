/** What is in a cgroup now: which processes, how many bytes, how many that the kernel killed? */
import { readdirSync } from 'node:fs';
import { parseMounts } from './cgroup-path.ts';
import { parseOomKills } from './oom-count.ts';
import { causeCode, readShortFile, readWholeFile, unlessHidden } from './proc.ts';

/** A group by its folder; both versions' files differ in name. */
export interface GroupFolder {
  readonly version: 1 | 2;
  readonly folder: string;
}

const FILES = {
  1: { current: 'memory.usage_in_bytes', peak: 'memory.max_usage_in_bytes', events: 'memory.oom_control' },
  2: { current: 'memory.current', peak: 'memory.peak', events: 'memory.events' },
} as const;

/** A search through a hierarchy ends after so many folders. */
const SEARCH_FOLDERS = 5000;

/** The group's folders, those below it first and itself last, as they can be removed; empty where it is gone. */
export function listGroups(folder: string): string[] {
  const entries = unlessHidden(() => readdirSync(folder, { withFileTypes: true }));
  if (entries === undefined) return [];
  const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${folder}/${name}`);
  return [...below.flatMap(listGroups), folder];
}

/** Members of this one group. A process outside our pid namespace is listed as 0, which is nobody's pid, and left out. */
export function readOwnMembers(folder: string): number[] {
  const pids = readList(`${folder}/cgroup.procs`).split('\n').map(Number);
  return [...new Set(pids.filter((pid) => pid > 0))].sort((a, b) => a - b);
}

/** Members of a group and of all groups below it, whatever session, parent or environment they gave themselves. */
export function readMembers(folder: string): number[] {
  return listGroups(folder).flatMap(readOwnMembers);
}

/** A threaded group answers EOPNOTSUPP; the domain above it lists the processes. */
function readList(path: string): string {
  try {
    return unlessHidden(() => readWholeFile(path)) ?? '';
  } catch (error) {
    if (['EOPNOTSUPP', 'ENOTSUP'].includes(causeCode(error))) return '';
    throw error;
  }
}

/** Bytes that the kernel counts for a group and all below it (page cache too), now or at most; undefined where it does not say. */
export function readGroupBytes(
  { version, folder }: GroupFolder,
  which: 'current' | 'peak',
): number | undefined {
  const text = unlessHidden(() => readShortFile(`${folder}/${FILES[version][which]}`))?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * How many processes the kernel killed in a group because its limit was reached; undefined where it does not count them.
 * Version 2 counts for the groups below as well, version 1 for each by itself (cgroup-v2.rst, memcg_memory_event).
 */
export function countOomKills({ version, folder }: GroupFolder): number | undefined {
  const counts = (version === 1 ? listGroups(folder) : [folder])
    .map((one) => unlessHidden(() => readShortFile(`${one}/${FILES[version].events}`)))
    .map((text) => parseOomKills(text ?? ''))
    .filter((count) => count !== undefined);
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
}

/** Every group in sight whose name matches, also inside groups that match. `root` stands for `/`. */
export function findGroups(matches: (name: string) => boolean, root = ''): GroupFolder[] {
  const found = new Map<string, GroupFolder>();
  const mounts = unlessHidden(() => readWholeFile(`${root}/proc/self/mountinfo`));
  for (const { version, point } of parseMounts(mounts ?? '')) {
    const queue = [root + point];
    for (let next = 0; next < Math.min(queue.length, SEARCH_FOLDERS); next++) {
      const folder = queue[next] ?? '';
      for (const entry of unlessHidden(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
        if (!entry.isDirectory()) continue;
        const path = `${folder}/${entry.name}`;
        queue.push(path);
        if (matches(entry.name)) found.set(path, { version, folder: path });
      }
    }
  }
  return [...found.values()];
}
