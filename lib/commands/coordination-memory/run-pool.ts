/** How does a run give its streams to agents of the pool? As workers of its engine, under the shares of its own streams. */
import type { AttemptSpec, Worker } from '../../act/engine.ts';
import { moveCeiling } from '../../act/ceiling-group.ts';
import { comeToRest } from '../../act/live-agent.ts';
import { runTask, type TaskEnd } from '../../act/task.ts';
import { appendLine } from '../../files.ts';
import type { Stream } from '../../model.ts';
import { followFile, sizeOf } from '../../pipes.ts';
import { chooseEvicted, chooseFree, isFree, taskName } from '../../policy/pool.ts';
import type { PoolAgent, PoolState } from '../../pool-model.ts';
import type { PlannedStream } from '../../run-model.ts';
import type { PooledKind } from '../../settings-model.ts';
import { newLeaseId } from '../../state/lease-id.ts';
import { removeAgentFolder, withAgent, withoutAgent } from '../../state/pool.ts';
import { concludeTask } from '../agent-pool/claim.ts';
import { linkOf } from '../agent-pool/hand-over.ts';
import { startProcess } from '../agent-pool/launch.ts';
import { echoesOf, newAgent, newId, planStart, withTask, type StartPlan } from '../agent-pool/place.ts';
import { dropLeases, lives, lookAt, poolOf, type Pool } from '../agent-pool/pool.ts';
import { asStopping, endAgent } from '../agent-pool/settle.ts';
import type { Context } from '../context.ts';
import { pooledKind } from './plan-streams.ts';

/** The pool as one run uses it. */
export class RunPool {
  readonly #pool: Pool;
  readonly #env: NodeJS.ProcessEnv;
  readonly #streams = new Map<string, Stream>();
  readonly #ends = new Set<Promise<unknown>>();

  constructor(
    context: Context,
    env: NodeJS.ProcessEnv,
    streams: readonly Stream[],
    say: (line: string) => void,
  ) {
    this.#pool = poolOf(context, say);
    this.#env = env;
    for (const stream of streams) if (this.#pooled(stream)) this.#streams.set(stream.key, stream);
  }

  /** The candidates, with no more for the pool than it has places that are free or could be. */
  limit(candidates: readonly PlannedStream[]): readonly PlannedStream[] {
    const { agents } = this.#pool.load();
    let places = this.#pool.context.settings.pool.size - agents.filter((agent) => !isFree(agent)).length;
    return candidates.filter(({ stream }) => !this.#streams.has(stream.key) || places-- > 0);
  }

  /** The worker for an attempt; undefined: the stream has a process of its own. @throws Failure where none can be started. */
  readonly findWorker = (spec: AttemptSpec): Worker | undefined => {
    const stream = this.#streams.get(spec.key);
    const pooled = stream && this.#pooled(stream);
    return pooled ? this.#work(stream, spec, pooled) : undefined;
  };

  /** Waits for the end of agents that were on their way out. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#ends);
  }

  #pooled(stream: Stream): PooledKind | undefined {
    return pooledKind(stream, this.#pool.context.settings);
  }

  #work(stream: Stream, spec: AttemptSpec, pooled: PooledKind): Worker {
    const { agent, isNew } = this.#take(stream, spec, pooled);
    const { process } = agent;
    if (process === undefined) throw new Error(`${agent.id} has no process`);
    let end: TaskEnd | undefined;
    const stderr = { path: this.#pool.paths(agent.id).stderr, fromByte: 0 };
    stderr.fromByte = sizeOf(stderr.path);
    const ended = this.#run(agent, isNew, stream, spec).then((found) => {
      end = found;
      copyLines(stderr, spec.stderrPath);
    });
    let given: 'no' | 'at it' | 'yes' = 'no';
    return {
      pid: process.pid,
      tag: agent.leaseId,
      onEnd: (tell) => {
        void ended.then(
          () => tell(end?.end !== 'answered' ? undefined : end.answer.ok ? 0 : 1, undefined),
          (error: unknown) => {
            appendLine(spec.stderrPath, error instanceof Error ? error.message : String(error));
            tell(undefined, undefined);
          },
        );
      },
      giveBack: () => {
        if (given === 'no') {
          given = 'at it';
          this.#watch(this.#giveBack(agent, end).finally(() => (given = 'yes')));
        }
        return given === 'yes';
      },
    };
  }

  /** A free agent of the kind, else a new one: in the place of one of another kind where the pool is full. */
  #take(stream: Stream, spec: AttemptSpec, pooled: PooledKind): { agent: PoolAgent; isNew: boolean } {
    const pool = this.#pool;
    const wanted = { kind: stream.kind, project: pool.context.projectDir };
    const task = { id: taskName(spec.key, spec.attempt), isKept: false };
    const plan = this.#plan(stream.kind, pooled);
    const taken = pool.update<{ agent: PoolAgent; isNew: boolean }>((state) => {
      const living = state.agents.filter(({ process }) => lives(pool, process) !== false);
      const free = chooseFree(living, wanted);
      if (free) {
        const agent = withTask(pool, { ...free, limitBytes: spec.limitBytes }, task);
        // The stream's own share stands for the whole tree while it works.
        dropLeases(pool, [agent.leaseId]);
        // The kernel's ceiling is that of the stream before.
        if (free.limitBytes !== spec.limitBytes && spec.limitBytes !== undefined)
          moveCeiling(agent.leaseId, spec.limitBytes);
        return { pool: withAgent(state, agent), answer: { agent, isNew: false } };
      }
      const room = this.#evict(state, wanted);
      const leaseId = newLeaseId();
      const { estimateBytes, limitBytes } = spec;
      const id = newId(pool, room);
      const agent = newAgent(id, plan, leaseId, estimateBytes, limitBytes, pool.liveness.self);
      return { pool: withAgent(room, agent), answer: { agent, isNew: true } };
    });
    return taken.isNew ? { agent: this.#start(taken.agent, plan, task), isNew: true } : taken;
  }

  /** Its entry is there before its process: whoever comes by after our death finds it by its mark. */
  #start(place: PoolAgent, plan: StartPlan, task: { id: string; isKept: boolean }): PoolAgent {
    const pool = this.#pool;
    try {
      const { process } = startProcess(pool, place, plan);
      const born: PoolAgent = {
        ...place,
        process,
        state: 'ready',
        keeper: undefined,
        echoes: echoesOf(plan),
      };
      const agent = withTask(pool, born, task);
      pool.update((state) => ({ pool: withAgent(state, agent), answer: undefined }));
      return agent;
    } catch (error) {
      pool.update((state) => ({ pool: withoutAgent(state, place.id), answer: undefined }));
      removeAgentFolder(pool.stateDir, place.id);
      throw error;
    }
  }

  #evict(state: PoolState, wanted: { kind: string; project: string }): PoolState {
    if (state.agents.length < this.#pool.context.settings.pool.size) return state;
    const victim = chooseEvicted(state.agents, wanted);
    if (victim === undefined) return state;
    const stopping = asStopping(this.#pool, victim, `an agent of kind ${wanted.kind} needed its place`);
    this.#watch(Promise.resolve().then(() => endAgent(this.#pool, stopping)));
    return withAgent(state, stopping);
  }

  #plan(kind: string, pooled: PooledKind): StartPlan {
    return planStart(this.#pool, this.#env, {
      kind,
      pooled,
      estimateBytes: undefined,
      limitBytes: undefined,
    });
  }

  async #run(agent: PoolAgent, isNew: boolean, stream: Stream, spec: AttemptSpec): Promise<TaskEnd> {
    if (isNew) await this.#noteStart(agent);
    const text = stream.prompt ?? stream.title;
    return runTask(
      linkOf(this.#pool, agent),
      { id: agent.task?.sentAs ?? '', text, key: stream.key },
      // A run that wants its end stops its tree, as with any agent.
      { isOver: () => false, onLine: (line) => appendLine(spec.stdoutPath, line) },
    );
  }

  async #noteStart(agent: PoolAgent): Promise<void> {
    const pool = this.#pool;
    const { id, kind, leaseId, process, sinceMs } = agent;
    const rest = process && (await comeToRest(leaseId, process, pool.paths(id).stdout));
    if (rest === undefined) return;
    const { bytes: freshBytes, processes: freshProcesses } = rest.look;
    pool.update((state) => {
      const now = state.agents.find((entry) => entry.id === id);
      const pooled = now ? withAgent(state, { ...now, freshBytes, freshProcesses }) : state;
      return { pool: pooled, answer: undefined };
    });
    pool.log({
      event: 'start',
      atMs: Date.now(),
      kind,
      agent: id,
      startMs: rest.restMs - sinceMs,
      freshBytes,
    });
  }

  async #giveBack(agent: PoolAgent, end: TaskEnd | undefined): Promise<void> {
    const isAnswered = end?.end === 'answered';
    const look = isAnswered ? lookAt(this.#pool, agent) : undefined;
    const { size } = this.#pool.context.settings.pool;
    const isOver = this.#pool.load().agents.length > size;
    const endReason = !isAnswered
      ? 'it ended in mid-task'
      : isOver
        ? `the pool has only ${size} places`
        : undefined;
    const stopping = concludeTask(this.#pool, agent.id, {
      outcome: isAnswered ? (end.answer.ok ? 'answered' : 'failed') : 'died',
      answer: isAnswered ? end.answer : undefined,
      look,
      peakBytes: undefined,
      endReason,
    });
    if (stopping) await endAgent(this.#pool, stopping);
  }

  #watch(deed: Promise<unknown>): void {
    const known = deed.finally(() => this.#ends.delete(known));
    this.#ends.add(known);
    // Whoever comes by next tries again.
    known.catch(() => undefined);
  }
}

function copyLines(from: { readonly path: string; readonly fromByte: number }, to: string): void {
  if (sizeOf(from.path) <= from.fromByte) return;
  const follower = followFile(from.path, from.fromByte);
  try {
    for (const line of follower.read().lines) appendLine(to, line);
  } finally {
    follower.close();
  }
}
