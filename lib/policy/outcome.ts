/** How did this attempt end, and why? From evidence only: our own records first, then exit code and signal, then the kernel's counter. */
import type { Outcome } from '../model.ts';

export interface EndFacts {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** We stopped it, for this reason. */
  readonly stoppedByUs: { readonly outcome: Outcome; readonly reason: string } | undefined;
  /** Somebody asked for its end by `kill`. */
  readonly stopRequest: string | undefined;
  /** Processes of it that the kernel killed at its own ceiling; undefined where it has none. */
  readonly ceilingKills: number | undefined;
  /** Whether the kernel's count of out-of-memory kills rose while it ran; undefined where it cannot be read. */
  readonly kernelKillsRose: boolean | undefined;
}

/** The outcome, with one sentence for people. */
export function judgeOutcome(end: EndFacts): { readonly outcome: Outcome; readonly reason: string } {
  if (end.stoppedByUs) return end.stoppedByUs;
  // Also with exit 0: a good citizen ends so under TERM, and its work is not done.
  if (end.stopRequest !== undefined) return { outcome: 'killed-user', reason: end.stopRequest };
  if (end.exitCode === 0) return { outcome: 'done', reason: 'exit 0' };
  if (end.signal === 'SIGKILL' || end.exitCode === 137) {
    if (end.ceilingKills !== undefined && end.ceilingKills > 0) {
      return { outcome: 'killed-kernel', reason: 'killed by the kernel at the ceiling of its own group' };
    }
    if (end.kernelKillsRose === true) {
      return {
        outcome: 'killed-kernel',
        reason: "killed while the kernel's count of out-of-memory kills rose (probable)",
      };
    }
    return { outcome: 'failed', reason: 'killed by SIGKILL, cause unknown' };
  }
  return {
    outcome: 'failed',
    reason: end.signal === undefined ? `exit ${end.exitCode ?? 'unknown'}` : `ended by ${end.signal}`,
  };
}
