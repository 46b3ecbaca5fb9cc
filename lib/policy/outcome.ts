/** How did this attempt end, and why? From evidence only: our own records first, then what its runtime says, then the kernel's counters. */
import type { Cause, Outcome } from '../model.ts';
import { classifyEnd, type Counted, type EndEvidence, type Finding } from './cause.ts';

export interface EndFacts {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** We stopped it, for this reason. */
  readonly stoppedByUs: { readonly outcome: Outcome; readonly reason: string } | undefined;
  /** We ended a tool that it had started, at its limit, and let the agent go on; why. */
  readonly toolStopped: string | undefined;
  /** Somebody asked for its end by `kill`. */
  readonly stopRequest: string | undefined;
  /**
   * Processes of it that the kernel killed in its own group, undefined where it has none, and whether the group had come to
   * its ceiling (if not, something around it had run out).
   */
  readonly ceilingKills: number | undefined;
  readonly ceilingReached: boolean | undefined;
  /** The machine's count of out-of-memory kills; undefined where it was not read. */
  readonly kernelKills: Counted | undefined;
  /** The machine was short of memory at the last look before the end. */
  readonly machineWasShort: boolean;
  /** The last words of stderr; undefined where nobody needs them. */
  readonly stderrTail: string | undefined;
  readonly durationMs: number | undefined;
}

export interface JudgedEnd {
  readonly outcome: Outcome;
  readonly cause: Cause;
  /** One sentence for people. */
  readonly reason: string;
}

const ABORTS = {
  'killed-limit': 'limit',
  'killed-machine': 'machine',
  'killed-user': 'user',
  'timed-out': 'timeout',
  stopped: 'interrupt',
} as const;

/** The outcome and its cause, with one sentence for people. */
export function judgeOutcome(end: EndFacts): JudgedEnd {
  const { stoppedByUs, stopRequest } = end;
  if (stoppedByUs) {
    const kind = ABORTS[stoppedByUs.outcome as keyof typeof ABORTS];
    const { cause } = classifyEnd({ ourAbort: { kind, reason: stoppedByUs.reason } });
    // A person's wish holds for the next attempt, whatever ended this one.
    if (stopRequest === undefined || cause === 'interrupt') return { ...stoppedByUs, cause };
    return { ...stoppedByUs, cause: 'user', reason: `${stoppedByUs.reason}; ${stopRequest}` };
  }
  // Also with exit 0: a good citizen ends so under TERM, and its work is not done.
  if (stopRequest !== undefined) return { outcome: 'killed-user', cause: 'user', reason: stopRequest };

  const finding = classifyEnd(evidenceOf(end));
  if (end.toolStopped !== undefined && BLIND.has(finding.cause))
    return {
      outcome: 'failed',
      cause: 'our-limit',
      reason: `${shownExit(end)}, after a tool of it was ended at the limit: ${end.toolStopped}`,
    };
  return { outcome: outcomeOf(finding.cause, end), cause: finding.cause, reason: reasonOf(finding, end) };
}

/** Ends that say nothing of memory by themselves. */
const BLIND: ReadonlySet<Cause> = new Set(['failed', 'crash', 'killed-unknown']);

function evidenceOf(end: EndFacts): EndEvidence {
  const { ceilingKills, ceilingReached, exitCode, signal } = end;
  return {
    exitCode,
    signal,
    kernelKills: end.kernelKills,
    machineWasShort: end.machineWasShort,
    stderrTail: end.stderrTail,
    durationMs: end.durationMs,
    cgroup:
      ceilingKills === undefined
        ? undefined
        : {
            name: '(its own)',
            before: 0,
            after: ceilingKills,
            isOwn: true,
            holdsLimit: ceilingReached !== false,
          },
  };
}

function outcomeOf(cause: Cause, end: EndFacts): Outcome {
  if (cause === 'success') return 'done';
  if (cause === 'kernel-oom' || (cause === 'our-limit' && isKill(end))) return 'killed-kernel';
  return 'failed';
}

function reasonOf({ cause, confidence, evidence }: Finding, end: EndFacts): string {
  const [decisive = ''] = evidence;
  switch (cause) {
    case 'success':
      return 'exit 0';
    case 'kernel-oom':
      return `killed by the kernel for want of memory (${confidence}): ${decisive}`;
    case 'our-limit':
      return isKill(end)
        ? 'killed by the kernel at the ceiling of its own group'
        : `${shownExit(end)}; ${decisive}`;
    case 'heap-limit':
    case 'allocation':
    case 'spawn-memory':
    case 'bad-node-options':
      return `${shownExit(end)}; ${decisive}`;
    case 'killed-unknown':
      return 'killed by SIGKILL, cause unknown';
    case 'failed':
    case 'crash':
    case 'terminated':
    case 'timeout':
    // Never found from this evidence: our own record comes first.
    case 'our-machine':
    case 'user':
    case 'interrupt':
      return shownExit(end);
  }
}

function isKill({ exitCode, signal }: EndFacts): boolean {
  return signal === 'SIGKILL' || exitCode === 137;
}

function shownExit({ exitCode, signal }: EndFacts): string {
  return signal === undefined ? `exit ${exitCode ?? 'unknown'}` : `ended by ${signal}`;
}
