/** Would an agent be let in now, for one who only asks? Breaker, admission and number in one answer. */
import { formatBytes } from '../units.ts';
import { decideAdmission, type AdmissionMemory, type PressureHold } from './admission.ts';
import type { BreakerAnswer } from './breaker-answer.ts';
import { judgeCapacity, spawnCapacity, type CapacityFacts } from './capacity.ts';

export interface Preflight {
  readonly allowed: boolean;
  /** Why not, or with which reservation; undefined: there is nothing to say. */
  readonly reason: string | undefined;
  /** How many of this size fit now. */
  readonly spawnCapacity: number;
  /** The limit that it would get, where that is smaller than asked for (single-agent mode). */
  readonly limitBytes: number | undefined;
  /** When to ask again; undefined where it is allowed, or will never be. */
  readonly retryAfterMs: number | undefined;
}

/** `count` agents of `bytes` each; the same rules by which a run and `spawn` decide. */
export function judgePreflight(
  facts: Omit<CapacityFacts, 'budget'> & {
    readonly breaker: BreakerAnswer;
    readonly memoryOf: AdmissionMemory & PressureHold;
    readonly nowMs: number;
    readonly bytes: number;
    readonly count: number;
  },
): Preflight {
  const { breaker, bytes, count } = facts;
  const world = { ...facts, budget: undefined };
  const fits = spawnCapacity(judgeCapacity(world), bytes);
  const no = (reason: string, retryAfterMs?: number): Preflight => ({
    allowed: false,
    reason,
    spawnCapacity: fits,
    limitBytes: undefined,
    retryAfterMs,
  });
  if (!breaker.allowed) return no(breaker.reason, breaker.retryAfterMs);
  const decision = decideAdmission(world, {
    estimateBytes: bytes,
    limitBytes: undefined,
    estimateIsStated: true,
  });
  if (decision.decision === 'refuse') return no(decision.reason);
  if (decision.decision === 'wait') return no(decision.reason, decision.retryAfterMs);
  if (count > Math.max(1, fits))
    return no(`${fits} of ${count} agents of ${formatBytes(bytes)} fit now`, FEWER_MS);
  const { warning: reason, limitBytes } = decision;
  return { allowed: true, reason, spawnCapacity: fits, limitBytes, retryAfterMs: undefined };
}

/** As long as one that waits for memory. */
const FEWER_MS = 5000;
