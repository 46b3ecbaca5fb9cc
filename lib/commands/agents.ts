/** Which agents does the ledger know, and what do their trees hold now? For everything that shows or ends them. */
import type { Lease, LeaseLife, ProcessFacts, ProcessIdentity, ProcessTable } from '../model.ts';
import { counts, identityKey, judgeLease } from '../policy/charge.ts';
import { planTrees } from '../policy/tree.ts';
import { readPss, readTag } from '../probe/processes.ts';
import { TAG_VARIABLE } from '../act/local-engine.ts';

/** A lease with its processes. */
export interface AgentTree {
  readonly lease: Lease;
  readonly life: LeaseLife;
  /** Sub-agents have no processes of their own: they live in their owner's tree, which is shown here. */
  readonly members: readonly ProcessFacts[];
  readonly rssBytes: number;
  /** undefined where the kernel does not say. */
  readonly pssBytes: number | undefined;
}

/** The leases that `wanted` picks, each with its tree: descendants, own sessions, and re-parented members that bear its tag. */
export function readAgents(
  leases: readonly Lease[],
  isAlive: (identity: ProcessIdentity) => boolean | undefined,
  nowMs: number,
  table: ProcessTable,
): AgentTree[] {
  if (leases.length === 0) return [];
  const tags = readTags(leases, table);
  const started = leases.filter(({ state }) => state !== 'starting');
  const byOwner = new Map(
    started.flatMap(({ id, owner }) => (owner ? [[identityKey(owner), id] as const] : [])),
  );
  const roots = leases.map(({ id, owner, state }) => {
    // The whole identity counts: on another boot, or in another container, a pid and a start time are somebody else's.
    const isRoot = owner && state !== 'starting' && byOwner.get(identityKey(owner)) === id && isAlive(owner);
    return isRoot ? { id, pid: owner.pid, startTicks: owner.startTicks } : { id, pid: -1, startTicks: -1 };
  });
  const trees = planTrees(table, roots, tags);
  return leases.map((lease) => {
    const id =
      lease.owner && lease.state !== 'starting'
        ? (byOwner.get(identityKey(lease.owner)) ?? lease.id)
        : lease.id;
    const members = trees.get(id) ?? [];
    const pss = members.map(({ pid }) => readPss(pid));
    return {
      lease,
      life: judgeLease(lease, lease.owner && isAlive(lease.owner), nowMs),
      members,
      rssBytes: members.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
      pssBytes: pss.every((bytes) => bytes !== undefined)
        ? pss.reduce((sum, bytes) => sum + bytes, 0)
        : undefined,
    };
  });
}

/** Which process bears the tag of which lease; strangers' environments are not ours to read and bear none. */
function readTags(leases: readonly Lease[], table: ProcessTable): Map<number, string> {
  const ids = new Set(leases.map(({ id }) => id));
  const tags = new Map<number, string>();
  for (const pid of table.keys()) {
    const tag = readTag(pid, TAG_VARIABLE);
    if (tag !== undefined && ids.has(tag)) tags.set(pid, tag);
  }
  return tags;
}

/** Whether an agent still has processes or a share. */
export function isThere({ life, members }: AgentTree): boolean {
  return counts(life) || members.length > 0;
}
