/** What do all sub-commands of the pool share? The state under its lock, the log, and the shares of its agents in the ledger. */
import { sweepGroups } from '../../act/ceiling-group.ts';
import { lookAtAgent, type AgentLook } from '../../act/live-agent.ts';
import type { Call } from '../../flags.ts';
import type { Liveness } from '../../lock.ts';
import type { Lease, MemorySnapshot, ProcessIdentity } from '../../model.ts';
import { decideAdmission, type AdmissionDecision } from '../../policy/admission.ts';
import { heldByBreaker } from '../../policy/breaker-answer.ts';
import { identityKey } from '../../policy/charge.ts';
import { KEY_PREFIX } from '../../policy/pool.ts';
import type { PoolAgent, PoolRecord, PoolState } from '../../pool-model.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { remember, updateLedger, withLease, withoutLeases, type Ledger } from '../../state/ledger.ts';
import { agentPaths, loadPool, updatePool, type AgentPaths } from '../../state/pool.ts';
import { logPool } from '../../state/pool-answers.ts';
import { askBreaker } from '../breaker-gate.ts';
import { openContext, type Context } from '../context.ts';
import { checkLeases, treeBytes } from '../leases.ts';

export interface Pool {
  readonly context: Context;
  readonly stateDir: string;
  readonly liveness: Liveness;
  readonly say: (line: string) => void;
  readonly load: () => PoolState;
  readonly update: <T>(change: (pool: PoolState) => { pool: PoolState; answer: T }) => T;
  readonly paths: (id: string) => AgentPaths;
  readonly log: (record: PoolRecord) => void;
}

/** The pool of a call. */
export async function openPool(call: Call): Promise<Pool> {
  return poolOf(await openContext(call), call.err);
}

export function poolOf(context: Context, say: (line: string) => void): Pool {
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  return {
    context,
    stateDir,
    liveness,
    say,
    load: () => loadPool(stateDir),
    update: (change) => updatePool(stateDir, liveness, say, change),
    paths: (id) => agentPaths(stateDir, id),
    log: (record) => logPool(stateDir, liveness, record),
  };
}

/** Whether a process lives; undefined: there is none, or it cannot be told from here. */
export function lives(pool: Pool, identity: ProcessIdentity | undefined): boolean | undefined {
  return identity && pool.liveness.isAlive(identity);
}

/** What a live agent holds and does now; undefined where nothing of it is left. */
export function lookAt(pool: Pool, agent: PoolAgent): AgentLook | undefined {
  return agent.process && lookAtAgent(agent.leaseId, agent.process, pool.paths(agent.id).stdout);
}

/** An agent's entry in the ledger with this charge. */
export function leaseOf(agent: PoolAgent, estimateBytes: number, nowMs: number): Lease {
  const { id, kind, leaseId, process, protocol, keeper, project, limitBytes, heapMb, sinceMs } = agent;
  return {
    id: leaseId,
    role: 'agent',
    owner: process ?? keeper,
    // Nobody of ours lives as long as it does; who starts it, or who comes by, answers for it meanwhile.
    runner: process,
    project,
    epic: undefined,
    key: `${KEY_PREFIX}${kind}/${id}`,
    kind,
    estimateBytes,
    limitBytes,
    heapMb,
    baseBytes: 0,
    sinceMs,
    expiresMs: undefined,
    renewedMs: nowMs,
    // Its keeper's tree is not its own: until its process is known only its mark tells what belongs to it.
    state: process === undefined && protocol !== undefined ? 'starting' : 'running',
    peakBytes: undefined,
  };
}

/** May an idle agent begin a task? It needs what its estimate is over what it holds already: decided like any start. */
export function raiseCharge(pool: Pool, memory: MemorySnapshot, agent: PoolAgent): AdmissionDecision {
  const { context, liveness, stateDir } = pool;
  const { settings } = context;
  return updateLedger(stateDir, liveness, (ledger): { ledger: Ledger; answer: AdmissionDecision } => {
    const nowMs = Date.now();
    const others = ledger.leases.filter(({ id }) => id !== agent.leaseId);
    const table = readProcessTable();
    const leases = checkLeases(others, liveness.isAlive, nowMs, () => table);
    const holdsBytes = agent.process
      ? (treeBytes([agent.process], table).get(identityKey(agent.process)) ?? 0)
      : 0;
    const facts = { settings, memory, leases, budget: undefined, nowMs, memoryOf: ledger };
    const asked = askBreaker({ ...context, memory }, { id: agent.leaseId, owner: agent.process });
    const decision = asked.allowed
      ? decideAdmission(facts, {
          estimateBytes: Math.max(0, agent.estimateBytes - holdsBytes),
          limitBytes: agent.limitBytes,
          estimateIsStated: false,
        })
      : heldByBreaker(facts, asked);
    const next = remember(ledger, decision.memory);
    if (decision.decision !== 'admit') return { ledger: next, answer: decision };
    return { ledger: withLease(next, leaseOf(agent, agent.estimateBytes, nowMs)), answer: decision };
  });
}

/**
 * From now on it is charged with this: an idle one with what it holds, so that others may have what it was promised beyond that.
 * The share of a stream that it worked on for a run that was killed goes: else it would pass for being at work for as long as it lives.
 */
export function setCharge(pool: Pool, agent: PoolAgent, chargeBytes: number): void {
  const { isAlive } = pool.liveness;
  const key = agent.process && identityKey(agent.process);
  const isLeftBehind = ({ id, owner, runner }: Lease): boolean =>
    id !== agent.leaseId &&
    owner !== undefined &&
    identityKey(owner) === key &&
    runner !== undefined &&
    isAlive(runner) === false;
  updateLedger(pool.stateDir, pool.liveness, (ledger) => {
    const leftBehind = new Set(ledger.leases.filter(isLeftBehind).map(({ id }) => id));
    const next = withLease(ledger, leaseOf(agent, chargeBytes, Date.now()));
    return { ledger: leftBehind.size === 0 ? next : withoutLeases(next, leftBehind), answer: undefined };
  });
}

export function dropLeases(pool: Pool, ids: readonly string[]): void {
  updateLedger(pool.stateDir, pool.liveness, (ledger) => ({
    ledger: withoutLeases(ledger, new Set(ids)),
    answer: undefined,
  }));
}

/** The kernel's groups of agents that have ended. */
export function dropGroups(pool: Pool, ids: ReadonlySet<string>): void {
  const { isAlive, self } = pool.liveness;
  const isOne = (id: string): boolean => ids.has(id);
  sweepGroups({ self, isAlive, endsMembersOf: isOne, hasEnded: isOne });
}
