/** What do the leases of the ledger come to right now? The ledger's words checked against the processes. */
import type { Lease, ProcessIdentity, ProcessTable } from '../model.ts';
import { identityKey, judgeLease, type CheckedLease } from '../policy/charge.ts';
import { planTrees } from '../policy/tree.ts';

/** Each lease with whether it counts and what its owner's tree holds (private bytes); `idle`: leases of pool agents without a task. */
export function checkLeases(
  leases: readonly Lease[],
  isAlive: (identity: ProcessIdentity) => boolean | undefined,
  nowMs: number,
  readTable: () => ProcessTable,
  idle: ReadonlySet<string> = NONE,
): CheckedLease[] {
  const judged = leases.map((lease) => ({
    lease,
    life: judgeLease(lease, lease.owner && isAlive(lease.owner), nowMs),
  }));
  const measured = judged.flatMap(({ lease, life }) =>
    life === 'live' && lease.owner && lease.state !== 'starting' ? [lease.owner] : [],
  );
  const bytesOf = measured.length > 0 ? treeBytes(measured, readTable()) : new Map<string, number>();
  return judged.map(({ lease, life }) => ({
    lease,
    life,
    treeBytes: lease.owner && bytesOf.get(identityKey(lease.owner)),
    isIdle: idle.has(lease.id),
  }));
}

const NONE: ReadonlySet<string> = new Set();

/** Private bytes of the tree of each owner; a tree inside another's counts for the inner owner only. */
export function treeBytes(owners: readonly ProcessIdentity[], table: ProcessTable): Map<string, number> {
  const roots = new Map(
    owners.map((owner) => [
      identityKey(owner),
      { id: identityKey(owner), pid: owner.pid, startTicks: owner.startTicks },
    ]),
  );
  const trees = planTrees(table, [...roots.values()], new Map());
  return new Map(
    [...trees].map(([id, members]) => [id, members.reduce((sum, { privateBytes }) => sum + privateBytes, 0)]),
  );
}
