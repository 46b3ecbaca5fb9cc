/** Which processes belong to which agent, and how much do they hold together? */
import type { ProcessFacts } from '../model.ts';

/** What a process must tell to be put into a tree. */
export type TreeNode = Pick<
  ProcessFacts,
  'pid' | 'parentPid' | 'groupId' | 'sessionId' | 'startTicks' | 'state'
>;

/** The process that an agent was started as. */
export interface TreeRoot {
  readonly id: string;
  readonly pid: number;
  readonly startTicks: number;
}

/**
 * The living members of each tree, in the table's order; every id is in the answer, with an empty list if nothing is left.
 * A process belongs to at most one tree:
 * 1. a root (pid and start time match) belongs to its own id, also below another root; of two roots with one pid the first;
 * 2. else it belongs where its parent does, the nearest enclosing root, unless it carries a tag that its parent does not:
 *    then it was started with that tag and was adopted by this parent since, so the tag decides;
 * 3. else (its parent is a stranger) where it was seen before, else where its tag says: a re-parented process, its root
 *    perhaps dead;
 * 4. else it joins the member that leads its session, else the root that leads its process group.
 * `tags`: pid -> the id that its environment carries. `formerly`: pid -> the id of the tree that it was a member of.
 */
export function planTrees<P extends TreeNode>(
  table: ReadonlyMap<number, P>,
  roots: readonly TreeRoot[],
  tags: ReadonlyMap<number, string>,
  formerly: ReadonlyMap<number, string> = new Map(),
): Map<string, P[]> {
  const trees = new Map<string, P[]>(roots.map((root) => [root.id, []]));
  const rootIds = new Map<number, string>();
  for (const { id, pid, startTicks } of roots) {
    if (!rootIds.has(pid) && table.get(pid)?.startTicks === startTicks) rootIds.set(pid, id);
  }
  const known = (id: string | undefined) => (id !== undefined && trees.has(id) ? id : undefined);
  const signs: Signs = { tag: (pid) => known(tags.get(pid)), formerly: (pid) => known(formerly.get(pid)) };

  let owners = inherit(table, (pid) => rootIds.get(pid), signs);
  for (;;) {
    const joined = joinBySession(table, owners, rootIds);
    if (joined.size === 0) break;
    const settled = owners;
    owners = inherit(table, (pid) => settled.get(pid) ?? joined.get(pid), signs);
  }

  for (const node of table.values()) {
    const owner = owners.get(node.pid);
    // A zombie leads sessions and groups until it is reaped, but holds nothing and can't be stopped.
    if (owner !== undefined && node.state !== 'Z' && node.state !== 'X') trees.get(owner)?.push(node);
  }
  return trees;
}

/** What a process itself shows of where it belongs. */
interface Signs {
  tag(pid: number): string | undefined;
  formerly(pid: number): string | undefined;
}

/** Rules 1 to 3: from each process up to the nearest that is settled, then down again. */
function inherit<P extends TreeNode>(
  table: ReadonlyMap<number, P>,
  settled: (pid: number) => string | undefined,
  signs: Signs,
): Map<number, string> {
  const owners = new Map<number, string | undefined>();
  for (const start of table.values()) {
    const chain: P[] = [];
    const seen = new Set<number>();
    let owner: string | undefined;
    for (let node: P | undefined = start; node && !seen.has(node.pid); node = table.get(node.parentPid)) {
      owner = owners.get(node.pid);
      if (owners.has(node.pid)) break;
      seen.add(node.pid);
      chain.push(node);
    }
    for (const node of chain.reverse()) {
      const tag = signs.tag(node.pid);
      const isAdopted = owner !== undefined && tag !== undefined && tag !== signs.tag(node.parentPid);
      owner = settled(node.pid) ?? (isAdopted ? tag : (owner ?? signs.formerly(node.pid) ?? tag));
      owners.set(node.pid, owner);
    }
  }
  return new Map([...owners].filter((entry): entry is [number, string] => entry[1] !== undefined));
}

/** Rule 4, for those who belong nowhere yet. */
function joinBySession(
  table: ReadonlyMap<number, TreeNode>,
  owners: ReadonlyMap<number, string>,
  rootIds: ReadonlyMap<number, string>,
): Map<number, string> {
  const joined = new Map<number, string>();
  for (const { pid, sessionId, groupId } of table.values()) {
    if (owners.has(pid)) continue;
    const leader = table.get(sessionId);
    const bySession = leader?.sessionId === leader?.pid ? owners.get(sessionId) : undefined;
    const byGroup = table.get(groupId)?.groupId === groupId ? rootIds.get(groupId) : undefined;
    const owner = bySession ?? byGroup;
    if (owner !== undefined) joined.set(pid, owner);
  }
  return joined;
}

/** What a member must tell to be summed. */
export type TreeMember = Pick<ProcessFacts, 'pid' | 'parentPid' | 'comm' | 'residentBytes' | 'privateBytes'>;

/** What the members of a tree hold together, bytes. */
export interface TreeSum {
  /** Shared pages count once for each member that maps them. */
  readonly residentBytes: number;
  /** Resident less shared: about what ending the tree would free. */
  readonly privateBytes: number;
  /** Members that were left out for this once, see sumTree. */
  readonly justForked: readonly number[];
}

/**
 * Sums the members, but leaves one out that is just forked: until it executes another program it shows its parent's memory
 * as its own (a tree of 537 MB was seen as 965 MB for one look). Such a member was not there at the previous look, has its
 * parent's name, and holds between half of what its parent holds alone and a tenth more than its parent.
 * If it is still so at the next look it counts: then it is a worker that really has that memory.
 */
export function sumTree(members: readonly TreeMember[], previousPids: ReadonlySet<number>): TreeSum {
  const byPid = new Map(members.map((member) => [member.pid, member]));
  const justForked = members
    .filter((member) => !previousPids.has(member.pid) && looksLikeParent(member, byPid.get(member.parentPid)))
    .map((member) => member.pid);
  const counted = members.filter((member) => !justForked.includes(member.pid));
  return {
    residentBytes: counted.reduce((sum, member) => sum + member.residentBytes, 0),
    privateBytes: counted.reduce((sum, member) => sum + member.privateBytes, 0),
    justForked,
  };
}

function looksLikeParent(member: TreeMember, parent: TreeMember | undefined): boolean {
  if (!parent || parent.pid === member.pid || member.comm !== parent.comm) return false;
  const isAsLarge = member.residentBytes >= parent.privateBytes / 2;
  return isAsLarge && member.residentBytes <= parent.residentBytes * 1.1;
}
