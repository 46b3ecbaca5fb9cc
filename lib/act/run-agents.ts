/** What becomes of the agents of a run? Started, looked at, warned and stopped at their limit, concluded, and cleaned up after. */
import { basename } from 'node:path';
import type { AttemptResult, MemorySnapshot, Outcome } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import type { PlannedStream, RunEvent } from '../run-model.ts';
import { limitRules, stopsAtOnce } from '../policy/limit.ts';
import type { Candidate } from '../policy/victim.ts';
import { formatDuration } from '../units.ts';
import { resultOfEnd } from './conclude.ts';
import type { AttemptSpec, AttemptView, Engine } from './engine.ts';
import { AgentGuard } from './guard.ts';
import { RunTools } from './run-tools.ts';

/** What the agents of a run need of the world; the wiring gives it. */
export interface AgentsWorld {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly now: () => number;
  readonly readMemory: () => MemorySnapshot;
  /** The lease's process is known now. */
  readonly started: (tag: string, pid: number, startTicks: number | undefined) => void;
  /** Nothing of it is left: its lease goes. */
  readonly released: (tag: string) => void;
  /** Keeps the result; `view`: the last look at the attempt, undefined where it never started. */
  readonly record: (result: AttemptResult, view: AttemptView | undefined) => void;
  /** Writes the evidence before a stop; answers the file. */
  readonly writeEvidence: (key: string, reason: string, memory: MemorySnapshot) => string;
  /** Who asked from outside to stop this stream; undefined: nobody. */
  readonly stopRequest: (key: string) => string | undefined;
  /** The machine's count of kernel OOM kills; undefined where it cannot be read. */
  readonly readKernelKills: () => number | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

/** What was granted to an attempt. */
export interface Grant {
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  readonly warning: string | undefined;
}

interface Agent {
  readonly planned: PlannedStream;
  readonly tag: string;
  readonly spec: AttemptSpec;
  readonly grant: Grant;
  readonly kernelKillsBefore: number | undefined;
  readonly guard: AgentGuard;
  stoppedByUs: { outcome: Outcome; reason: string; isOverbooked?: boolean } | undefined;
  /** Why a tool of it was ended at the limit; undefined: none was. */
  toolStopped: string | undefined;
  concluded: boolean;
  /** Once it is concluded. */
  lastView: AttemptView | undefined;
  /** When something of it was first seen to be left after its end. */
  remainsSinceMs: number | undefined;
}

/** What lives this long after KILL cannot be killed now. */
const STUCK_MS = 5000;

/** The machine's count of kernel kills is read at most this often for agents that start. */
const COUNT_MS = 1000;

/** The agents of one run. */
export class RunAgents {
  readonly #world: AgentsWorld;
  readonly #machineWasShort: () => boolean;
  readonly #agents = new Map<string, Agent>();
  readonly #tools: RunTools;
  readonly results: AttemptResult[] = [];
  #kernelKills: { readonly count: number | undefined; readonly atMs: number } = {
    count: undefined,
    atMs: -Infinity,
  };

  /** `machineWasShort`: whether the machine was short of memory at the last look at it. */
  constructor(world: AgentsWorld, machineWasShort: () => boolean) {
    this.#world = world;
    this.#machineWasShort = machineWasShort;
    this.#tools = new RunTools(world, (key, message) => {
      const agent = this.#agents.get(key);
      if (agent) agent.toolStopped = message;
    });
  }

  /** Agents that run, or of which something is left. */
  get count(): number {
    return this.#agents.size;
  }

  /** Whether some agent is being stopped or cleaned up after. */
  get isLeaving(): boolean {
    return [...this.#agents.values()].some(
      ({ stoppedByUs, concluded }) => stoppedByUs !== undefined || concluded,
    );
  }

  /** Whether an agent of this stream runs, or something of its last one is left. */
  has(key: string): boolean {
    return this.#agents.has(key);
  }

  /** Agents whose main process runs. */
  get running(): number {
    return [...this.#agents.values()].filter(({ concluded }) => !concluded).length;
  }

  /** Starts an attempt. @throws Failure where it cannot be started. */
  start(planned: PlannedStream, tag: string, spec: AttemptSpec, grant: Grant): void {
    const { engine, now, onEvent, readKernelKills, settings, started } = this.#world;
    // One count serves all that start within a second: to read it costs as much as a tenth of a start.
    if (now() - this.#kernelKills.atMs >= COUNT_MS)
      this.#kernelKills = { count: readKernelKills(), atMs: now() };
    const kernelKillsBefore = this.#kernelKills.count;
    const { pid, startTicks } = engine.submit(spec, now());
    this.#agents.set(planned.stream.key, {
      planned,
      tag,
      spec,
      grant,
      kernelKillsBefore,
      guard: new AgentGuard(
        limitRules(grant.limitBytes, planned.estimateFrom === 'prior' ? undefined : planned.estimateBytes),
        settings.thresholds.abort,
      ),
      stoppedByUs: undefined,
      toolStopped: undefined,
      concluded: false,
      lastView: undefined,
      remainsSinceMs: undefined,
    });
    started(tag, pid, startTicks);
    const { key } = planned.stream;
    onEvent({ atMs: now(), event: 'start', key, attempt: spec.attempt, pid, ...grant });
  }

  /** Judges one look at an agent: its level while it lives, its outcome once it ended. Answers the result of one that ended just now, which the caller must `keep`. */
  judge(view: AttemptView, nowMs: number): AttemptResult | undefined {
    const agent = this.#agents.get(view.key);
    if (agent === undefined || agent.concluded) return undefined;
    if (view.end) return this.#conclude(agent, view);
    this.#guardTime(agent, view, nowMs);
    if (this.#world.settings.monitoringEnabled) this.#guard(agent, view, nowMs);
    return undefined;
  }

  /** The agents as the choice of a victim sees them; the ones that ended are none any more. */
  candidates(views: readonly AttemptView[], nowMs: number): Candidate[] {
    return views.flatMap((view) => {
      const agent = this.#agents.get(view.key);
      if (agent === undefined || view.end) return [];
      const { key, currentBytes, privateBytes } = view;
      const { estimateBytes } = agent.grant;
      return [
        {
          key,
          currentBytes,
          privateBytes,
          estimateBytes,
          ageMs: nowMs - view.startedMs,
          isLeaving: agent.stoppedByUs !== undefined,
        },
      ];
    });
  }

  /** Judges the tools of all agents, where the settings ask for it, after every agent was judged. */
  judgeTools(views: readonly AttemptView[], nowMs: number): void {
    this.#tools.look(views, (key) => this.#agents.get(key)?.stoppedByUs !== undefined, nowMs);
  }

  /** How far the nearest limit of an agent or of a tool is away. */
  headroomBytes(views: readonly AttemptView[]): number {
    const limitOf = (key: string): number => this.#agents.get(key)?.grant.limitBytes ?? Infinity;
    return Math.min(
      this.#tools.headroomBytes,
      ...views.map(({ key, currentBytes }) => limitOf(key) - currentBytes),
    );
  }

  /** Stops an agent for the machine's sake. */
  stopForMachine(key: string, reason: string, nowMs: number, isOverbooked = false): void {
    const agent = this.#agents.get(key);
    if (agent === undefined) return;
    this.#stop(agent, 'killed-machine', reason, nowMs);
    if (isOverbooked && agent.stoppedByUs) agent.stoppedByUs.isOverbooked = true;
  }

  /** Begins to stop every agent that runs. */
  stopAll(reason: string, graceMs: number, nowMs: number): void {
    for (const [key, agent] of this.#agents) {
      if (!agent.concluded) agent.stoppedByUs ??= { outcome: 'stopped', reason };
      this.#world.engine.cancel(key, graceMs, nowMs);
    }
  }

  /** Forgets agents of which nothing is left, ends what the others left behind. Answers the streams of which something cannot be ended. */
  settle(graceMs: number, nowMs: number): string[] {
    const { engine, onEvent, released, settings } = this.#world;
    const unending: string[] = [];
    for (const [key, agent] of this.#agents) {
      if (!agent.concluded) continue;
      const { settled, remains, bytes } = engine.settle(key, graceMs, nowMs);
      if (remains > 0 && agent.remainsSinceMs === undefined) {
        agent.remainsSinceMs = nowMs;
        onEvent({ atMs: nowMs, event: 'remains', key, processes: remains, bytes });
      }
      const stuck =
        agent.remainsSinceMs !== undefined &&
        nowMs - agent.remainsSinceMs > settings.cleanupTimeoutMs + STUCK_MS;
      if (stuck) {
        // KILL does not reach a process inside the kernel (a dead network disk): a run must end all the same.
        onEvent({
          atMs: nowMs,
          event: 'note',
          text: `${remains} processes of ${key} outlive KILL; \`cleanup\` tries again`,
        });
        unending.push(key);
      }
      if (!settled && !stuck) continue;
      this.#agents.delete(key);
      if (settled) released(agent.tag);
    }
    return unending;
  }

  /** Gives back the shares of those of whom nothing is left, though nobody recorded their end. */
  forget(keys: readonly string[]): void {
    for (const key of keys) {
      const agent = this.#agents.get(key);
      this.#agents.delete(key);
      if (agent) this.#world.released(agent.tag);
    }
  }

  /** Records an attempt that ended, or that could not be started. */
  keep(result: AttemptResult): void {
    const agent = this.#agents.get(result.key);
    const view = agent?.spec.attempt === result.attempt ? agent.lastView : undefined;
    this.results.push(result);
    this.#world.record(result, view);
    this.#world.onEvent({ atMs: result.endedMs, event: 'end', result });
  }

  #guardTime(agent: Agent, { haltedMs, startedMs }: AttemptView, nowMs: number): void {
    const { timeoutMs } = agent.planned.stream;
    // What it stood still for the others' sake is not its own time.
    if (timeoutMs === undefined || nowMs - startedMs - haltedMs < timeoutMs || agent.stoppedByUs) return;
    this.#stop(agent, 'timed-out', `it ran for more than ${formatDuration(timeoutMs)}`, nowMs);
  }

  #guard(agent: Agent, view: AttemptView, nowMs: number): void {
    const { engine, onEvent, settings } = this.#world;
    const { key } = view;
    if (agent.stoppedByUs) {
      // One that grows on under TERM does not get the rest of its grace.
      if (stopsAtOnce(view.currentBytes, agent.grant.limitBytes)) engine.cancel(key, 0, nowMs);
      return;
    }
    const deed = agent.guard.look({
      atMs: nowMs,
      rootPid: view.pid,
      bytes: view.currentBytes,
      processes: engine.processes(key),
      exactBytes: () => engine.exactBytes(key),
    });
    if (deed === undefined) return;
    const level = deed.deed === 'tell' ? deed.level : 'over';
    onEvent({ atMs: nowMs, event: 'level', key, level, bytes: view.currentBytes, message: deed.message });
    if (deed.deed === 'tell' || !settings.thresholds.abort) return;
    if (deed.deed === 'stop-agent') this.#stop(agent, 'killed-limit', deed.message, nowMs);
    else this.#tools.stop(key, deed, nowMs);
  }

  #stop(agent: Agent, outcome: Outcome, reason: string, nowMs: number): void {
    const { engine, onEvent, readMemory, settings, writeEvidence } = this.#world;
    const { key } = agent.planned.stream;
    // Halted first: evidence takes tens of milliseconds, and a leak of 1 GB/s as many megabytes.
    engine.suspend(key, true);
    const evidence = writeEvidence(key, reason, readMemory());
    agent.stoppedByUs = { outcome, reason: `${reason}; stopped, evidence in ${basename(evidence)}` };
    onEvent({ atMs: nowMs, event: 'stopping', key, reason, evidence });
    engine.cancel(key, settings.cleanupTimeoutMs, nowMs);
  }

  #conclude(agent: Agent, view: AttemptView): AttemptResult | undefined {
    if (view.end === undefined) return undefined;
    agent.concluded = true;
    agent.lastView = view;
    const { readKernelKills, stopRequest } = this.#world;
    return resultOfEnd(agent, view, view.end, {
      readKernelKills,
      stopRequest,
      machineWasShort: this.#machineWasShort,
    });
  }
}
