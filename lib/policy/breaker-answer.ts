/** May something start, as far as the circuit breaker goes; if not, why, and when shall the caller ask again? */
import type { BreakerHold, BreakerPhase, BreakerState } from '../model.ts';
import { formatBytes, formatDuration } from '../units.ts';
import type { AdmissionDecision, AdmissionMemory } from './admission.ts';
import type { BreakerRules } from './breaker.ts';
import { judgeCapacity, type CapacityFacts } from './capacity.ts';

export type BreakerAnswer =
  | {
      readonly allowed: true;
      /** This start is the one by which a half-open breaker finds out; its end must be reported. */
      readonly probe: boolean;
      readonly state: BreakerPhase;
    }
  | {
      readonly allowed: false;
      readonly state: BreakerPhase;
      readonly reason: string;
      readonly retryAfterMs: number;
    };

export type BreakerRefusal = Extract<BreakerAnswer, { allowed: false }>;

/** Nobody can tell when a probe ends, or when somebody closes what they opened. */
const RETRY_MS = { probe: 5000, hold: 60_000 } as const;

/** What people are shown: opened by hand is open, whatever goes on below. */
export function shownPhase(state: BreakerState): BreakerPhase {
  return state.hold === undefined ? state.phase : 'open';
}

/** The answer of a settled state to the asker with this id (undefined: nobody yet, who would be given a free place). */
export function judgeBreaker(state: BreakerState, nowMs: number, id: string | undefined): BreakerAnswer {
  const { hold, phase, probe } = state;
  if (hold !== undefined) {
    const leftMs = hold.untilMs === undefined ? undefined : hold.untilMs - nowMs;
    return refusal('open', heldReason(hold, nowMs, leftMs), leftMs ?? RETRY_MS.hold);
  }
  if (phase === 'closed') return { allowed: true, probe: false, state: phase };
  if (phase === 'open') {
    const leftMs = state.sinceMs + state.openMs - nowMs;
    const why = state.reason === undefined ? '' : `: ${state.reason}`;
    return refusal(phase, `the circuit breaker is open for another ${formatDuration(leftMs)}${why}`, leftMs);
  }
  if (probe === undefined || probe.id === id) return { allowed: true, probe: true, state: phase };
  const who = probe.owner === undefined ? probe.id : `${probe.id}, pid ${probe.owner.pid}`;
  const reason = `the circuit breaker is half-open: one probe (${who}) is trying it for everybody`;
  return refusal(phase, reason, Math.min(RETRY_MS.probe, probe.untilMs - nowMs));
}

/** The words for a machine below the breaker's floor; undefined: it is not. */
export function lowMemoryReason(availableBytes: number, rules: BreakerRules): string | undefined {
  if (availableBytes >= rules.availableBytes) return undefined;
  return `only ${formatBytes(availableBytes)} available, under ${formatBytes(rules.availableBytes)} (circuit_breaker.available_mb)`;
}

/** The admission that a breaker refuses, in the form of any other. */
export function heldByBreaker(
  facts: CapacityFacts & { readonly memoryOf: AdmissionMemory },
  { reason, retryAfterMs }: BreakerRefusal,
): AdmissionDecision {
  const { mode, liveAgents, maxConcurrent } = judgeCapacity({ ...facts, modeBefore: facts.memoryOf.mode });
  const { holdSinceMs, lastMemoryEventMs } = facts.memoryOf;
  return {
    decision: 'wait',
    reason,
    mode,
    liveAgents,
    maxConcurrent,
    wouldFitBytes: 0,
    memory: { holdSinceMs, lastMemoryEventMs, mode },
    binding: 'breaker',
    shortByBytes: undefined,
    retryAfterMs,
  };
}

function heldReason({ by, reason, sinceMs }: BreakerHold, nowMs: number, leftMs: number | undefined): string {
  const until = leftMs === undefined ? 'until it is closed' : `for another ${formatDuration(leftMs)}`;
  const why = reason === undefined ? '' : `: ${reason}`;
  return `the circuit breaker was opened by ${by} ${formatDuration(Math.max(0, nowMs - sinceMs))} ago, ${until}${why}`;
}

function refusal(state: BreakerPhase, reason: string, leftMs: number): BreakerRefusal {
  return { allowed: false, state, reason, retryAfterMs: Math.max(1, Math.ceil(leftMs)) };
}
