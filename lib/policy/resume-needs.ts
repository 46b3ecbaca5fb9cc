/** What does a stream get that earlier runs tried in vain? What its next attempt would have got, or more where it asks for more now. */
import type { Cause } from '../model.ts';
import type { PlannedStream } from '../run-model.ts';
import type { Settings } from '../settings-model.ts';
import { familyOf } from './cause.ts';
import { decideRetry, type AttemptNeeds, type Failures } from './retry.ts';

type Needs = Pick<PlannedStream, 'estimateBytes' | 'limitBytes' | 'heapMb' | 'estimateFrom' | 'alone'>;

/** The last attempt of an earlier run. */
export interface LastTry {
  readonly cause: Cause;
  /** Since the stream was last done, the last one included. */
  readonly failures: Failures;
  readonly needs: AttemptNeeds;
  readonly peakBytes: number | undefined;
}

/**
 * The needs of a resumed stream. One that did not fail for want of memory since it was last done gets what the plan says.
 * How many attempts were made does not count here: a call to resume is the wish for one more.
 */
export function needsOnResume(
  planned: Needs,
  last: LastTry,
  settings: Pick<Settings, 'retry' | 'retryOnMemoryLimit'>,
  mostBytes: number,
): Needs {
  if (last.failures.memory === 0 || !settings.retryOnMemoryLimit) return planned;
  const next = nextOf(last, settings, mostBytes);
  const isLarger = (next.heapMb ?? 0) >= (last.needs.heapMb ?? 0);
  const needs = {
    estimateBytes: Math.max(planned.estimateBytes, next.estimateBytes),
    limitBytes: pick(Math.max, planned.limitBytes, next.limitBytes),
    heapMb: pick(isLarger ? Math.max : Math.min, planned.heapMb, next.heapMb),
  };
  const isSame =
    needs.estimateBytes === planned.estimateBytes &&
    needs.limitBytes === planned.limitBytes &&
    needs.heapMb === planned.heapMb;
  return {
    ...(isSame ? planned : { ...needs, estimateFrom: 'retry' as const }),
    ...(next.alone ? { alone: true } : {}),
  };
}

/** What the next attempt gets; after an end that was not for want of memory, what the last one had. */
function nextOf(
  { cause, failures, needs, peakBytes }: LastTry,
  { retry, retryOnMemoryLimit }: Pick<Settings, 'retry' | 'retryOnMemoryLimit'>,
  mostBytes: number,
): AttemptNeeds & { readonly alone: boolean } {
  if (familyOf(cause) !== 'memory') return { ...needs, alone: false };
  const decision = decideRetry({
    cause,
    failures,
    needs,
    peakBytes,
    mostBytes,
    atOnce: undefined,
    wasAlone: false,
    mustBeAlone: false,
    settings: { ...retry, memoryAttempts: Infinity },
    retryOnMemoryLimit,
    random: 0,
  });
  return decision.decision === 'retry' ? decision : { ...needs, alone: false };
}

function pick(
  choose: (one: number, other: number) => number,
  planned: number | undefined,
  next: number | undefined,
): number | undefined {
  return planned === undefined || next === undefined ? planned : choose(planned, next);
}
