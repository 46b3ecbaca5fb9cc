/** How often did the kernel kill in our own cgroup for want of memory? */
import { findEnclosingGroups } from './cgroup-path.ts';
import { readShortFile, readWholeFile, unlessHidden } from './proc.ts';

/** The innermost cgroup that counts, and its count. */
export interface GroupKills {
  readonly name: string;
  readonly count: number;
}

const FILES = { 1: 'memory.oom_control', 2: 'memory.events' } as const;

/**
 * `oom_kill` of the innermost memory cgroup around this process, in which its children are born: kills by the group's own
 * limit and by any above it; undefined where no group counts. Sources: admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst.
 */
export function readGroupOomKills(root = ''): GroupKills | undefined {
  const own = unlessHidden(() => readShortFile(`${root}/proc/self/cgroup`));
  if (own === undefined) return undefined;
  for (const { version, name, folder } of findEnclosingGroups(root, own)) {
    const count = parseOomKills(unlessHidden(() => readWholeFile(`${folder}/${FILES[version]}`)) ?? '');
    if (count !== undefined) return { name, count };
  }
  return undefined;
}

/** The line `oom_kill N` of either version's file. */
export function parseOomKills(text: string): number | undefined {
  const match = /^oom_kill (\d+)$/m.exec(text);
  return match ? Number(match[1]) : undefined;
}
