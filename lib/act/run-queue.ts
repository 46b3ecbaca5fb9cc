/** Which streams of a run still wait, for what, and since when? */
import type { AttemptResult, Stream } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import type { PlannedStream, RunEvent } from '../run-model.ts';
import { isForAll, type AdmissionDecision } from '../policy/admission.ts';
import { RunRetries, type RetriesWorld } from './run-retries.ts';
import { lostStreams, readyStreams, tryOrder, type StreamState } from '../policy/queue.ts';

type Refusal = Exclude<AdmissionDecision, { readonly decision: 'admit' }>;

/** Streams that must not start now. */
export interface HeldStreams {
  /** By a person. */
  readonly paused: ReadonlySet<string>;
  /** An earlier run's agent still works on it: what conflicts with it waits as well. */
  readonly atWork: ReadonlySet<string>;
}

/** The streams of one run with their states. */
export class RunQueue {
  readonly #streams: readonly Stream[];
  readonly #byKey: Map<string, PlannedStream>;
  readonly #states: Map<string, StreamState>;
  readonly #refusedSince = new Map<string, number>();
  /** Streams that are tried again, and from when on. */
  readonly #notBefore = new Map<string, number>();
  readonly #isLeft: (key: string) => boolean;
  readonly #retries: RunRetries;
  /** Those that wait or run, in order: a loop that comes by every 25 ms must not go through all that ended. */
  #open: Map<string, Stream>;
  /** Those of them that run. */
  readonly #atWork = new Map<string, Stream>();
  readonly #counts = new Map<StreamState, number>();
  #mayHaveLost = true;
  #waitingFor: string | undefined;
  #told: string | undefined;

  /** `isLeft`: whether something of a stream's last attempt is still there. */
  constructor(
    world: RetriesWorld & { readonly planned: readonly PlannedStream[] },
    isLeft: (key: string) => boolean,
  ) {
    const { planned } = world;
    this.#isLeft = isLeft;
    this.#retries = new RunRetries(world);
    this.#streams = planned.map(({ stream }) => stream);
    this.#byKey = new Map(planned.map((entry) => [entry.stream.key, entry]));
    this.#states = new Map(planned.map((entry) => [entry.stream.key, firstState(entry)]));
    for (const state of this.#states.values()) this.#count(state, 1);
    this.#open = this.#findOpen();
  }

  readonly stateOf = (key: string): StreamState => this.#states.get(key) ?? 'done';

  set(key: string, state: StreamState): void {
    this.#count(this.stateOf(key), -1);
    this.#count(state, 1);
    this.#states.set(key, state);
    if (state !== 'waiting') {
      this.#refusedSince.delete(key);
      this.#notBefore.delete(key);
    }
    if (state === 'failed' || state === 'skipped') this.#mayHaveLost = true;
    if (!isOpen(state)) this.#open.delete(key);
    else if (!this.#open.has(key)) this.#open = this.#findOpen();
    const stream = this.#open.get(key);
    if (state === 'running' && stream) this.#atWork.set(key, stream);
    else this.#atWork.delete(key);
  }

  /** At most so many agents of this run at once. */
  get atMost(): number {
    return this.#retries.atMost;
  }

  /**
   * An attempt ended: its stream is done, waits for a further attempt, or is given up, and then the reason of its result says
   * why. `atOnce`: agents of this run that ran when it ended, itself included; `isOver`: nothing more starts.
   */
  ended(
    result: AttemptResult,
    { atOnce, isOver }: { readonly atOnce: number; readonly isOver: boolean },
    nowMs: number,
  ): { readonly result: AttemptResult; readonly events: readonly RunEvent[] } {
    const { key, outcome } = result;
    const planned = this.#byKey.get(key);
    if (outcome === 'done' || isOver || planned === undefined) {
      this.#retries.forget(key);
      this.set(key, outcome === 'done' ? 'done' : 'failed');
      return { result, events: [] };
    }
    const verdict = this.#retries.judge(planned, result, atOnce, nowMs);
    if (verdict.next === undefined) this.set(key, 'failed');
    else {
      this.#byKey.set(key, verdict.next);
      this.#notBefore.set(key, verdict.notBeforeMs);
      this.set(key, 'waiting');
      if (result.isOverbooked === true) this.#toTheBack(key);
    }
    return { result: verdict.result, events: verdict.event ? [verdict.event] : [] };
  }

  /** Gives up streams that wait for a further attempt where there is a reason to; one event each. */
  callOff(reasonFor: (key: string) => string | undefined, nowMs: number): RunEvent[] {
    return [...this.#notBefore.keys()].flatMap((key) => {
      const reason = reasonFor(key);
      if (reason === undefined) return [];
      this.#retries.forget(key);
      this.set(key, 'failed');
      return [{ atMs: nowMs, event: 'skip', key, reason: `no further attempt: ${reason}` }];
    });
  }

  /** Why nothing more starts, for people. */
  get waitingFor(): string | undefined {
    return this.#waitingFor;
  }

  has(state: StreamState): boolean {
    return (this.#counts.get(state) ?? 0) > 0;
  }

  /** Who may be tried now, in order. */
  candidates(held: HeldStreams, admission: Settings['admission'], nowMs: number): PlannedStream[] {
    const left = [...held.atWork].flatMap((key) => this.#open.get(key) ?? []);
    const ready = readyStreams({
      streams: this.#open.values(),
      atWork: [...this.#atWork.values(), ...left],
      stateOf: (key) => (held.atWork.has(key) ? 'running' : this.stateOf(key)),
      isPaused: (key) => held.paused.has(key) || this.#isTooEarly(key, nowMs),
      most: admission.lookahead + 1,
    });
    const candidates = ready.map((stream) => ({
      stream,
      refusedSinceMs: this.#refusedSince.get(stream.key),
    }));
    this.#waitingFor = undefined;
    return tryOrder(candidates, { ...admission, nowMs }).flatMap(
      ({ stream }) => this.#byKey.get(stream.key) ?? [],
    );
  }

  /** Marks what can never start any more as skipped; one event each. */
  skipLost(nowMs: number): RunEvent[] {
    if (!this.#mayHaveLost) return [];
    this.#mayHaveLost = false;
    return lostStreams({ streams: [...this.#open.values()], stateOf: this.stateOf }).map(
      ({ stream, because }) => {
        this.set(stream.key, 'skipped');
        return {
          atMs: nowMs,
          event: 'skip',
          key: stream.key,
          reason: `${because}, which it depends on, was not done`,
        };
      },
    );
  }

  /** Notes that a stream was not admitted; an event where that is news. */
  refuse(key: string, decision: Refusal, nowMs: number): RunEvent | undefined {
    const { reason, binding, shortByBytes } = decision;
    if (decision.decision === 'refuse') {
      this.set(key, 'failed');
      return { atMs: nowMs, event: 'skip', key, reason };
    }
    // Waiting for a place is no starvation: everybody waits alike.
    if (!isForAll(binding) && !this.#refusedSince.has(key)) this.#refusedSince.set(key, nowMs);
    if (this.#waitingFor !== undefined) return undefined;
    this.#waitingFor = `${key}: ${reason}`;
    // Who waits for a place is told once, not for each stream that comes to the head of the queue.
    const told = isForAll(binding) ? binding : `${key} ${binding}`;
    if (told === this.#told) return undefined;
    this.#told = told;
    return {
      atMs: nowMs,
      event: 'wait',
      key,
      reason,
      binding,
      shortByBytes,
      retryAfterMs: decision.retryAfterMs,
    };
  }

  /** More was started than fits: at once in its old place it would only have to go again. */
  #toTheBack(key: string): void {
    const stream = this.#open.get(key);
    if (stream === undefined) return;
    this.#open.delete(key);
    this.#open.set(key, stream);
  }

  #isTooEarly(key: string, nowMs: number): boolean {
    const notBeforeMs = this.#notBefore.get(key);
    return notBeforeMs !== undefined && (nowMs < notBeforeMs || this.#isLeft(key));
  }

  #findOpen(): Map<string, Stream> {
    const open = this.#streams.filter(({ key }) => isOpen(this.stateOf(key)));
    return new Map(open.map((stream) => [stream.key, stream]));
  }

  #count(state: StreamState, by: 1 | -1): void {
    this.#counts.set(state, (this.#counts.get(state) ?? 0) + by);
  }
}

function isOpen(state: StreamState): boolean {
  return state === 'waiting' || state === 'running';
}

function firstState({ isDone, impossible }: PlannedStream): StreamState {
  if (isDone) return 'done';
  return impossible === undefined ? 'waiting' : 'failed';
}
