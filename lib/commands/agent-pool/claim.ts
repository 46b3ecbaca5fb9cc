/** Which agent gets this task, and what becomes of it after? Decided under the pool's lock, so no two callers get the same one. */
import type { AgentLook } from '../../act/live-agent.ts';
import type { MemorySnapshot } from '../../model.ts';
import type { AdmissionDecision } from '../../policy/admission.ts';
import { chooseEvicted, chooseFree, recycleReason, type Wanted } from '../../policy/pool.ts';
import type { KeptAnswer, PoolAgent, PoolRecord, PoolState, TaskAnswer } from '../../pool-model.ts';
import { withAgent } from '../../state/pool.ts';
import { readAnswer } from '../../state/pool-answers.ts';
import { reportProbe } from '../breaker-gate.ts';
import { reservePlace, withTask, type Place, type StartPlan } from './place.ts';
import { lives, setCharge, raiseCharge, type Pool } from './pool.ts';
import { asStopping, endAgent, takeDown } from './settle.ts';

export interface TaskAsk extends Wanted {
  readonly id: string;
  readonly isKept: boolean;
  /** This agent and no other. */
  readonly agentId: string | undefined;
  /** How another one is started; undefined: nobody knows. */
  readonly plan: StartPlan | undefined;
}

export type Claim =
  | { readonly got: 'agent'; readonly agent: PoolAgent }
  /** A place and a share for one that is yet to be started. */
  | { readonly got: 'place'; readonly place: Extract<Place, { agent: PoolAgent }> }
  /** One of another kind has to make room, and is ours to end. */
  | { readonly got: 'evicted'; readonly agent: PoolAgent }
  /** The same task was answered before. */
  | { readonly got: 'answer'; readonly kept: KeptAnswer }
  | { readonly got: 'nothing'; readonly reason: string; readonly decision?: AdmissionDecision };

/** Takes an agent for a task, or what comes nearest to one. */
export function claimAgent(pool: Pool, memory: MemorySnapshot, ask: TaskAsk): Claim {
  return pool.update<Claim>((state) => {
    const known = ask.isKept ? knownTask(pool, state, ask.id) : undefined;
    if (known) return { pool: state, answer: known };
    const chosen = ask.agentId === undefined ? chooseLiving(pool, state, ask) : byId(pool, state, ask);
    if (chosen && 'got' in chosen) return { pool: state, answer: chosen };
    if (chosen) return take(pool, state, memory, ask, chosen);
    return makeRoom(pool, state, memory, ask);
  });
}

/** What the pool knows of a task with this id. */
function knownTask(pool: Pool, { agents }: PoolState, id: string): Claim | undefined {
  if (agents.some(({ task }) => task?.id === id))
    return { got: 'nothing', reason: `task ${id} is at work already` };
  const kept = readAnswer(pool.stateDir, id, pool.say);
  return kept?.status === 'answered' ? { got: 'answer', kept } : undefined;
}

/** A free agent whose process lives and that may take another task. */
function chooseLiving(pool: Pool, { agents }: PoolState, wanted: Wanted): PoolAgent | undefined {
  return chooseFree(
    agents.filter(({ process }) => lives(pool, process) !== false),
    wanted,
  );
}

function byId(pool: Pool, { agents }: PoolState, { agentId }: TaskAsk): PoolAgent | Claim {
  const agent = agents.find(({ id }) => id === agentId);
  if (agent?.process === undefined || lives(pool, agent.process) === false)
    return { got: 'nothing', reason: `no agent ${agentId ?? ''} lives in the pool` };
  if (agent.state === 'ready' && agent.task === undefined) return agent;
  return { got: 'nothing', reason: `${agent.id} is ${agent.task ? 'at work' : agent.state}` };
}

function take(
  pool: Pool,
  state: PoolState,
  memory: MemorySnapshot,
  ask: TaskAsk,
  agent: PoolAgent,
): { pool: PoolState; answer: Claim } {
  const decision = raiseCharge(pool, memory, agent);
  if (decision.decision !== 'admit')
    return { pool: state, answer: { got: 'nothing', reason: decision.reason, decision } };
  const taken = withTask(pool, agent, ask);
  return { pool: withAgent(state, taken), answer: { got: 'agent', agent: taken } };
}

function makeRoom(
  pool: Pool,
  state: PoolState,
  memory: MemorySnapshot,
  ask: TaskAsk,
): { pool: PoolState; answer: Claim } {
  const { size } = pool.context.settings.pool;
  const full = fullReason(state, size, ask);
  if (ask.plan === undefined) return { pool: state, answer: { got: 'nothing', reason: full } };
  if (state.agents.length >= size) {
    const victim = chooseEvicted(state.agents, ask);
    if (victim === undefined) return { pool: state, answer: { got: 'nothing', reason: full } };
    const agent = asStopping(pool, victim, `an agent of kind ${ask.kind} needed its place`);
    return { pool: withAgent(state, agent), answer: { got: 'evicted', agent } };
  }
  const place = reservePlace(pool, state, memory, ask.plan);
  if ('decision' in place)
    return {
      pool: state,
      answer: { got: 'nothing', reason: place.decision.reason, decision: place.decision },
    };
  return { pool: withAgent(state, place.agent), answer: { got: 'place', place } };
}

function fullReason({ agents }: PoolState, size: number, { kind }: Wanted): string {
  const own = agents.filter((agent) => agent.kind === kind).length;
  return `${agents.length} of ${size} agents are in the pool, ${own} of kind ${kind}, and none of these is free`;
}

export interface TaskResult {
  readonly outcome: Extract<PoolRecord, { event: 'task' }>['outcome'];
  readonly answer: TaskAnswer | undefined;
  /** What it held after the task; undefined: it is dead. */
  readonly look: AgentLook | undefined;
  readonly peakBytes: number | undefined;
  /** undefined: it may take another task. */
  readonly endReason: string | undefined;
}

/**
 * A task of ours is over: its answer is kept where that was wished for, before the agent is free again. Answers the agent
 * where it must be ended, which is then ours to do.
 */
export function concludeTask(pool: Pool, id: string, result: TaskResult): PoolAgent | undefined {
  const { look, answer, peakBytes, outcome } = result;
  const { settings } = pool.context;
  return pool.update((state) => {
    const agent = state.agents.find((entry) => entry.id === id);
    const task = agent?.task;
    if (agent === undefined || task === undefined) return { pool: state, answer: undefined };
    const nowMs = Date.now();
    const busy = state.agents.filter((entry) => entry.kind === agent.kind && entry.task !== undefined).length;
    if (answer) takeDown(pool, agent, answer);
    const { kind, uses } = agent;
    pool.log({ event: 'task', atMs: nowMs, kind, agent: id, task: task.id, ms: nowMs - task.sinceMs, idleMs: task.idleMs, outcome, peakBytes, bytes: look?.bytes, busy, uses }); // prettier-ignore
    const free: PoolAgent = {
      ...agent,
      task: undefined,
      freeSinceMs: nowMs,
      baselineBytes: agent.baselineBytes ?? look?.bytes,
      activity: look && { atMs: nowMs, cpuMs: look.cpuMs, outputBytes: look.outputBytes },
    };
    reportProbe(pool.context, agent.leaseId, true);
    const reason = result.endReason ?? recycleReason(free, look?.bytes, settings.pool);
    // Somebody else is ending it already, and waited for us.
    if (reason === undefined && agent.state === 'ready') {
      if (look) setCharge(pool, free, look.privateBytes);
      return { pool: withAgent(state, free), answer: undefined };
    }
    // What it still says before it is dead counts: the same task must not be done twice.
    const unanswered = answer ? undefined : { ...task, caller: undefined };
    const last = { ...free, task: unanswered };
    const stopping = asStopping(pool, last, reason ?? agent.reason ?? 'it was ended');
    return { pool: withAgent(state, stopping), answer: stopping };
  });
}

/** Concludes, and ends the agent where it takes no further task. */
export async function concludeAndEnd(pool: Pool, id: string, result: TaskResult): Promise<void> {
  const stopping = concludeTask(pool, id, result);
  if (stopping) await endAgent(pool, stopping);
}
