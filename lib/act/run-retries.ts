/** Which streams of a run are tried again after a failure, with what, when, beside how many others; and why not, where not? */
import type { AttemptResult, Cause } from '../model.ts';
import type { PlannedStream, RunEvent } from '../run-model.ts';
import type { Settings } from '../settings-model.ts';
import { familyOf } from '../policy/cause.ts';
import { addFailure, decideRetry, NO_FAILURES, type Failures } from '../policy/retry.ts';

export interface RetriesWorld {
  readonly settings: Settings;
  /** The largest share that one agent can ever get here, bytes. */
  readonly mostForOne: () => number;
  /** Failures of earlier runs that this one goes on from, by key. */
  readonly failedBefore: ReadonlyMap<string, Failures>;
}

/** What follows from an attempt that was not done. */
export interface Verdict {
  /** The result; where there is no further attempt although its family could have one, its reason says why. */
  readonly result: AttemptResult;
  /** The stream with what its next attempt gets; undefined: it is given up. */
  readonly next: PlannedStream | undefined;
  /** Not before this instant; 0 where it is given up. */
  readonly notBeforeMs: number;
  readonly event: RunEvent | undefined;
}

/** The counters of one run. */
export class RunRetries {
  readonly #world: RetriesWorld;
  readonly #failures: Map<string, Failures>;
  /** At most so many at once, for the sake of these streams, until they are done or given up. */
  readonly #narrowed = new Map<string, number>();

  constructor(world: RetriesWorld) {
    this.#world = world;
    this.#failures = new Map(world.failedBefore);
  }

  /** At most so many agents of this run at once. */
  get atMost(): number {
    return this.#narrowed.size === 0 ? Infinity : Math.min(...this.#narrowed.values());
  }

  /** A stream is done, or nothing more is to be tried: it holds nobody back any more. */
  forget(key: string): void {
    this.#narrowed.delete(key);
  }

  /** Judges an attempt that was not done; `atOnce` agents of this run ran when it ended, itself included. */
  judge(planned: PlannedStream, result: AttemptResult, atOnce: number, nowMs: number): Verdict {
    const { mostForOne, settings } = this.#world;
    const { key } = planned.stream;
    const cause: Cause = result.cause ?? 'failed';
    if (result.isOverbooked === true && settings.retryOnMemoryLimit) return again(planned, result, nowMs);
    const failures = addFailure(this.#failures.get(key) ?? NO_FAILURES, cause);
    this.#failures.set(key, failures);
    const isAlone = planned.alone === true;
    const decision = decideRetry({
      cause,
      failures,
      // What was asked for, not the whole room that one alone is charged; a limit may have been cut to what there was.
      needs: {
        estimateBytes: planned.estimateBytes,
        limitBytes: result.limitBytes,
        heapMb: result.heapMb,
      },
      peakBytes: result.peakBytes,
      mostBytes: mostForOne(),
      atOnce,
      wasAlone: isAlone,
      mustBeAlone: isAlone,
      settings: settings.retry,
      retryOnMemoryLimit: settings.retryOnMemoryLimit,
      random: Math.random(),
    });
    if (decision.decision === 'give-up') {
      this.forget(key);
      const reason =
        familyOf(cause) === undefined
          ? result.reason
          : `${result.reason}; no further attempt: ${decision.reason}`;
      return { result: { ...result, reason }, next: undefined, notBeforeMs: 0, event: undefined };
    }
    const { afterMs, alone, atMostConcurrent, estimateBytes, heapMb, limitBytes, reason } = decision;
    if (atMostConcurrent !== undefined) this.#narrowed.set(key, atMostConcurrent);
    const needs = { estimateBytes, limitBytes, heapMb, alone };
    return {
      result,
      next: { ...planned, ...needs, estimateFrom: 'retry' },
      notBeforeMs: nowMs + afterMs,
      event: {
        atMs: nowMs,
        event: 'retry',
        key,
        attempt: result.attempt + 1,
        cause,
        afterMs,
        ...needs,
        atMostConcurrent,
        reason,
      },
    };
  }
}

/** It had a forecast that was too low, and now a larger one; nothing else was wrong, so that it counts as no failure. */
function again(planned: PlannedStream, result: AttemptResult, nowMs: number): Verdict {
  const { attempt, heapMb, key, peakBytes } = result;
  const { limitBytes } = planned;
  const estimateBytes = Math.min(Math.max(planned.estimateBytes, peakBytes ?? 0), limitBytes ?? Infinity);
  const next = { ...planned, estimateBytes, estimateFrom: 'retry' as const };
  return {
    result,
    next,
    notBeforeMs: nowMs,
    event: {
      atMs: nowMs,
      event: 'retry',
      key,
      attempt: attempt + 1,
      cause: 'our-machine',
      afterMs: 0,
      ...{ estimateBytes, limitBytes, heapMb },
      alone: false,
      atMostConcurrent: undefined,
      reason: 'more was started than fits: again when there is room for it',
    },
  };
}
