/** An agent is over its limit: is it the agent itself, or one tool that it started? */

/** A process of the tree now. */
export interface TreeProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly startTicks: number;
  readonly residentBytes: number;
  /** The kernel's name of it; undefined where nobody looked. */
  readonly comm?: string | undefined;
}

export interface Culprit {
  /** The top of the subtree that is the growth. */
  readonly pid: number;
  readonly startTicks: number;
  readonly subtreeBytes: number;
  readonly grewBytes: number;
}

/** The subtree must be this much of all growth; ending it must bring the tree this far below its limit. */
const GROWTH_SHARE = 0.7;
const ENOUGH_SHARE = 0.9;

/**
 * The deepest subtree below the root that is the growth and whose end alone brings the tree well below its limit; undefined:
 * it is the agent itself, or nobody in particular. `before` is what each process held when the agent was last well below
 * its limit; one that was not there then has grown by all that it holds. A tool's end is read by its agent as exit 137,
 * and the agent lives on.
 */
export function findCulprit(
  rootPid: number,
  processes: readonly TreeProcess[],
  before: ReadonlyMap<number, number>,
  limitBytes: number,
): Culprit | undefined {
  const totalBytes = sum(processes.map(({ residentBytes }) => residentBytes));
  const growth = new Map(
    processes.map((member) => [
      member.pid,
      Math.max(0, member.residentBytes - (before.get(member.pid) ?? 0)),
    ]),
  );
  const totalGrowth = sum([...growth.values()]);
  if (totalGrowth <= 0) return undefined;

  const children = new Map<number, TreeProcess[]>();
  for (const member of processes)
    children.set(member.parentPid, [...(children.get(member.parentPid) ?? []), member]);
  let found: Culprit | undefined;
  let level = children.get(rootPid) ?? [];
  while (level.length > 0) {
    const next: TreeProcess[] = [];
    for (const member of level) {
      const subtree = subtreeOf(member, children);
      const grewBytes = sum(subtree.map(({ pid }) => growth.get(pid) ?? 0));
      const subtreeBytes = sum(subtree.map(({ residentBytes }) => residentBytes));
      const isGrowth = grewBytes >= totalGrowth * GROWTH_SHARE;
      const isEnough = totalBytes - subtreeBytes <= limitBytes * ENOUGH_SHARE;
      if (!isGrowth || !isEnough) continue;
      found = { pid: member.pid, startTicks: member.startTicks, subtreeBytes, grewBytes };
      next.push(...(children.get(member.pid) ?? []));
    }
    level = next;
  }
  return found;
}

function subtreeOf(top: TreeProcess, children: ReadonlyMap<number, readonly TreeProcess[]>): TreeProcess[] {
  const all: TreeProcess[] = [];
  const open = [top];
  const seen = new Set<number>();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next.pid)) continue;
    seen.add(next.pid);
    all.push(next);
    open.push(...(children.get(next.pid) ?? []));
  }
  return all;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
