/** How does a whole epic run? One loop: look, judge, record what ended, admit what fits, sleep as long as the headroom allows. */
import type { AttemptResult } from '../model.ts';
import type { PlannedStream, RunEvent, RunSummary } from '../run-model.ts';
import { errorCode, EXIT, Failure } from '../failure.ts';
import type { AdmissionDecision } from '../policy/admission.ts';
import { sampleIntervalMs } from '../policy/limit.ts';
import type { StreamState } from '../policy/queue.ts';
import { summarizeRun } from '../policy/summary.ts';
import { resultOfNoStart } from './conclude.ts';
import { endAll } from './end-all.ts';
import type { AttemptSpec, AttemptView } from './engine.ts';
import { RunAgents, type AgentsWorld } from './run-agents.ts';
import { RunMachine, type MachineWorld } from './run-machine.ts';
import { RunQueue, type HeldStreams } from './run-queue.ts';
import type { RetriesWorld } from './run-retries.ts';

type Admitted = AdmissionDecision & { readonly decision: 'admit' };

/** What a run needs of the world; the wiring gives it. */
export interface RunWorld extends AgentsWorld, RetriesWorld, MachineWorld {
  readonly epic: string;
  readonly planned: readonly PlannedStream[];
  /**
   * Reserves for as many as fit, in this order, atomically: one decision each, none for those that were not looked at. Of
   * this run at most so many run at once then.
   */
  readonly admit: (
    candidates: readonly PlannedStream[],
    nowMs: number,
    atMost: number,
  ) => readonly Answered[];
  /** Writes what `started` and `released` changed, and renews the leases. */
  readonly flush: (nowMs: number) => void;
  /** The folder, the words and the number of the next attempt. */
  readonly prepare: (planned: PlannedStream, tag: string, decision: Admitted) => AttemptSpec;
  /** Streams held back from outside: paused by a person, or still at work since an earlier run. */
  readonly heldBack: () => HeldStreams;
  /** The machine ran out: one start at a time from now on, and the breaker hears of it. */
  readonly memoryEvent: (reason: string, nowMs: number) => void;
  readonly onLook: (look: RunLook) => void;
}

export interface Answered {
  readonly planned: PlannedStream;
  readonly tag: string;
  readonly decision: AdmissionDecision;
}

/** The run at one instant, for the ledger and the live table. */
export interface RunLook {
  readonly atMs: number;
  readonly views: readonly AttemptView[];
  readonly stateOf: (key: string) => StreamState;
  readonly waitingFor: string | undefined;
}

/** How often admission is tried when nothing changed, and how often leftovers of ended agents are looked for. */
const ADMIT_EVERY_MS = 200;
const LEFT_EVERY_MS = 1000;
const LEAVING_EVERY_MS = 50;
/** Why there is no further attempt where KILL does not end the last one: two of them would do the work twice. */
const UNENDING = 'something of its last attempt cannot be ended';
const SIGNAL_CODES: Readonly<Record<string, number>> = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGQUIT: 131,
  SIGTERM: 143,
};
const DISK_CODES = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/** One run of an epic. */
export class Run {
  readonly #world: RunWorld;
  readonly #agents: RunAgents;
  readonly #queue: RunQueue;
  readonly #startedMs: number;
  readonly #machine: RunMachine;
  #interrupts = 0;
  #signal: string | undefined;
  #highestBytes = 0;
  #highestAgents = 0;
  #nextAdmitMs = 0;
  #fullMs = -Infinity;
  /** When the agents were last measured, and when they must be again. */
  #measuredMs = 0;
  #nextMeasureMs = 0;
  #lastStartMs = -Infinity;

  constructor(world: RunWorld) {
    this.#world = world;
    this.#agents = new RunAgents(world, () => this.#machine.wasShort);
    this.#queue = new RunQueue(world, (key) => this.#agents.has(key));
    this.#machine = new RunMachine(world, () => world.heldBack().paused);
    this.#startedMs = world.now();
  }

  /** Runs until everything is done or lost. Whatever goes wrong, its agents are ended before it throws. */
  async finish(): Promise<RunSummary> {
    const { engine, flush, now, onLook } = this.#world;
    const { stateOf } = this.#queue;
    try {
      this.#tellImpossible();
      for (;;) {
        const nowMs = now();
        const views = this.#look(nowMs);
        // Before any admission: what has ended must not be counted any more.
        onLook({ atMs: nowMs, views, stateOf, waitingFor: this.#queue.waitingFor });
        const stuck = this.#agents.settle(this.#graceMs(), nowMs);
        this.#tell(this.#queue.callOff((key) => (stuck.includes(key) ? UNENDING : undefined), nowMs));
        if (this.#interrupts === 0) {
          this.#tell(this.#queue.skipLost(nowMs));
          if (nowMs >= this.#nextAdmitMs) this.#admit(nowMs);
        }
        flush(nowMs);
        if (this.#agents.count === 0 && (this.#interrupts > 0 || !this.#queue.has('waiting')))
          return this.#summarize();
        await engine.nextChange(this.#sleepMs(views, nowMs));
      }
    } catch (error) {
      this.#agents.forget(await endAll(engine, this.#world.settings.cleanupTimeoutMs, now));
      throw error;
    } finally {
      engine.close();
    }
  }

  /** Stops the run: nothing more starts, what runs gets TERM and the grace time; at the second call KILL. */
  interrupt(signal: string): void {
    this.#interrupts += 1;
    this.#signal ??= signal;
    const nowMs = this.#world.now();
    if (this.#interrupts === 1) {
      this.#world.onEvent({ atMs: nowMs, event: 'interrupt', signal, running: this.#agents.count });
    }
    this.#agents.stopAll(`the run was interrupted (${signal})`, this.#graceMs(), nowMs);
  }

  #tell(events: readonly RunEvent[]): void {
    for (const event of events) this.#world.onEvent(event);
  }

  #graceMs(): number {
    return this.#interrupts > 1 ? 0 : this.#world.settings.cleanupTimeoutMs;
  }

  #tellImpossible(): void {
    for (const { stream, impossible, isDone } of this.#world.planned) {
      if (impossible === undefined || isDone) continue;
      this.#world.onEvent({ atMs: this.#startedMs, event: 'skip', key: stream.key, reason: impossible });
    }
  }

  #look(nowMs: number): AttemptView[] {
    const everyMs = this.#agents.isLeaving ? LEFT_EVERY_MS : this.#world.engine.fullEveryMs;
    const full = nowMs - this.#fullMs >= everyMs && this.#agents.count > 0;
    if (full) this.#fullMs = nowMs;
    // Woken early because somebody ended: the others were measured a moment ago.
    const asSeen = !full && nowMs >= this.#measuredMs && nowMs < this.#nextMeasureMs;
    if (!asSeen) this.#measuredMs = nowMs;
    const views = this.#world.engine.poll(nowMs, { full, asSeen });
    let bytes = 0;
    let live = 0;
    for (const view of views) {
      if (view.end === undefined) {
        bytes += view.currentBytes;
        live += 1;
      }
      if (asSeen && view.end === undefined) continue;
      const result = this.#agents.judge(view, nowMs);
      if (result) this.#ended(result, nowMs);
    }
    if (!asSeen) {
      this.#agents.judgeTools(views, nowMs);
      this.#guardMachine(views, nowMs);
    }
    this.#highestBytes = Math.max(this.#highestBytes, bytes);
    this.#highestAgents = Math.max(this.#highestAgents, live);
    return views;
  }

  #guardMachine(views: readonly AttemptView[], nowMs: number): void {
    const { memoryEvent } = this.#world;
    const victim = this.#machine.guard(views, () => this.#agents.candidates(views, nowMs), nowMs);
    if (victim === undefined) return;
    const { isOverbooked, key, reason } = victim;
    if (!isOverbooked) memoryEvent(reason, nowMs);
    this.#agents.stopForMachine(key, reason, nowMs, isOverbooked);
  }

  #ended(ended: AttemptResult, nowMs: number): void {
    const { cause, reason } = ended;
    if (cause === 'kernel-oom') this.#world.memoryEvent(reason, nowMs);
    const beside = { atOnce: this.#agents.running + 1, isOver: this.#interrupts > 0 };
    const { result, events } = this.#queue.ended(ended, beside, nowMs);
    this.#agents.keep(result);
    this.#tell(events);
    // What one that gave its place back leaves is for those that run.
    this.#nextAdmitMs = ended.isOverbooked === true ? nowMs + ADMIT_EVERY_MS : 0;
    // The last agent's end may end the run, and what is tried again waits until nothing is left: look at once, not in a second.
    const isLast = !this.#queue.has('waiting') && !this.#queue.has('running');
    if (isLast || events.length > 0) this.#fullMs = -Infinity;
  }

  #admit(nowMs: number): void {
    this.#nextAdmitMs = nowMs + ADMIT_EVERY_MS;
    // Whoever is halted goes on before anybody else starts.
    if (this.#machine.isAnyHalted) return;
    this.#tell(this.#queue.callOff(this.#world.stopRequest, nowMs));
    const order = this.#queue.candidates(this.#world.heldBack(), this.#world.settings.admission, nowMs);
    if (order.length === 0) return;

    const answers = this.#world.admit(order, nowMs, this.#queue.atMost);
    for (const { planned, tag, decision } of answers) {
      if (decision.decision === 'admit') this.#start(planned, tag, decision);
      else {
        const event = this.#queue.refuse(planned.stream.key, decision, nowMs);
        if (event) this.#world.onEvent(event);
      }
    }
    // Behind a window that went through whole there may be more: try again at the next look.
    if (answers.length > 0 && answers.every(({ decision }) => decision.decision === 'admit'))
      this.#nextAdmitMs = 0;
  }

  #start(planned: PlannedStream, tag: string, decision: Admitted): void {
    const { estimateBytes, limitBytes, warning } = decision;
    const spec = this.#world.prepare(planned, tag, decision);
    try {
      this.#agents.start(planned, tag, spec, { estimateBytes, limitBytes, warning });
      this.#lastStartMs = this.#world.now();
      this.#queue.set(planned.stream.key, 'running');
    } catch (error) {
      // A full or read-only disk is no fault of the stream: the whole run stops.
      if (!(error instanceof Failure) || DISK_CODES.has(errorCode(error.cause) ?? '')) throw error;
      this.#world.released(tag);
      this.#ended(resultOfNoStart(spec, error, this.#world.now()), this.#world.now());
    }
  }

  #sleepMs(views: readonly AttemptView[], nowMs: number): number {
    const { settings } = this.#world;
    const waiting = this.#interrupts === 0 && this.#queue.has('waiting');
    const byWork = this.#agents.isLeaving ? LEAVING_EVERY_MS : Infinity;
    const byQueue = waiting ? Math.max(0, this.#nextAdmitMs - nowMs) : Infinity;
    const mostMs = Math.min(byWork, byQueue, settings.thresholds.sampleIntervalMs);
    const live = views.filter(({ end }) => end === undefined);
    // Started at this very look, so not among the views yet: nobody may grow unseen for a whole interval.
    const isNew = this.#lastStartMs >= nowMs;
    if (live.length === 0 && !isNew) return mostMs;
    const headroomBytes = this.#agents.headroomBytes(live);
    const byMachine = this.#machine.look(nowMs).untilMs - nowMs;
    const youngestMs = isNew ? 0 : Math.min(...live.map(({ startedMs }) => nowMs - startedMs));
    const ms = sampleIntervalMs({ headroomBytes, youngestMs, mostMs: Math.min(mostMs, byMachine) });
    const isMeasured = this.#measuredMs === nowMs;
    this.#nextMeasureMs = isMeasured ? nowMs + ms : Math.min(this.#nextMeasureMs, nowMs + ms);
    return this.#nextMeasureMs - nowMs;
  }

  #summarize(): RunSummary {
    const { budgetBytes, epic, now, planned, settings } = this.#world;
    const lost = this.#queue.has('failed') || this.#queue.has('skipped');
    return summarizeRun({
      epic,
      planned,
      results: this.#agents.results,
      startedMs: this.#startedMs,
      endedMs: now(),
      highestBytes: this.#highestBytes,
      highestAgents: this.#highestAgents,
      budgetBytes,
      slots: settings.maxConcurrentAgents,
      exitCode:
        this.#signal === undefined
          ? lost
            ? EXIT.critical
            : EXIT.ok
          : (SIGNAL_CODES[this.#signal] ?? EXIT.critical),
    });
  }
}
