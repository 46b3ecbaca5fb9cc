/** How does an agent that has its place start, until it waits for work? */
import { setTimeout as sleep } from 'node:timers/promises';
import { openCeilings } from '../../act/ceiling.ts';
import { comeToRest, startAgent } from '../../act/live-agent.ts';
import { TAG_VARIABLE } from '../../act/local-engine.ts';
import { EXIT, Failure } from '../../failure.ts';
import type { ProcessIdentity } from '../../model.ts';
import { cleanText } from '../../names.ts';
import { wantsCeiling } from '../../policy/ceiling.ts';
import type { PoolAgent, PoolTask } from '../../pool-model.ts';
import { readIdentity } from '../../probe/identity.ts';
import { readTail } from '../../probe/log-tail.ts';
import { removeAgentFolder, withAgent, withoutAgent } from '../../state/pool.ts';
import { MIB } from '../../units.ts';
import type { Held } from '../memory-retry/reserve.ts';
import { nodeOptionsFor } from '../node-options.ts';
import { echoesOf, withTask, type Place, type StartPlan } from './place.ts';
import { setCharge, type Pool } from './pool.ts';
import { asStopping, endAgent } from './settle.ts';

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
      heapMb,
    },
    paths.stdin,
    openCeilings({ mode: wantsCeiling(settings), env: plan.env }),
  );
  const ended = new Promise<NodeJS.Signals | undefined>((resolve) => {
    child.once('exit', (_, signal) => resolve(signal ?? undefined));
  });
  return { process: readIdentity(child.pid), ended };
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
  const isOurs = putIfStarting(pool, born, born.estimateBytes);
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
  // What waits is charged with what it holds, like any idle one.
  if (!putIfStarting(pool, ready, task ? ready.estimateBytes : rest.look.privateBytes)) {
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

/** Puts it in its place, under this charge. Somebody may have stopped it meanwhile: then it must not come back. */
function putIfStarting(pool: Pool, agent: PoolAgent, chargeBytes: number): boolean {
  return pool.update((state) => {
    const isOurs = state.agents.some(({ id, state: now }) => id === agent.id && now === 'starting');
    // From now on its share is its own: we may be gone before it is.
    if (isOurs && agent.process) setCharge(pool, agent, chargeBytes);
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
