/** What does the circuit breaker hear of a run's agents? Each end, by the lease under which it ran. */
import type { AttemptResult } from '../../model.ts';
import { reportMemoryEvent, reportProbe, returnProbe, type BreakerWorld } from '../breaker-gate.ts';

/**
 * Tells the breaker how an attempt ended: the machine ran out, or it ended by itself or at its own limit, which says that
 * the machine bore it; a user's or an unexplained kill says nothing, and a probe's place comes free.
 */
export function tellBreaker(world: BreakerWorld, tag: string | undefined, result: AttemptResult): void {
  const { cause, outcome, reason } = result;
  if (cause === 'kernel-oom' || (cause === 'our-machine' && result.isOverbooked !== true)) {
    reportMemoryEvent(world, `${result.key}: ${reason}`);
    return;
  }
  if (tag === undefined) return;
  const isUnexplained = cause === 'killed-unknown' || cause === 'our-machine';
  const saysNothing = isUnexplained || ['killed-user', 'stopped', 'not-started', 'refused'].includes(outcome);
  if (saysNothing) returnProbe(world, tag);
  else reportProbe(world, tag, true);
}
