/** Is another attempt worth it after this end; when, with how much memory, and beside how many others? */
import type { Cause } from '../model.ts';
import type { RetrySettings } from '../settings-model.ts';
import { MIB, formatBytes } from '../units.ts';
import { familyOf, type Family } from './cause.ts';
import { LIMIT_PER_HEAP } from './heap.ts';

/** What an attempt was given, or shall be given. */
export interface AttemptNeeds {
  readonly estimateBytes: number;
  /** undefined: nothing stops it. */
  readonly limitBytes: number | undefined;
  /** undefined: no heap flag is set. */
  readonly heapMb: number | undefined;
}

/** How many attempts of a stream ended in each family, the last one included. */
export type Failures = Readonly<Record<Family, number>>;

export const NO_FAILURES: Failures = { memory: 0, crash: 0, timeout: 0 };

/** The counters after one more end: success begins anew, ends that no family owns count nowhere. */
export function addFailure(failures: Failures, cause: Cause): Failures {
  if (cause === 'success') return NO_FAILURES;
  const family = familyOf(cause);
  return family === undefined ? failures : { ...failures, [family]: failures[family] + 1 };
}

export interface RetryFacts {
  readonly cause: Cause;
  readonly failures: Failures;
  readonly needs: AttemptNeeds;
  /** The largest that it was seen; undefined where it was not measured. */
  readonly peakBytes: number | undefined;
  /** The largest share that one agent can ever get on this machine. */
  readonly mostBytes: number;
  /** Agents that ran when it ended, itself included; undefined: unknown. */
  readonly atOnce: number | undefined;
  /** Nothing else of ours ran beside it. */
  readonly wasAlone: boolean;
  /** An earlier decision let it start only alone, which holds for every further attempt. */
  readonly mustBeAlone: boolean;
  readonly settings: RetrySettings;
  /** memory_management.retry_on_memory_limit */
  readonly retryOnMemoryLimit: boolean;
  /** From 0 up to 1, drawn by the caller. */
  readonly random: number;
}

export type RetryDecision =
  | (AttemptNeeds & {
      readonly decision: 'retry';
      /** Wait this long, then for the reservation. */
      readonly afterMs: number;
      /** Only while nothing else of ours runs. */
      readonly alone: boolean;
      /** At most so many agents at once from now on, this one included; undefined: as before. */
      readonly atMostConcurrent: number | undefined;
      readonly reason: string;
    })
  | { readonly decision: 'give-up'; readonly reason: string };

/** A reservation after the peak that was seen: the peak of an attempt that was stopped is not yet all that it needs. */
const OVER_PEAK = 1.2;
const HEAP_GROWTH = 2;
/** No heap is halved below this: below it programs fail for certain. */
const LEAST_HEAP_MB = 256;
/** The smallest share with which anything is worth starting: the least heap that V8 starts on. */
const LEAST_BYTES = 64 * MIB * LIMIT_PER_HEAP;

/** What changes for the next attempt, and why; undefined: nothing could be changed for the better. */
interface Change extends AttemptNeeds {
  readonly fewer: boolean;
  readonly why: string;
}

/**
 * Decides after an end. Finite: each family has its own limit of attempts. Never asks for more than `mostBytes`; only a
 * cause of the memory family changes what is asked for.
 */
export function decideRetry(facts: RetryFacts): RetryDecision {
  const { cause, failures, settings, mostBytes } = facts;
  const family = familyOf(cause);
  if (family === undefined) return giveUp(NEVER[cause] ?? cause);
  const allowed = {
    memory: settings.memoryAttempts,
    crash: settings.crashAttempts,
    timeout: settings.timeoutAttempts,
  }[family];
  if (family === 'memory' && !facts.retryOnMemoryLimit)
    return giveUp(`${CAUSE_WORDS[cause]}; memory_management.retry_on_memory_limit is false`);
  if (failures[family] > allowed)
    return giveUp(
      `${CAUSE_WORDS[cause]}; ${allowed === 0 ? 'no further attempt is' : `the ${allowed} further ${allowed === 1 ? 'attempt is' : 'attempts are'} used up and no more are`} allowed (retry.${family}_attempts)`,
    );
  if (mostBytes < LEAST_BYTES)
    return giveUp(
      `${CAUSE_WORDS[cause]}; this machine can give an agent ${formatBytes(Math.max(0, mostBytes))} at most`,
    );

  const change =
    family === 'memory' ? changeFor(facts) : { ...facts.needs, fewer: false, why: CAUSE_WORDS[cause] };
  return place(facts, family, change);
}

/** Clamps what is asked for to the machine, and decides beside how many others it runs. */
function place(facts: RetryFacts, family: Family, change: Change): RetryDecision {
  const { atOnce, cause, mostBytes, mustBeAlone, needs, wasAlone } = facts;
  const next = withinMost(change, mostBytes);
  const isMemory = family === 'memory';
  const most = isMemory && change.fewer && atOnce !== undefined ? Math.floor(atOnce / 2) : undefined;
  const hasLess = (next.heapMb ?? 0) < (needs.heapMb ?? 0) || (most ?? 0) > 1;
  const atCap = isMemory && !(isMore(next, needs, cause) || (change.fewer && hasLess));
  if (atCap && wasAlone)
    return giveUp(
      `${CAUSE_WORDS[cause]} although it ran alone with ${shownNeeds(withinMost(needs, mostBytes))}, and this machine can give an agent no more than ${formatBytes(mostBytes)}`,
    );
  // Half of one is one: whoever was the only agent, or one of two or three, runs alone the next time.
  const alone =
    mustBeAlone ||
    atCap ||
    (most !== undefined && most <= 1) ||
    (isMemory && next.estimateBytes >= mostBytes);
  const beside = alone ? ', alone' : most === undefined ? '' : `, at most ${most} agents at once`;
  return {
    decision: 'retry',
    estimateBytes: next.estimateBytes,
    limitBytes: next.limitBytes,
    heapMb: next.heapMb,
    afterMs: backoffMs(facts, family),
    alone,
    atMostConcurrent: alone ? undefined : most,
    reason: `${change.why}: again with ${shownNeeds(next)}${beside}`,
  };
}

/** Exponential, capped, and shortened by up to half by chance so that many that failed together do not come back together. */
function backoffMs({ failures, random, settings }: RetryFacts, family: Family): number {
  const doublings = Math.min(30, Math.max(0, failures[family] - 1));
  const wholeMs = Math.min(settings.backoffCapMs, settings.backoffMs * 2 ** doublings);
  return Math.round(wholeMs * (1 - random / 2));
}

/** The rule of a memory cause under the policy. */
function changeFor(facts: RetryFacts): Change {
  const { cause, settings } = facts;
  const why = CAUSE_WORDS[cause];
  if (settings.policy === 'reduce')
    return { ...facts.needs, heapMb: half(facts.needs.heapMb), fewer: true, why };
  if (cause === 'heap-limit') return { ...largerHeap(facts), fewer: false, why };
  if (cause === 'our-limit' || settings.policy === 'grow') return { ...overPeak(facts), fewer: false, why };
  // The machine had none to give: less at once, and what was really used is reserved.
  const { estimateBytes, limitBytes, heapMb } = facts.needs;
  const usedBytes = Math.max(estimateBytes, facts.peakBytes ?? 0);
  // A failed allocation of its own says nothing against the heap; what lies outside it needs the room.
  const heap = cause === 'allocation' ? heapMb : half(heapMb);
  return {
    estimateBytes: usedBytes,
    limitBytes: limitBytes && Math.max(limitBytes, usedBytes),
    heapMb: heap,
    fewer: true,
    why,
  };
}

/** `8192 -> 4096`, the ancestors' rule. */
function half(heapMb: number | undefined): number | undefined {
  if (heapMb === undefined || heapMb <= LEAST_HEAP_MB) return heapMb;
  return Math.max(LEAST_HEAP_MB, Math.floor(heapMb / 2));
}

/** Its own heap was too small, so a smaller one fails for certain. Twice the heap, and a limit and a reservation that hold it. */
function largerHeap({ needs, peakBytes }: RetryFacts): AttemptNeeds {
  const { estimateBytes, heapMb, limitBytes } = needs;
  if (heapMb === undefined) {
    const bytes = Math.ceil(Math.max(estimateBytes, peakBytes ?? 0) * OVER_PEAK);
    return {
      estimateBytes: bytes,
      limitBytes: limitBytes && Math.max(limitBytes, Math.ceil(bytes * LIMIT_PER_HEAP)),
      heapMb,
    };
  }
  const heap = heapMb * HEAP_GROWTH;
  const holding = Math.ceil(heap * MIB * LIMIT_PER_HEAP);
  const grown = Math.max(estimateBytes * HEAP_GROWTH, (peakBytes ?? 0) * OVER_PEAK);
  return {
    heapMb: heap,
    limitBytes: limitBytes && Math.max(limitBytes, holding),
    estimateBytes: Math.ceil(Math.max(estimateBytes, Math.min(grown, holding))),
  };
}

/** A reservation from the peak that was seen, a limit a quarter above it, and a heap that keeps its part of the limit. */
function overPeak({ needs, peakBytes }: RetryFacts): AttemptNeeds {
  const { estimateBytes, heapMb, limitBytes } = needs;
  const seen = Math.max(peakBytes ?? 0, limitBytes ?? 0, estimateBytes);
  const reserved = Math.ceil(seen * OVER_PEAK);
  if (limitBytes === undefined) return { estimateBytes: reserved, limitBytes, heapMb };
  const limit = Math.ceil(reserved * LIMIT_PER_HEAP);
  return {
    estimateBytes: reserved,
    limitBytes: limit,
    heapMb: heapMb && Math.max(heapMb, Math.floor((heapMb * limit) / limitBytes)),
  };
}

/** Nothing above what the machine can give; the heap leaves room for what a process takes besides. */
function withinMost(needs: AttemptNeeds, mostBytes: number): AttemptNeeds {
  const limitBytes =
    needs.limitBytes === undefined ? undefined : Math.min(needs.limitBytes, Math.floor(mostBytes));
  const mostHeapMb = Math.max(64, Math.floor(mostBytes / MIB / LIMIT_PER_HEAP));
  return {
    estimateBytes: Math.min(needs.estimateBytes, limitBytes ?? Infinity, Math.floor(mostBytes)),
    limitBytes,
    heapMb: needs.heapMb === undefined ? undefined : Math.min(needs.heapMb, mostHeapMb),
  };
}

/** Whether the next attempt gets more of what the last one lacked. */
function isMore(next: AttemptNeeds, last: AttemptNeeds, cause: Cause): boolean {
  if (cause === 'heap-limit' && next.heapMb !== undefined) return next.heapMb > (last.heapMb ?? 0);
  if (cause === 'our-limit') return (next.limitBytes ?? Infinity) > (last.limitBytes ?? 0);
  return next.estimateBytes > last.estimateBytes;
}

function shownNeeds({ estimateBytes, heapMb, limitBytes }: AttemptNeeds): string {
  const parts = [`${formatBytes(estimateBytes)} reserved`];
  if (limitBytes !== undefined) parts.push(`a limit of ${formatBytes(limitBytes)}`);
  if (heapMb !== undefined) parts.push(`a heap of ${heapMb} MB`);
  return parts.length < 3 ? parts.join(' and ') : `${parts.slice(0, 2).join(', ')} and ${parts[2] ?? ''}`;
}

function giveUp(reason: string): RetryDecision {
  return { decision: 'give-up', reason };
}

/** Causes in words. */
export const CAUSE_WORDS: Readonly<Record<Cause, string>> = {
  success: 'it ended well',
  failed: 'it failed by itself',
  crash: 'it crashed',
  'killed-unknown': 'it was killed, cause unknown',
  terminated: 'it was asked to end from outside',
  timeout: 'it took too long',
  'our-limit': 'it grew over its hard limit',
  'our-machine': 'it was stopped because the machine ran out of memory',
  user: 'somebody had it stopped',
  interrupt: 'its run was interrupted',
  'kernel-oom': 'the kernel killed it for want of memory',
  'heap-limit': "it reached its runtime's heap limit",
  allocation: 'the system had no memory for one of its allocations',
  'spawn-memory': 'there was no memory to start a process',
  'bad-node-options': 'Node refused NODE_OPTIONS',
};

/** Why these ends are never tried again. */
const NEVER: Partial<Record<Cause, string>> = {
  success: 'it ended well: nothing to try again',
  failed: 'it failed by itself, with an exit code of its own: the same would come again',
  terminated: 'it was asked to end from outside: somebody wants it so',
  user: 'somebody had it stopped',
  interrupt: 'its run was interrupted: the next run with --resume takes it up',
  'bad-node-options': 'Node refused NODE_OPTIONS: mend it first',
};
