/** Which shares do a client's sub-agents hold, and what does the ledger hear of their starts and ends? */
import type { Lease, ProcessIdentity } from '../../model.ts';
import { isThere } from '../../files.ts';
import { identityKey } from '../../policy/charge.ts';
import { readFamilies } from '../../probe/families.ts';
import { isStarted, shareOf, stepShares, type ShareEvent, type SubLease } from '../../policy/sub-agents.ts';
import { loadLedger, updateLedger, type Ledger } from '../../state/ledger.ts';
import { breakerPath } from '../../state/paths.ts';
import { reportProbe, returnProbe } from '../breaker-gate.ts';
import { treeBytes } from '../leases.ts';
import { keptRules, openGate, type HookPlace } from './world.ts';

/** A share that was given back. */
export interface EndedShare {
  readonly lease: SubLease;
  /** What the client's tree held then. */
  readonly treeBytes: number | undefined;
  /** Other sub-agents in the same tree. */
  readonly others: number;
}

/** Tells the ledger what the client told; answers the shares that were given back and whose agents had begun. */
export async function tellShares(place: HookPlace, event: ShareEvent): Promise<readonly EndedShare[]> {
  const client = place.client();
  const stateDir = place.stateDir();
  // What an event is about was written down before the client told of it: where there is nothing, nobody has to wait.
  if (sharesOf(loadLedger(stateDir).leases, event.session, client).length === 0) return [];
  const isLaunch = event.event === 'answered' && event.launched;
  const leaseMs = isLaunch ? await runningMs(place) : 0;

  const { gone, left } = updateLedger(stateDir, place.liveness(), (ledger) => {
    const shares = sharesOf(ledger.leases, event.session, client);
    const next = stepShares(shares, event, { nowMs: Date.now(), leaseMs });
    const kept = new Set(next.map(({ id }) => id));
    return {
      ledger: withShares(ledger, shares, next),
      answer: { gone: shares.filter(({ id }) => !kept.has(id)), left: next.length },
    };
  });

  await tellBreaker(place, gone);
  const ended = gone.filter(isStarted);
  if (ended.length === 0) return [];
  const bytes = client && treeBytes([client], readFamilies([client.pid])).get(identityKey(client));
  return ended.map((lease) => ({ lease, treeBytes: bytes, others: left + ended.length - 1 }));
}

/**
 * An agent that starts takes the share that its call reserved; false: none waits for it. Nearly always one does, and then
 * nothing has to be decided, so neither the machine nor anybody's tree is looked at.
 */
export async function takeShare(
  place: HookPlace,
  event: Extract<ShareEvent, { event: 'started' }>,
): Promise<boolean> {
  const client = place.client();
  const leaseMs = await runningMs(place);
  return updateLedger(place.stateDir(), place.liveness(), (ledger) => {
    const nowMs = Date.now();
    // What nobody started in its time counts no more, and must be asked for anew.
    const shares = sharesOf(ledger.leases, event.session, client).filter(
      ({ expiresMs }) => expiresMs === undefined || expiresMs > nowMs,
    );
    const next = stepShares(shares, event, { nowMs, leaseMs });
    const isTaken = shareOf(next, event.agent) !== undefined;
    return { ledger: isTaken ? withShares(ledger, shares, next) : ledger, answer: isTaken };
  });
}

/** How long the share of an agent that runs is kept without another word; an older figure does as well. */
async function runningMs(place: HookPlace): Promise<number> {
  const rules = keptRules(place) ?? (await openGate(place));
  return rules.settings.admission.leaseMs;
}

/** An end says that the machine bore it; a call that started nothing says nothing. A breaker at rest has no file. */
async function tellBreaker(place: HookPlace, gone: readonly SubLease[]): Promise<void> {
  if (gone.length === 0 || !isThere(breakerPath(place.stateDir()))) return;
  const world = await openGate(place);
  for (const lease of gone) {
    if (isStarted(lease)) reportProbe(world, lease.id, true);
    else returnProbe(world, lease.id);
  }
}

/** The shares of one session of one client: a session that two clients have opened has two sets of sub-agents. */
export function sharesOf(
  leases: readonly Lease[],
  session: string,
  client: ProcessIdentity | undefined,
): readonly SubLease[] {
  return leases.filter((lease): lease is SubLease => {
    if (lease.client?.session !== session) return false;
    if (client === undefined || lease.owner === undefined) return true;
    return identityKey(lease.owner) === identityKey(client);
  });
}

/** The ledger with these shares in the place of those; the same object where nothing changed. */
export function withShares(ledger: Ledger, shares: readonly SubLease[], next: readonly SubLease[]): Ledger {
  if (next.length === shares.length && next.every((lease, at) => lease === shares[at])) return ledger;
  const before = new Set(shares.map(({ id }) => id));
  const after = new Map(next.map((lease) => [lease.id, lease]));
  const leases = ledger.leases.flatMap((lease) => {
    if (!before.has(lease.id)) return [lease];
    const kept = after.get(lease.id);
    return kept === undefined ? [] : [kept];
  });
  return { ...ledger, leases };
}
