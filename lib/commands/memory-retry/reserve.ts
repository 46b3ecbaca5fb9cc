/** May the next attempt start now? Its share in the machine-wide ledger, taken before it and given back after it. */
import { randomBytes } from 'node:crypto';
import type { Lease, MemorySnapshot, ProcessIdentity } from '../../model.ts';
import type { Settings } from '../../settings-model.ts';
import { decideAdmission, type AdmissionDecision } from '../../policy/admission.ts';
import { heldByBreaker } from '../../policy/breaker-answer.ts';
import { decideAlone } from '../../policy/beside.ts';
import { mostForOne } from '../../policy/capacity.ts';
import { counts } from '../../policy/charge.ts';
import type { AttemptNeeds } from '../../policy/retry.ts';
import { readIdentity } from '../../probe/identity.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { remember, updateLedger, withLease, withoutLeases, type Ledger } from '../../state/ledger.ts';
import { askBreaker, keepProbe, reportMemoryEvent, reportProbe, returnProbe } from '../breaker-gate.ts';
import type { Context } from '../context.ts';
import { readIdleLeases } from '../idle-pool.ts';
import { checkLeases } from '../leases.ts';

/** What an attempt asks for. */
export interface Ask extends AttemptNeeds {
  /** What the lease is called. */
  readonly key: string;
  readonly kind: string;
  readonly estimateIsStated: boolean;
  /** Only while nothing else of ours runs, and then with all the room there is. */
  readonly alone: boolean;
  readonly atMostConcurrent: number | undefined;
}

export interface Held {
  readonly lease: Lease;
  /** The limit may be smaller than asked for (single-agent mode). */
  readonly limitBytes: number | undefined;
  readonly warning: string | undefined;
  /** Its process is known. */
  readonly started: (pid: number) => void;
  /** For readers in other containers, which cannot see our processes; cheap until it is due. */
  readonly renew: (nowMs: number) => void;
  /** How many agents of ours live now, this one included. */
  readonly liveAgents: () => number;
  /** Gives the share back; with a reason where the machine ran out of memory, which the breaker is told. */
  readonly release: (ranOut: string | undefined) => void;
}

type Answered = { readonly isProbe: boolean } & (
  | { readonly lease: Lease; readonly warning: string | undefined }
  | { readonly decision: Exclude<AdmissionDecision, { decision: 'admit' }> }
);

export type Reserved =
  { readonly held: Held } | { readonly decision: Exclude<AdmissionDecision, { decision: 'admit' }> };

const RENEW_MS = 15_000;

/** Decides under the ledger's lock, as every admission does, and takes the share if the answer is yes. */
export function tryReserve(context: Context, memory: MemorySnapshot, ask: Ask): Reserved {
  const liveness = context.liveness();
  const world = { ...context, memory };
  const id = randomBytes(8).toString('hex');
  const settings = narrowed(context.settings, ask.atMostConcurrent);
  const reserved = updateLedger(
    context.stateDir(),
    liveness,
    (ledger): { ledger: Ledger; answer: Answered } => {
      const nowMs = Date.now();
      const idle = readIdleLeases(context.stateDir(), ledger.leases);
      const leases = checkLeases(ledger.leases, liveness.isAlive, nowMs, () => readProcessTable(), idle);
      const facts = { settings, memory, leases, budget: undefined, nowMs, memoryOf: ledger };
      const asked = askBreaker(world, { id, owner: liveness.self });
      const isProbe = asked.allowed && asked.probe;
      const decide = (): AdmissionDecision =>
        ask.alone ? decideAlone(facts, ask, undefined) : decideAdmission(facts, ask);
      const decision = asked.allowed ? decide() : heldByBreaker(facts, asked);
      const next = remember(ledger, decision.memory);
      if (decision.decision !== 'admit') return { ledger: next, answer: { isProbe, decision } };
      const { estimateBytes, limitBytes, warning } = decision;
      const lease = newLease(id, context, ask, { estimateBytes, limitBytes }, liveness.self, nowMs);
      return { ledger: withLease(next, lease), answer: { isProbe, lease, warning } };
    },
  );
  if (!('lease' in reserved)) {
    if (reserved.isProbe) returnProbe(world, id);
    return reserved;
  }
  if (reserved.isProbe) keepProbe(world, { id, owner: liveness.self });
  return { held: hold(context, memory, reserved.lease, reserved.warning) };
}

/** The largest share that one agent can ever get here. */
export function mostEver({ settings }: Context, memory: MemorySnapshot): number {
  return settings.enabled ? mostForOne({ settings, memory, budget: undefined }) : memory.totalBytes;
}

function narrowed(settings: Settings, atMost: number | undefined): Settings {
  return atMost === undefined
    ? settings
    : { ...settings, maxConcurrentAgents: Math.min(atMost, settings.maxConcurrentAgents) };
}

function newLease(
  id: string,
  context: Context,
  ask: Ask,
  granted: Pick<Lease, 'estimateBytes' | 'limitBytes'>,
  self: ProcessIdentity,
  nowMs: number,
): Lease {
  return {
    id,
    role: 'agent',
    // Until its process is there, we answer for it.
    owner: self,
    runner: self,
    project: context.projectDir,
    epic: undefined,
    key: ask.key,
    kind: ask.kind,
    ...granted,
    heapMb: ask.heapMb,
    baseBytes: 0,
    sinceMs: nowMs,
    expiresMs: undefined,
    renewedMs: nowMs,
    state: 'starting',
    peakBytes: undefined,
  };
}

function hold(context: Context, memory: MemorySnapshot, first: Lease, warning: string | undefined): Held {
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  const world = { ...context, memory };
  let lease = first;
  const write = (change: Partial<Lease>): void => {
    lease = { ...lease, ...change };
    updateLedger(stateDir, liveness, (ledger) => ({ ledger: withLease(ledger, lease), answer: undefined }));
  };
  return {
    lease: first,
    limitBytes: first.limitBytes,
    warning,
    started: (pid) => {
      const owner = readIdentity(pid);
      // Gone already: its end is seen at once, and until then we answer for it.
      if (owner) write({ owner, state: 'running' });
    },
    renew: (nowMs) => {
      if (nowMs - lease.renewedMs >= RENEW_MS) write({ renewedMs: nowMs });
    },
    liveAgents: () =>
      updateLedger(stateDir, liveness, (ledger) => {
        const checked = checkLeases(ledger.leases, liveness.isAlive, Date.now(), () => readProcessTable());
        const live = checked.filter(
          (other) =>
            other.lease.id === lease.id || (counts(other.life) && other.lease.role !== 'coordinator'),
        );
        return { ledger, answer: Math.max(1, live.length) };
      }),
    release: (ranOut) => {
      updateLedger(stateDir, liveness, (ledger) => ({
        ledger: withoutLeases(ledger, new Set([lease.id])),
        answer: undefined,
      }));
      reportProbe(world, lease.id, ranOut === undefined ? true : { failed: ranOut });
      if (ranOut !== undefined) reportMemoryEvent(world, ranOut);
    },
  };
}
