/** Which processes descend from these few? Asked of the kernel parent by parent, where a look at all processes would cost a hook more than all else. */
import { readdirSync } from 'node:fs';
import type { ProcessFacts, ProcessTable } from '../model.ts';
import { readShortFile, unlessHidden } from './proc.ts';
import { readFacts, readProcessTable } from './processes.ts';

/** Larger families than a client with all its tools ever has. */
const MOST_MEMBERS = 5000;

/**
 * These processes and everything below them, by pid, bytes. Members that were re-parented to the first process are not
 * found: whoever must find them reads the whole table. A kernel without /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN),
 * and a system without /proc, give the whole table. Source: proc_pid_task_tid_children(5). `root` stands for `/`.
 */
export function readFamilies(pids: readonly number[], root = ''): ProcessTable {
  if (root === '' && process.platform !== 'linux') return readProcessTable();
  const table = new Map<number, ProcessFacts>();
  const queue = [...new Set(pids)];
  for (let next = 0; next < Math.min(queue.length, MOST_MEMBERS); next += 1) {
    const pid = queue[next] ?? 0;
    const facts = readFacts(pid, root);
    if (facts === undefined) continue;
    const children = childrenOf(pid, root);
    if (children === undefined) return readProcessTable(root);
    table.set(pid, facts);
    for (const child of children) if (!table.has(child)) queue.push(child);
  }
  return table;
}

/** Each thread lists the children that it started itself; undefined: the kernel keeps no such lists. */
function childrenOf(pid: number, root: string): number[] | undefined {
  const folder = `${root}/proc/${pid}/task`;
  const threads = unlessHidden(() => readdirSync(folder)) ?? [];
  const children: number[] = [];
  for (const thread of threads) {
    const text = unlessHidden(() => readShortFile(`${folder}/${thread}/children`));
    // A thread that ended meanwhile has no list; the first one always has, if there are any.
    if (text === undefined && thread === String(pid))
      return threadIsGone(folder, thread) ? children : undefined;
    for (const word of (text ?? '').split(' ')) if (word !== '') children.push(Number(word));
  }
  return children;
}

function threadIsGone(folder: string, thread: string): boolean {
  return !(unlessHidden(() => readdirSync(folder)) ?? []).includes(thread);
}
