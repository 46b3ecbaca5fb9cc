/** What must whoever comes by do about the pool? Take down answers nobody waits for, end what is void, and reap idle agents. */
import { findAnswer } from '../../act/task.ts';
import { judgeEntry, idleSince, reapReason } from '../../policy/pool.ts';
import { protocolOf } from '../../policy/protocol.ts';
import type { PoolAgent, PoolState, TaskAnswer } from '../../pool-model.ts';
import { removeAgentFolder, withAgent, withoutAgent } from '../../state/pool.ts';
import { keepAnswer, readAnswer } from '../../state/pool-answers.ts';
import { endAgents } from '../end-agents.ts';
import { dropGroups, dropLeases, leaseOf, lives, lookAt, setCharge, type Pool } from './pool.ts';

/** An agent that was ended, and why. */
export interface Ended {
  readonly id: string;
  readonly kind: string;
  readonly reason: string;
  /** Processes that outlived KILL. */
  readonly left: number;
}

export interface Settled {
  readonly ended: readonly Ended[];
  /** Tasks whose answers were taken down. */
  readonly answered: readonly string[];
}

/** due: idle agents go after their time, looked for at most once in `pool.cleanup`; now: looked for in any case; pressed: all idle ones go. */
export type Reaping = 'due' | 'now' | 'pressed';

/** Brings the pool up to what its processes say. */
export async function settlePool(pool: Pool, reaping: Reaping): Promise<Settled> {
  const { stops, answered } = pool.update((before) => {
    const found: { stops: PoolAgent[]; answered: string[] } = { stops: [], answered: [] };
    let state = before;
    for (const agent of before.agents) {
      const next = settleOne(pool, agent, found);
      if (next !== agent) state = withAgent(state, next);
    }
    return { pool: reap(pool, state, reaping, found.stops), answer: found };
  });
  const ended = await Promise.all(stops.map((agent) => endAgent(pool, agent)));
  return { ended, answered };
}

function settleOne(
  pool: Pool,
  agent: PoolAgent,
  found: { stops: PoolAgent[]; answered: string[] },
): PoolAgent {
  const answer = unawaitedAnswer(pool, agent);
  const deed = judgeEntry(agent, {
    process: lives(pool, agent.process),
    keeper: lives(pool, agent.keeper),
    caller: lives(pool, agent.task?.caller),
    answer,
  });
  if (deed.deed === 'keep') return agent;
  if (deed.deed === 'return') return { ...agent, keeper: undefined, freeSinceMs: Date.now() };
  if (deed.deed === 'free') {
    takeDown(pool, agent, answer);
    if (agent.task) found.answered.push(agent.task.id);
    const look = lookAt(pool, agent);
    const free: PoolAgent = {
      ...agent,
      task: undefined,
      freeSinceMs: Date.now(),
      baselineBytes: agent.baselineBytes ?? look?.bytes,
    };
    if (look) setCharge(pool, free, look.privateBytes);
    return free;
  }
  const stopping = asStopping(pool, agent, deed.reason);
  found.stops.push(stopping);
  return stopping;
}

/** The agent on its way out, by our hand. */
export function asStopping(pool: Pool, agent: PoolAgent, reason: string): PoolAgent {
  return { ...agent, state: 'stopping', keeper: pool.liveness.self, reason };
}

/** The answer to a task for which nobody waits. */
function unawaitedAnswer(pool: Pool, agent: PoolAgent): TaskAnswer | undefined {
  const { task, protocol } = agent;
  if (task === undefined || protocol === undefined) return undefined;
  if (task.caller !== undefined && lives(pool, task.caller) !== false) return undefined;
  return findAnswer(
    {
      protocol: protocolOf(protocol),
      echoes: agent.echoes,
      stdout: pool.paths(agent.id).stdout,
      fromByte: task.fromByte,
    },
    task.sentAs,
  );
}

/** Keeps how a task ended, where that was wished for. */
export function takeDown(
  pool: Pool,
  agent: PoolAgent,
  answer: TaskAnswer | undefined,
  reason?: string,
): void {
  const { task } = agent;
  if (task?.isKept !== true) return;
  // Once answered is answered: whoever took it down may have been killed before he could say so.
  if (answer === undefined && readAnswer(pool.stateDir, task.id, pool.say)?.status === 'answered') return;
  keepAnswer(pool.stateDir, {
    version: 1,
    task: task.id,
    kind: agent.kind,
    agent: agent.id,
    status: answer === undefined ? 'lost' : 'answered',
    answer,
    reason,
    startedMs: task.sinceMs,
    endedMs: Date.now(),
  });
}

function reap(pool: Pool, before: PoolState, reaping: Reaping, stops: PoolAgent[]): PoolState {
  const nowMs = Date.now();
  const rules = pool.context.settings.pool;
  if (reaping === 'due' && nowMs >= before.reapedMs && nowMs - before.reapedMs < rules.cleanupMs)
    return before;
  let state = before;
  for (const agent of before.agents) {
    const look = agent.state === 'ready' && agent.task === undefined ? lookAt(pool, agent) : undefined;
    if (look === undefined) continue;
    const since = idleSince(agent, look);
    const reason = reapReason(since, nowMs, rules, reaping === 'pressed');
    const { atMs, cpuMs, outputBytes } = look;
    const activity = { atMs, cpuMs, outputBytes };
    const next =
      reason === undefined
        ? { ...agent, activity, freeSinceMs: since ?? nowMs }
        : asStopping(pool, agent, reason);
    if (reason !== undefined) stops.push(next);
    state = withAgent(state, next);
  }
  return { ...state, reapedMs: nowMs };
}

/**
 * Ends an agent that is marked as stopping by us, with all that it started, reads its last words, and forgets it. Where somebody
 * waits for its answer, the entry is left to him: he sees its end, and what it still said.
 */
export async function endAgent(pool: Pool, agent: PoolAgent): Promise<Ended> {
  const { context } = pool;
  const reason = agent.reason ?? 'it was ended';
  // A place that was only reserved has no process of ours: its owner's is not ours to end.
  const isOurs = agent.protocol !== undefined;
  const lease = leaseOf(agent, 0, Date.now());
  const left = isOurs ? (await endAgents(context, [lease], context.settings.cleanupTimeoutMs)).left : 0;
  const result: Ended = { id: agent.id, kind: agent.kind, reason, left };
  // The next one who comes by tries again.
  if (left > 0) return result;
  const gone = pool.update<string | undefined>((state) => {
    const now = state.agents.find(({ id }) => id === agent.id);
    if (now === undefined) return { pool: state, answer: undefined };
    if (now.task?.caller !== undefined && lives(pool, now.task.caller) !== false)
      return { pool: withAgent(state, { ...now, state: 'ready', keeper: undefined }), answer: undefined };
    if (now.task) takeDown(pool, now, unawaitedAnswer(pool, now), reason);
    // Before it is forgotten: where we are killed in between, the next one who comes by ends it once more.
    dropLeases(pool, [agent.leaseId]);
    return { pool: withoutAgent(state, agent.id), answer: agent.id };
  });
  // Only now: somebody who is killed in between must not have taken away what the next one still has to read.
  if (gone !== undefined) removeAgentFolder(pool.stateDir, gone);
  if (isOurs) {
    dropGroups(pool, new Set([agent.leaseId]));
    const nowMs = Date.now();
    const { id, kind, uses, sinceMs } = agent;
    pool.log({ event: 'end', atMs: nowMs, kind, agent: id, reason, uses, livedMs: nowMs - sinceMs });
  }
  return result;
}
