/** What is the result of an attempt that ended, or that could not be started? Its figures, and its end judged by what it left. */
import { basename } from 'node:path';
import { errorCode, type Failure } from '../failure.ts';
import type { AttemptResult, Outcome } from '../model.ts';
import { judgeAgentResult, saysHowItEnded } from '../policy/agent-result.ts';
import { classifyEnd } from '../policy/cause.ts';
import { TAIL_CHARS } from '../policy/death-texts.ts';
import { judgeOutcome } from '../policy/outcome.ts';
import { readTail } from '../probe/log-tail.ts';
import type { AttemptEnd, AttemptSpec, AttemptView } from './engine.ts';

/** A result holds the agent's whole last answer: it must fit in, or its line cannot be read. */
const RESULT_CHARS = 1024 * 1024;

/** What is known of an attempt beside how its process ended. */
export interface EndedAttempt {
  readonly spec: AttemptSpec;
  readonly kernelKillsBefore: number | undefined;
  readonly stoppedByUs:
    { readonly outcome: Outcome; readonly reason: string; readonly isOverbooked?: boolean } | undefined;
  /** Why a tool of it was ended at the limit; undefined: none was. */
  readonly toolStopped: string | undefined;
}

/** What the world tells; each is asked only where the end needs it. */
export interface EndWorld {
  readonly stopRequest: (key: string) => string | undefined;
  readonly readKernelKills: () => number | undefined;
  readonly machineWasShort: () => boolean;
}

/** The result of an attempt whose main process has ended; its logs must be where they were written. */
export function resultOfEnd(
  { spec, kernelKillsBefore, stoppedByUs, toolStopped }: EndedAttempt,
  view: AttemptView,
  { atMs, ceilingKills, ceilingReached, exitCode, signal }: AttemptEnd,
  world: EndWorld,
): AttemptResult {
  // One that ended well costs no look at anything.
  const isOpen = stoppedByUs === undefined && !(exitCode === 0 && signal === undefined);
  const isKill = isOpen && (signal === 'SIGKILL' || exitCode === 137);
  const judged = judgeOutcome({
    exitCode,
    signal,
    stoppedByUs,
    toolStopped,
    ceilingKills,
    ceilingReached,
    stopRequest: world.stopRequest(spec.key),
    kernelKills: isKill ? { before: kernelKillsBefore, after: world.readKernelKills() } : undefined,
    machineWasShort: isKill && world.machineWasShort(),
    stderrTail: isOpen ? readTail(spec.stderrPath, TAIL_CHARS) : undefined,
    durationMs: atMs - view.startedMs,
  });
  const said = judged.outcome === 'done' ? verdictOf(spec) : undefined;
  const { outcome, reason, cause } = said === undefined ? judged : { ...judged, ...said };
  return {
    key: spec.key,
    attempt: spec.attempt,
    outcome,
    exitCode,
    signal,
    startedMs: view.startedMs,
    endedMs: atMs,
    estimateBytes: spec.estimateBytes,
    limitBytes: spec.limitBytes,
    heapMb: spec.heapMb,
    peakBytes: view.peakBytes,
    peakKind: view.peakKind,
    averageBytes: view.averageBytes,
    samples: view.samples,
    reason,
    cause,
    isOverbooked: stoppedByUs?.isOverbooked,
  };
}

/** What an agent that exited 0 says of itself in its last words; undefined: nothing against it, or it is none that we know. */
function verdictOf({
  command,
  stdoutPath,
}: AttemptSpec): Pick<AttemptResult, 'outcome' | 'reason' | 'cause'> | undefined {
  const program = basename(typeof command === 'string' ? '' : (command[0] ?? ''));
  if (!saysHowItEnded(program)) return undefined;
  const verdict = judgeAgentResult(program, readTail(stdoutPath, RESULT_CHARS) ?? '');
  return verdict?.succeeded === false
    ? { outcome: 'failed', reason: `exit 0, but ${verdict.reason}`, cause: 'failed' }
    : undefined;
}

/** The result of an attempt that could not be started. */
export function resultOfNoStart(spec: AttemptSpec, failure: Failure, nowMs: number): AttemptResult {
  const startError = errorCode(failure.cause) ?? failure.message;
  return {
    key: spec.key,
    attempt: spec.attempt,
    outcome: 'not-started',
    exitCode: 127,
    signal: undefined,
    startedMs: nowMs,
    endedMs: nowMs,
    estimateBytes: spec.estimateBytes,
    limitBytes: spec.limitBytes,
    heapMb: spec.heapMb,
    peakBytes: undefined,
    peakKind: undefined,
    averageBytes: undefined,
    samples: 0,
    reason: failure.message,
    cause: classifyEnd({ startError }).cause,
  };
}
