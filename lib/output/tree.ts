/** How does a process tree look as text? */
import type { ProcessFacts } from '../model.ts';
import { formatBytes } from '../units.ts';

/** One line a process, indented under its parent; what was re-parented stands at the left. */
export function treeLines(members: readonly ProcessFacts[]): string[] {
  const pids = new Set(members.map(({ pid }) => pid));
  const below = (parentPid: number, depth: number): string[] =>
    members
      .filter((member) => member.parentPid === parentPid && member.pid !== parentPid)
      .flatMap((member) => lines(member, depth, below));
  return members.filter(({ parentPid }) => !pids.has(parentPid)).flatMap((member) => lines(member, 0, below));
}

function lines(
  { pid, comm, residentBytes, state }: ProcessFacts,
  depth: number,
  below: (pid: number, depth: number) => string[],
): string[] {
  const name = comm.replace(/[^\x20-\x7e]/g, '?');
  return [
    `  ${'  '.repeat(depth)}${pid} ${name} ${formatBytes(residentBytes)}${state === 'T' ? ' halted' : ''}`,
    ...below(pid, depth + 1),
  ];
}
