/** How does a task go through the pool, from the wait for an agent to the answer, and once more where the agent died? */
import { setTimeout as sleep } from 'node:timers/promises';
import { runTask, sendTask, type AgentLink, type TaskWatch } from '../../act/task.ts';
import { EXIT, Failure } from '../../failure.ts';
import type { AdmissionDecision } from '../../policy/admission.ts';
import { protocolOf } from '../../policy/protocol.ts';
import type { KeptAnswer, PoolAgent, TaskAnswer } from '../../pool-model.ts';
import { withAgent } from '../../state/pool.ts';
import { formatDuration } from '../../units.ts';
import { readMachineMemory } from '../context.ts';
import { claimAgent, concludeAndEnd, type TaskAsk, type TaskResult } from './claim.ts';
import { bringUp } from './launch.ts';
import { lives, type Pool } from './pool.ts';
import { endAgent, settlePool } from './settle.ts';
import { openTaskGuard } from './task-guard.ts';

export interface HandOver {
  readonly ask: TaskAsk;
  readonly text: string;
  /** The longest that one attempt may take. */
  readonly timeoutMs: number | undefined;
  /** How long to wait for an agent; Infinity: until there is one. */
  readonly waitMs: number;
  /** Further attempts after an agent that died. */
  readonly retries: number;
  readonly isDetached: boolean;
  /** A signal came: nobody wants the answer any more. */
  readonly isStopped: () => boolean;
}

/** What became of a task. */
export type Handed =
  | {
      readonly outcome: 'answered' | 'failed';
      readonly answer: TaskAnswer;
      readonly agent: string;
      readonly attempts: number;
      readonly ms: number;
      readonly peakBytes: number | undefined;
      /** The answer was there already: the same task had been done before. */
      readonly isEarlier: boolean;
    }
  | { readonly outcome: 'sent'; readonly agent: string }
  | {
      readonly outcome: 'died' | 'timeout' | 'over-limit' | 'stopped';
      readonly reason: string;
      readonly agent: string;
      readonly attempts: number;
    }
  | {
      readonly outcome: 'no-agent';
      readonly reason: string;
      readonly decision: AdmissionDecision | undefined;
    };

/** Hands a task to an agent of the pool, which is started if need be. Never throws for the agent's own fate. */
export async function handOver(pool: Pool, order: HandOver): Promise<Handed> {
  for (let attempt = 1; ; attempt += 1) {
    const got = await waitForAgent(pool, order);
    if ('kept' in got) return earlier(got.kept);
    const handed = 'outcome' in got ? got : await give(pool, got.agent, order, attempt);
    if (handed.outcome !== 'died' || attempt > order.retries || order.isStopped()) return handed;
    pool.say(`${handed.reason}; it is tried again`);
  }
}

function give(pool: Pool, agent: PoolAgent, order: HandOver, attempt: number): Promise<Handed> {
  return order.isDetached ? detach(pool, agent, order) : attend(pool, agent, order, attempt);
}

function earlier({ answer, agent, startedMs, endedMs }: KeptAnswer): Handed {
  const said = answer ?? { ok: false, text: '' };
  return {
    outcome: said.ok ? 'answered' : 'failed',
    answer: said,
    agent,
    attempts: 0,
    ms: endedMs - startedMs,
    peakBytes: undefined,
    isEarlier: true,
  };
}

const LEAST_PAUSE_MS = 20;
const MOST_PAUSE_MS = 250;

async function waitForAgent(
  pool: Pool,
  { ask, waitMs, isStopped }: HandOver,
): Promise<{ readonly agent: PoolAgent } | { readonly kept: KeptAnswer } | Handed> {
  const deadlineMs = Date.now() + waitMs;
  let told: string | undefined;
  for (let pauseMs = LEAST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, MOST_PAUSE_MS)) {
    await settlePool(pool, 'due');
    const claim = claimAgent(pool, await readMachineMemory(), ask);
    if (claim.got === 'agent') return { agent: claim.agent };
    if (claim.got === 'answer') return { kept: claim.kept };
    if (claim.got === 'place') {
      if (ask.plan === undefined) throw new Error('a place was taken for an agent that nobody can start');
      try {
        return { agent: await bringUp(pool, claim.place, ask.plan, ask) };
      } catch (error) {
        // Somebody killed it: nothing is wrong with the kind, and the task is still in our hands.
        if (!(error instanceof Failure) || error.exitCode !== EXIT.later) throw error;
        return { outcome: 'died', reason: error.message, agent: claim.place.agent.id, attempts: 0 };
      }
    }
    if (claim.got === 'evicted') {
      await endAgent(pool, claim.agent);
      continue;
    }
    const { reason, decision } = claim;
    const isHopeless = decision?.decision === 'refuse' || Date.now() >= deadlineMs || isStopped();
    if (isHopeless) return { outcome: 'no-agent', reason, decision };
    checkKind(pool, ask);
    if (told === undefined) pool.say(`waiting: ${reason}`);
    told = reason;
    // Callers that were refused together must not come again together.
    await sleep(Math.min(pauseMs * (0.5 + Math.random()), Math.max(1, deadlineMs - Date.now())));
  }
}

/** Waiting for an agent that nobody will ever start would be for ever. */
function checkKind(pool: Pool, { kind, project, plan, agentId }: TaskAsk): void {
  if (plan !== undefined) return;
  const isThere = pool
    .load()
    .agents.some(
      (agent) => agent.kind === kind && agent.project === project && (agentId ?? agent.id) === agent.id,
    );
  if (isThere) return;
  throw new Failure(
    `no agent ${agentId ?? `of kind ${kind}`} is in the pool, and agents.${kind}.pool in .claude-pm.yaml does not say how to start one; \`agent-pool start --kind ${kind} -- CMD\` does`,
  );
}

/** How its pipe and its output are reached. */
export function linkOf(pool: Pool, agent: PoolAgent): AgentLink {
  if (agent.protocol === undefined || agent.task === undefined) throw new Error(`${agent.id} has no task`);
  const { stdin, stdout } = pool.paths(agent.id);
  return {
    protocol: protocolOf(agent.protocol),
    echoes: agent.echoes,
    stdin,
    stdout,
    fromByte: agent.task.fromByte,
    hasPast: agent.uses > 1,
    isAlive: () => lives(pool, agent.process) !== false,
  };
}

async function attend(
  pool: Pool,
  agent: PoolAgent,
  { text, timeoutMs, isStopped }: HandOver,
  attempts: number,
): Promise<Handed> {
  const startedMs = Date.now();
  const watch = openTaskGuard(pool, agent);
  let over: 'timeout' | 'stopped' | undefined;
  const isOver: TaskWatch['isOver'] = () => {
    if (watch.overLimit() !== undefined) return 'end';
    if (isStopped()) over ??= 'stopped';
    else if (timeoutMs !== undefined && Date.now() - startedMs > timeoutMs) over ??= 'timeout';
    return over === undefined ? false : 'interrupt';
  };
  try {
    const id = agent.task?.sentAs ?? '';
    const end = await runTask(linkOf(pool, agent), { id, text }, { ...watch, isOver });
    const ms = Date.now() - startedMs;
    const look = end.end === 'died' ? undefined : watch.last();
    const peakBytes = watch.peakBytes();
    if (end.end === 'answered') {
      const outcome = end.answer.ok ? 'answered' : 'failed';
      await conclude(pool, agent.id, {
        outcome,
        answer: end.answer,
        look,
        peakBytes,
        endReason: undefined,
      });
      return { outcome, answer: end.answer, agent: agent.id, attempts, ms, peakBytes, isEarlier: false };
    }
    const overLimit = watch.overLimit();
    const outcome = end.end === 'died' ? 'died' : overLimit ? 'over-limit' : 'cancelled';
    const endReason =
      end.end === 'died'
        ? 'it died in mid-task'
        : end.isClean
          ? undefined
          : (overLimit ?? 'its task was given up');
    await conclude(pool, agent.id, { outcome, answer: undefined, look, peakBytes, endReason });
    const after = formatDuration(ms);
    if (outcome === 'over-limit') return { outcome, reason: overLimit ?? '', agent: agent.id, attempts };
    if (outcome === 'died')
      return { outcome, reason: `${agent.id} died after ${after} of this task`, agent: agent.id, attempts };
    if (over === 'stopped')
      return { outcome: over, reason: `given up after ${after}`, agent: agent.id, attempts };
    return { outcome: 'timeout', reason: `no answer within ${after}`, agent: agent.id, attempts };
  } finally {
    watch.close();
  }
}

/** How a task ended is told to its caller also where it cannot be written down (a full disk): whoever comes by next sees to that. */
async function conclude(pool: Pool, id: string, result: TaskResult): Promise<void> {
  try {
    await concludeAndEnd(pool, id, result);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    pool.say(`${id} is not free yet: ${error.message}`);
  }
}

/** Hands it over and leaves: from then on whoever comes by takes the answer down. */
async function detach(pool: Pool, agent: PoolAgent, { text, isStopped }: HandOver): Promise<Handed> {
  const id = agent.task?.sentAs ?? '';
  const isOver: TaskWatch['isOver'] = () => (isStopped() ? 'end' : false);
  if (await sendTask(linkOf(pool, agent), { id, text }, isOver)) {
    pool.update((state) => {
      const now = state.agents.find((entry) => entry.id === agent.id);
      if (now?.task === undefined) return { pool: state, answer: undefined };
      return {
        pool: withAgent(state, { ...now, task: { ...now.task, caller: undefined } }),
        answer: undefined,
      };
    });
    return { outcome: 'sent', agent: agent.id };
  }
  const endReason = 'its task could not be handed over';
  const rest = { outcome: 'died' as const, answer: undefined, look: undefined, peakBytes: undefined };
  await conclude(pool, agent.id, { ...rest, endReason });
  return { outcome: 'died', reason: `${agent.id}: ${endReason}`, agent: agent.id, attempts: 1 };
}
