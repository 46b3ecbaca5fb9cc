/** How does a sub-agent of a client get its share of the machine? Decided and written under the ledger's lock, or refused with a reason. */
import type { Lease, ProcessIdentity, ProcessTable } from '../../model.ts';
import { decideAdmission, type AdmissionDecision } from '../../policy/admission.ts';
import { heldByBreaker } from '../../policy/breaker-answer.ts';
import { counts, identityKey, type CheckedLease } from '../../policy/charge.ts';
import { shareOf, stepShares, type SubLease } from '../../policy/sub-agents.ts';
import { remember, updateLedger, withLease, withoutLeases, type Ledger } from '../../state/ledger.ts';
import { askBreaker, keepProbe, returnProbe } from '../breaker-gate.ts';
import { readFamilies } from '../../probe/families.ts';
import { checkLeases, treeBytes } from '../leases.ts';
import { sharesOf, withShares } from './shares.ts';
import type { GateWorld } from './world.ts';

/** The lease of the run's agent that a client may itself be. */
const TAG_VARIABLE = 'CLAUDE_PM_LEASE';

/** Who wants a share: a call that asks, or an agent that starts. */
export type Applicant = {
  readonly session: string;
  readonly kind: string;
  /** It cannot be refused any more: the share is taken even where it does not fit. */
  readonly mustHave: boolean;
} & (
  | { readonly call: string; readonly wakes: string | undefined; readonly parent: string | undefined }
  | { readonly call?: never; readonly agent: string }
);

/** undefined: it has its share already, and nothing has to be decided. */
export type Reservation = AdmissionDecision | undefined;

/** Reserves or says why not. Asked again for the same call or agent it changes nothing. */
export function reserveShare(world: GateWorld, applicant: Applicant): Reservation {
  const liveness = world.liveness();
  const client = world.client();
  const id = shareId(applicant, client);
  // The breaker's probe is ours until there is a share: if we die in between, its place must come free.
  const probe = { isTaken: false, isKept: false };

  const decision = updateLedger(
    world.stateDir(),
    liveness,
    (ledger): { ledger: Ledger; answer: Reservation } => {
      const nowMs = Date.now();
      const owners = ledger.leases.flatMap(({ owner }) => owner ?? []);
      const table = once(() => readFamilies([...owners, ...(client ? [client] : [])].map(({ pid }) => pid)));
      const checked = checkLeases(ledger.leases, liveness.isAlive, nowMs, table);
      const live = checked.filter(({ life }) => counts(life)).map(({ lease }) => lease);
      const shares = sharesOf(live, applicant.session, client);
      const had = takenBefore(shares, applicant, { nowMs, leaseMs: world.settings.admission.leaseMs });
      if (had) return { ledger: withShares(ledger, shares, had), answer: undefined };

      const asked = askBreaker(world, { id, owner: liveness.self });
      probe.isTaken = asked.allowed && asked.probe;
      const need = needOf(world, applicant.kind);
      const within = world.env[TAG_VARIABLE];
      const facts = { ...world, leases: checked, budget: undefined, within, nowMs, memoryOf: ledger };
      const answer = asked.allowed ? decideAdmission(facts, need) : heldByBreaker(facts, asked);
      const next = remember(withoutLeases(ledger, staleIds(checked)), answer.memory);
      if (answer.decision !== 'admit' && !applicant.mustHave) return { ledger: next, answer };

      probe.isKept = true;
      const { estimateBytes, limitBytes } = answer.decision === 'admit' ? answer : need;
      const baseBytes = client === undefined ? 0 : sharedBase(checked, client, table);
      const share = { ...shareFor(world, applicant, nowMs), id, owner: client };
      const lease: Lease = { ...share, estimateBytes, limitBytes, heapMb: need.heapMb, baseBytes };
      return { ledger: withLease(next, lease), answer };
    },
  );
  if (probe.isTaken && probe.isKept) keepProbe(world, { id, owner: client });
  else if (probe.isTaken) returnProbe(world, id);
  return decision;
}

/** The client's words, which hold neither blanks nor slashes, make it the same for the same call. */
function shareId(applicant: Applicant, client: ProcessIdentity | undefined): string {
  const of = applicant.call ?? applicant.agent;
  return `claude-${client?.pid ?? 0}-${applicant.session}-${of}`;
}

/** The shares as they are when this one needs none: asked twice, awake already, or reserved by its call before it started. */
function takenBefore(
  shares: readonly SubLease[],
  applicant: Applicant,
  times: { readonly nowMs: number; readonly leaseMs: number },
): readonly SubLease[] | undefined {
  if (applicant.call === undefined) {
    const { session, agent, kind } = applicant;
    const stepped = stepShares(shares, { event: 'started', session, agent, kind }, times);
    return shareOf(stepped, agent) && stepped;
  }
  const its = applicant.wakes === undefined ? undefined : shareOf(shares, applicant.wakes);
  const isAwake = its !== undefined && its.client.hasEnded !== true;
  return isAwake || shares.some(({ client }) => client.call === applicant.call) ? shares : undefined;
}

/** Leases of ours that are void and were made by no run: nothing of theirs is left to clean up. */
function staleIds(checked: readonly CheckedLease[]): Set<string> {
  return new Set(
    checked.flatMap(({ lease, life }) => (!counts(life) && lease.runner === undefined ? [lease.id] : [])),
  );
}

/** What the client's tree held before its first share: sub-agents share that tree, so only its growth is theirs. */
function sharedBase(
  checked: readonly CheckedLease[],
  client: ProcessIdentity,
  table: () => ProcessTable,
): number {
  const name = identityKey(client);
  const first = checked.find(
    ({ lease, life }) => counts(life) && lease.owner !== undefined && identityKey(lease.owner) === name,
  );
  return first?.lease.baseBytes ?? treeBytes([client], table()).get(name) ?? 0;
}

/** What a sub-agent of this kind needs. */
export function needOf({ needs }: GateWorld, kind: string): GateWorld['needs']['usual'] {
  return (Object.hasOwn(needs.kinds, kind) ? needs.kinds[kind] : undefined) ?? needs.usual;
}

function shareFor(
  { projectDir, settings }: GateWorld,
  applicant: Applicant,
  nowMs: number,
): Omit<Lease, 'id' | 'owner' | 'estimateBytes' | 'limitBytes' | 'heapMb' | 'baseBytes'> {
  const { session, kind, call } = applicant;
  const isRunning = call === undefined;
  return {
    role: 'subagent',
    runner: undefined,
    project: projectDir,
    epic: undefined,
    key: `claude/${session.slice(0, 8)}/${isRunning ? applicant.agent : call}`,
    kind,
    sinceMs: nowMs,
    expiresMs: nowMs + (isRunning ? settings.admission.leaseMs : settings.gate.unstartedMs),
    renewedMs: nowMs,
    state: isRunning ? 'running' : 'starting',
    peakBytes: undefined,
    client: {
      session,
      call,
      agent: isRunning ? applicant.agent : applicant.wakes,
      parent: isRunning ? undefined : applicant.parent,
    },
  };
}

function once<T>(read: () => T): () => T {
  let value: { readonly read: T } | undefined;
  return () => (value ??= { read: read() }).read;
}
