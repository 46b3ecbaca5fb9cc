/** What is promised to the agents that live, and how much of it do they use already? */
import type { Lease, LeaseLife, ProcessIdentity } from '../model.ts';

/** A lease with what was found out about it. */
export interface CheckedLease {
  readonly lease: Lease;
  readonly life: LeaseLife;
  /** What the owner's whole tree holds now (private bytes); undefined where it was not measured. */
  readonly treeBytes: number | undefined;
  /** An agent of the pool that has nothing to do: it holds memory, but nobody needs to wait for its end, which may be hours away. */
  readonly isIdle?: boolean;
}

/** The charge of one lease or of all: bytes. */
export interface Charge {
  /** In use now. */
  readonly currentBytes: number;
  /** Promised but not used yet: Σ max(0, estimate - current). */
  readonly promisedBytes: number;
  /** Σ max(current, estimate). */
  readonly chargedBytes: number;
}

const NOTHING: Charge = { currentBytes: 0, promisedBytes: 0, chargedBytes: 0 };

/** Whether a lease counts: one whose owner cannot be checked from here counts, a dead owner's counts nothing. */
export function counts(life: LeaseLife): boolean {
  return life === 'live' || life === 'unchecked';
}

/**
 * Why a lease counts or not. `ownerAlive` is undefined where it cannot be told (another pid namespace): such a lease
 * counts as long as its keeper renews it, which a run does every 15 s.
 */
export function judgeLease(lease: Lease, ownerAlive: boolean | undefined, nowMs: number): LeaseLife {
  if (lease.expiresMs !== undefined && nowMs >= lease.expiresMs) return 'void-expired';
  if (lease.owner === undefined) return lease.expiresMs === undefined ? 'void-expired' : 'live';
  if (ownerAlive === undefined)
    return nowMs - lease.renewedMs < UNCHECKED_LEASE_MS ? 'unchecked' : 'void-expired';
  return ownerAlive ? 'live' : 'void-owner-dead';
}

/** Four missed renewals of a run. */
export const UNCHECKED_LEASE_MS = 60_000;

/**
 * The charge of all leases that count.
 * Sub-agents live inside their client's process, so leases of one owner share that owner's tree: what they are promised
 * together is what the tree held before the first of them plus their estimates. Worked values: a client of 150 MB gets
 * two sub-agents of 100 MB: 200 MB promised; when it has grown to 280 MB, 70 MB are still to come.
 */
export function sumCharges(leases: readonly CheckedLease[]): Charge {
  const groups = new Map<string, CheckedLease[]>();
  for (const checked of leases) {
    if (!counts(checked.life)) continue;
    const key = ownerKey(checked.lease);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [checked]);
    else group.push(checked);
  }
  let charge = NOTHING;
  for (const group of groups.values()) charge = add(charge, chargeGroup(group));
  return charge;
}

function ownerKey(lease: Lease): string {
  // Until it has a process of its own a lease bears its keeper's identity, whose tree says nothing about it.
  if (lease.owner === undefined || lease.state === 'starting') return `lease ${lease.id}`;
  return identityKey(lease.owner);
}

/** The owners of a ledger's leases stay the same objects from one admission to the next. */
const identityKeys = new WeakMap<ProcessIdentity, string>();

/** One text per process, for maps. */
export function identityKey(identity: ProcessIdentity): string {
  const known = identityKeys.get(identity);
  if (known !== undefined) return known;
  const key = keyOf(identity);
  identityKeys.set(identity, key);
  return key;
}

function keyOf(identity: ProcessIdentity): string {
  return `${identity.bootId} ${identity.pidNamespace ?? '-'} ${identity.pid} ${identity.startTicks}`;
}

function chargeGroup(group: readonly CheckedLease[]): Charge {
  let estimateBytes = 0;
  let baseBytes = Infinity;
  let areStarting = true;
  for (const { lease } of group) {
    estimateBytes += lease.estimateBytes;
    baseBytes = Math.min(baseBytes, lease.baseBytes);
    areStarting &&= lease.state === 'starting';
  }
  const treeBytes = areStarting ? 0 : (group[0]?.treeBytes ?? 0);
  const currentBytes = Math.max(0, treeBytes - baseBytes);
  return {
    currentBytes,
    promisedBytes: Math.max(0, estimateBytes - currentBytes),
    chargedBytes: Math.max(currentBytes, estimateBytes),
  };
}

function add(a: Charge, b: Charge): Charge {
  return {
    currentBytes: a.currentBytes + b.currentBytes,
    promisedBytes: a.promisedBytes + b.promisedBytes,
    chargedBytes: a.chargedBytes + b.chargedBytes,
  };
}
