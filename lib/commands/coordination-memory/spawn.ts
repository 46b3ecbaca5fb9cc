/** coordination-memory EPIC spawn STREAM: reserve for an agent that the caller starts, atomically, or say why not. */
import { randomUUID } from 'node:crypto';
import { EXIT } from '../../failure.ts';
import { flagDuration, flagText, wholeNumber, type Call } from '../../flags.ts';
import type { Lease, ProcessIdentity, ProcessTable } from '../../model.ts';
import { checkName } from '../../names.ts';
import { decisionAnswer, type DecisionView } from '../../output/decision.ts';
import type { Answer } from '../../output/answer.ts';
import { decideAdmission } from '../../policy/admission.ts';
import { heldByBreaker } from '../../policy/breaker-answer.ts';
import { counts, identityKey } from '../../policy/charge.ts';
import { askBreaker, keepProbe, returnProbe } from '../breaker-gate.ts';
import { readMachineMemory, openContext } from '../context.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { remember, updateLedger, withLease, withoutLeases } from '../../state/ledger.ts';
import { readIdleLeases } from '../idle-pool.ts';
import { checkLeases, treeBytes } from '../leases.ts';
import { findOwner } from './owner.ts';
import { readBudget, readNeed } from './need.ts';
import { readStreamKey } from './stream-word.ts';

/** Exit 0 with the lease, 75 when not now, 30 when never. A stream that has a live lease already is refused: nothing starts twice. */
export async function run(call: Call): Promise<Answer> {
  const epic = checkName('epic', call.subject);
  const key = readStreamKey(epic, call.args[0] ?? '');
  const context = await openContext(call);
  const need = readNeed(call, context);
  const budget = readBudget(call, context);
  const ttlMs = flagDuration(call, 'ttl') ?? context.settings.admission.leaseMs;
  const liveness = context.liveness();
  const table = once(() => readProcessTable());
  const pidText = flagText(call, 'pid');
  const owner = findOwner(
    pidText === undefined ? undefined : wholeNumber('--pid', pidText, 1, 2 ** 22),
    call.env,
    table,
  );
  const ownsProcess = pidText !== undefined;
  const memory = await readMachineMemory();
  const world = { ...context, memory };
  const id = randomUUID();
  // The breaker's probe is ours until there is a lease: if we die in between, its place must come free.
  const probe = { isTaken: false };

  const view = updateLedger(
    context.stateDir(),
    liveness,
    (ledger): { ledger: typeof ledger; answer: DecisionView } => {
      const nowMs = Date.now();
      const idle = readIdleLeases(context.stateDir(), ledger.leases);
      const checked = checkLeases(ledger.leases, liveness.isAlive, nowMs, table, idle);
      const voided = checked
        .filter(({ life }) => !counts(life))
        .map(({ lease, life }) => ({ key: lease.key, life }));
      const twin = checked.find(
        ({ lease, life }) => counts(life) && lease.key === key && lease.project === context.projectDir,
      );
      if (twin) return { ledger, answer: { key, twin: twin.lease, voided } };
      const asked = askBreaker(world, { id, owner: liveness.self });
      probe.isTaken = asked.allowed && asked.probe;
      const facts = { settings: context.settings, memory, leases: checked, budget, nowMs, memoryOf: ledger };
      const decision = asked.allowed ? decideAdmission(facts, need) : heldByBreaker(facts, asked);
      // Leases of ours that are void have no process that we started: nothing is left to clean up.
      const stale = new Set(
        checked
          .filter(({ lease, life }) => !counts(life) && lease.runner === undefined)
          .map(({ lease }) => lease.id),
      );
      const next = remember(withoutLeases(ledger, stale), decision.memory);
      if (decision.decision !== 'admit') return { ledger: next, answer: { key, decision, voided } };
      const baseBytes = ownsProcess || owner === undefined ? 0 : sharedBase(ledger.leases, owner, table());
      const lease: Lease = {
        id,
        role: ownsProcess ? 'agent' : 'subagent',
        owner,
        runner: undefined,
        project: context.projectDir,
        epic,
        key,
        kind: need.kind,
        estimateBytes: decision.estimateBytes,
        limitBytes: decision.limitBytes,
        heapMb: need.heapMb,
        baseBytes,
        sinceMs: nowMs,
        expiresMs: ownsProcess ? undefined : nowMs + ttlMs,
        renewedMs: nowMs,
        state: 'running',
        peakBytes: undefined,
      };
      return { ledger: withLease(next, lease), answer: { key, decision, lease, voided } };
    },
  );
  if (probe.isTaken && view.lease) keepProbe(world, { id, owner });
  else if (probe.isTaken) returnProbe(world, id);

  return decisionAnswer(
    view,
    { admitted: EXIT.ok, later: EXIT.later, never: EXIT.critical },
    context.warnings,
  );
}

/** What the owner's tree held before its first lease: sub-agents share their owner's tree, so only its growth is theirs. */
function sharedBase(leases: readonly Lease[], owner: ProcessIdentity, table: ProcessTable): number {
  const name = identityKey(owner);
  const first = leases.find((lease) => lease.owner !== undefined && identityKey(lease.owner) === name);
  return first?.baseBytes ?? treeBytes([owner], table).get(name) ?? 0;
}

function once<T>(read: () => T): () => T {
  let value: { readonly read: T } | undefined;
  return () => (value ??= { read: read() }).read;
}
