/** How does an agent of a kind come into the pool? What starts it, its place and share, its process, and its coming to rest. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCeilings } from '../../act/ceiling.ts';
import { comeToRest, startAgent } from '../../act/live-agent.ts';
import { TAG_VARIABLE } from '../../act/local-engine.ts';
import { EXIT, Failure } from '../../failure.ts';
import { isThere } from '../../files.ts';
import type { MemorySnapshot, ProcessIdentity } from '../../model.ts';
import { cleanText } from '../../names.ts';
import type { AdmissionDecision } from '../../policy/admission.ts';
import { wantsCeiling } from '../../policy/ceiling.ts';
import { protocolOf } from '../../policy/protocol.ts';
import type { PoolAgent, PoolState, PoolTask } from '../../pool-model.ts';
import { readExecutable } from '../../probe/executable.ts';
import { readIdentity } from '../../probe/identity.ts';
import { readTail } from '../../probe/log-tail.ts';
import { sizeOf } from '../../pipes.ts';
import type { PlannedStream } from '../../run-model.ts';
import type { AgentKind, PooledKind } from '../../settings-model.ts';
import { withAgent, withoutAgent, removeAgentFolder } from '../../state/pool.ts';
import { MIB } from '../../units.ts';
import { needsOf } from '../coordination-memory/plan-streams.ts';
import { nodeOptionsFor } from '../node-options.ts';
import { tryReserve, type Held } from '../memory-retry/reserve.ts';
import { KEY_PREFIX, type Pool } from './pool.ts';
import { asStopping, endAgent } from './settle.ts';

type Needs = Pick<PlannedStream, 'estimateBytes' | 'limitBytes' | 'heapMb' | 'estimateFrom'>;

/** What an agent of a kind is started with. */
export interface StartPlan extends PooledKind {
  readonly kind: string;
  readonly project: string;
  readonly env: NodeJS.ProcessEnv;
  readonly needs: Needs;
}

/** What is said on the command line, over what the settings say of the kind. */
export interface Wish {
  readonly kind: string;
  readonly pooled: PooledKind;
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
}

export function planStart(pool: Pool, env: NodeJS.ProcessEnv, wish: Wish): StartPlan {
  const { projectDir, settings } = pool.context;
  const kind: AgentKind | undefined = settings.agents.get(wish.kind);
  const world = { ...env, ...kind?.env };
  const takesHeap =
    settings.enabled && readExecutable(wish.pooled.command[0] ?? '', world, projectDir).kind === 'node';
  const own = { estimateBytes: wish.estimateBytes, limitBytes: wish.limitBytes, heapMb: undefined };
  const needs = needsOf(own, kind, settings, takesHeap, Infinity);
  return { ...wish.pooled, kind: wish.kind, project: projectDir, env: world, needs };
}

export type Place =
  | { readonly agent: PoolAgent; readonly held: Held }
  | { readonly decision: Exclude<AdmissionDecision, { decision: 'admit' }> };

/** Takes a share and an id that no other agent has; under the pool's lock. `keeper` answers for it until it has a process. */
export function reservePlace(
  pool: Pool,
  state: PoolState,
  memory: MemorySnapshot,
  plan: Omit<StartPlan, 'env' | 'command'>,
): Place {
  const id = newId(pool, state);
  const { estimateFrom, ...needs } = plan.needs;
  const reserved = tryReserve(pool.context, memory, {
    ...needs,
    key: `${KEY_PREFIX}${plan.kind}/${id}`,
    kind: plan.kind,
    estimateIsStated: estimateFrom !== 'prior',
    alone: false,
    atMostConcurrent: undefined,
  });
  if ('decision' in reserved) return reserved;
  const { held } = reserved;
  if (held.warning !== undefined) pool.say(held.warning);
  return {
    agent: newAgent(id, plan, held.lease.id, held.lease.estimateBytes, held.limitBytes, pool.liveness.self),
    held,
  };
}

/** An agent that is being started by us. */
export function newAgent(
  id: string,
  plan: Omit<StartPlan, 'env' | 'command'>,
  leaseId: string,
  estimateBytes: number,
  limitBytes: number | undefined,
  self: ProcessIdentity,
): PoolAgent {
  const nowMs = Date.now();
  return {
    id,
    kind: plan.kind,
    project: plan.project,
    state: 'starting',
    protocol: plan.protocol,
    echoes: false,
    recycle: plan.recycle,
    leaseId,
    process: undefined,
    keeper: self,
    task: undefined,
    estimateBytes,
    limitBytes,
    heapMb: plan.needs.heapMb,
    sinceMs: nowMs,
    freeSinceMs: nowMs,
    uses: 0,
    freshBytes: undefined,
    baselineBytes: undefined,
    freshProcesses: undefined,
    activity: undefined,
    reason: undefined,
  };
}

/** `agent-` and 12 hexadecimal digits that no agent has, nor has left a folder under. */
export function newId(pool: Pool, { agents }: PoolState): string {
  for (;;) {
    const id = `agent-${randomUUID().replaceAll('-', '').slice(0, 12)}`;
    if (!agents.some((agent) => agent.id === id) && !isThere(pool.paths(id).dir)) return id;
  }
}

/** A process that was just started, by us, so that we see how it ends. */
interface Born {
  readonly process: ProcessIdentity | undefined;
  /** Its end, as soon as we see it: the signal, where one ended it. */
  readonly ended: Promise<NodeJS.Signals | undefined>;
}

/** The system tells us of the end of a child a moment after it shows it to everybody. */
const SEEN_MS = 500;

/** Starts the process of an agent that has its place. @throws Failure where it cannot be started; the place stays the caller's. */
export function startProcess(pool: Pool, agent: PoolAgent, plan: StartPlan): Born {
  const { settings } = pool.context;
  const { heapMb, limitBytes } = agent;
  const paths = pool.paths(agent.id);
  const env: NodeJS.ProcessEnv = {
    ...plan.env,
    [TAG_VARIABLE]: agent.leaseId,
    CLAUDE_PM_POOL_AGENT: agent.id,
  };
  if (limitBytes !== undefined) env['CLAUDE_PM_LIMIT_MB'] = String(Math.floor(limitBytes / MIB));
  if (heapMb !== undefined && settings.enabled) {
    env['CLAUDE_PM_HEAP_MB'] = String(heapMb);
    const options = nodeOptionsFor(plan.command[0] ?? '', plan.env, plan.project, settings, heapMb);
    if (options !== undefined) env['NODE_OPTIONS'] = options;
  }
  const child = startAgent(
    {
      key: `${plan.kind} ${agent.id}`,
      attempt: 1,
      tag: agent.leaseId,
      command: plan.command,
      cwd: plan.project,
      env,
      stdoutPath: paths.stdout,
      stderrPath: paths.stderr,
      estimateBytes: agent.estimateBytes,
      limitBytes,
    },
    paths.stdin,
    openCeilings({ mode: wantsCeiling(settings), env: plan.env }),
  );
  const ended = new Promise<NodeJS.Signals | undefined>((resolve) => {
    child.once('exit', (_, signal) => resolve(signal ?? undefined));
  });
  return { process: readIdentity(child.pid), ended };
}

/** The agent with this task of ours. */
export function withTask(
  pool: Pool,
  agent: PoolAgent,
  { id, isKept }: Pick<PoolTask, 'id' | 'isKept'>,
): PoolAgent {
  const nowMs = Date.now();
  const isUuid = agent.protocol !== undefined && protocolOf(agent.protocol).ids === 'uuid';
  return {
    ...agent,
    uses: agent.uses + 1,
    task: {
      id,
      sentAs: isUuid ? randomUUID() : id,
      caller: pool.liveness.self,
      isKept,
      fromByte: sizeOf(pool.paths(agent.id).stdout),
      sinceMs: nowMs,
      idleMs: Math.max(0, nowMs - agent.freeSinceMs),
    },
  };
}

/** Whether its command makes it repeat the tasks' ids. */
export function echoesOf({ protocol, command }: PooledKind): boolean {
  const { echoFlag } = protocolOf(protocol);
  return echoFlag !== undefined && command.includes(echoFlag);
}

/**
 * Starts the agent and waits until it waits for work; with a task it is nobody else's from its first instant.
 * @throws Failure (2) where it cannot be started or ends at once, with its last words; (75) where somebody killed it meanwhile.
 */
export async function bringUp(
  pool: Pool,
  { agent, held }: Extract<Place, { held: Held }>,
  plan: StartPlan,
  task?: Pick<PoolTask, 'id' | 'isKept'>,
): Promise<PoolAgent> {
  const startedMs = Date.now();
  const { process, ended } = startOrGiveUp(pool, agent, held, plan);
  const born: PoolAgent = { ...agent, process, echoes: echoesOf(plan) };
  const isOurs = putIfStarting(pool, born);
  const rest =
    isOurs && process ? await comeToRest(agent.leaseId, process, pool.paths(agent.id).stdout) : undefined;
  if (rest === undefined) {
    const words = cleanText(readTail(pool.paths(agent.id).stderr, 2000) ?? '', 300);
    await endAgent(pool, asStopping(pool, born, 'it ended at once'));
    const signal = await Promise.race([ended, sleep(SEEN_MS, undefined)]);
    const how = signal === undefined ? 'ended at once' : `was ended by ${signal} as it started`;
    throw new Failure(
      `${plan.kind}: ${plan.command[0] ?? ''} ${how}${words === '' ? '' : `: ${words}`}`,
      signal === undefined ? EXIT.mend : EXIT.later,
    );
  }
  const nowMs = Date.now();
  const rested: PoolAgent = {
    ...born,
    state: 'ready',
    keeper: undefined,
    freshBytes: rest.look.bytes,
    freshProcesses: rest.look.processes,
    freeSinceMs: nowMs,
  };
  const ready = task ? withTask(pool, rested, task) : rested;
  if (!putIfStarting(pool, ready)) {
    await endAgent(pool, asStopping(pool, born, 'it was stopped as it started'));
    throw new Failure(`${plan.kind}: ${agent.id} was stopped as it started`, EXIT.later);
  }
  const startMs = rest.restMs - startedMs;
  pool.log({
    event: 'start',
    atMs: nowMs,
    kind: plan.kind,
    agent: agent.id,
    startMs,
    freshBytes: ready.freshBytes,
  });
  return ready;
}

/** Somebody may have stopped it meanwhile: then it must not come back. */
function putIfStarting(pool: Pool, agent: PoolAgent): boolean {
  return pool.update((state) => {
    const isOurs = state.agents.some(({ id, state: now }) => id === agent.id && now === 'starting');
    return { pool: isOurs ? withAgent(state, agent) : state, answer: isOurs };
  });
}

function startOrGiveUp(pool: Pool, agent: PoolAgent, held: Held, plan: StartPlan): Born {
  try {
    const born = startProcess(pool, agent, plan);
    if (born.process) held.started(born.process.pid);
    return born;
  } catch (error) {
    held.release(undefined);
    removeAgentFolder(pool.stateDir, agent.id);
    pool.update((state) => ({ pool: withoutAgent(state, agent.id), answer: undefined }));
    throw error;
  }
}
