/** How did the last attempt at a stream end, and what would the next one get? Joblog, result, and the end of stderr. */
import { EXIT, Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { classifyEnd, type Finding } from '../../policy/cause.ts';
import { counts } from '../../policy/charge.ts';
import { TAIL_CHARS } from '../../policy/death-texts.ts';
import { decideRetry, type Failures, type RetryDecision } from '../../policy/retry.ts';
import { readTail } from '../../probe/log-tail.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { attemptPaths, readResult } from '../../state/attempts.ts';
import { readJoblog, type JoblogEntry } from '../../state/joblog.ts';
import { projectPaths, type EpicPaths } from '../../state/paths.ts';
import { openContext, type Context } from '../context.ts';
import { causeOfEntry, evidenceOf, failuresOf } from '../entry-cause.ts';
import { findAgent } from '../coordination-memory/find-agent.ts';
import { checkLeases } from '../leases.ts';
import { mostEver } from './reserve.ts';

export interface LastAttempt {
  readonly context: Context;
  readonly paths: EpicPaths;
  readonly key: string;
  readonly entry: JoblogEntry;
  /** Its number, the real one. */
  readonly attempt: number;
  readonly finding: Finding;
  readonly failures: Failures;
  readonly decision: RetryDecision;
}

/** @throws Failure (2) for an unknown stream or one without an attempt, (75) while it runs. */
export async function readLastAttempt(call: Call): Promise<LastAttempt> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const { key, leases } = await findAgent(call, context, paths);
  const live = checkLeases(leases, context.liveness().isAlive, context.nowMs, () => readProcessTable());
  if (live.some(({ life }) => counts(life))) throw new Failure(`${key} is running now`, EXIT.later);

  const { entries } = readJoblog(paths.joblogPath);
  const own = entries.filter((entry) => entry.key === key);
  const entry = own.at(-1);
  if (entry === undefined) throw new Failure(`${key} was never tried: ${paths.joblogPath} has no line of it`);
  const finding = findCause(call, context, paths, key, entry);
  const failures = failuresOf([...own.slice(0, -1).map(causeOfEntry), finding.cause]);
  const atOnce = runningAt(entries, entry);
  const { estimateBytes, limitBytes, heapMb, peakBytes } = entry;
  const decision = decideRetry({
    cause: finding.cause,
    failures,
    needs: { estimateBytes: estimateBytes ?? context.settings.memoryPerAgentBytes, limitBytes, heapMb },
    peakBytes,
    mostBytes: mostEver(context, context.memory),
    atOnce,
    wasAlone: atOnce === 1,
    mustBeAlone: false,
    settings: context.settings.retry,
    retryOnMemoryLimit: context.settings.retryOnMemoryLimit,
    random: Math.random(),
  });
  return { context, paths, key, entry, attempt: entry.attempt ?? own.length, finding, failures, decision };
}

/** The cause that was judged when it ended; else from what is left of it. */
function findCause(call: Call, context: Context, paths: EpicPaths, key: string, entry: JoblogEntry): Finding {
  const files = attemptPaths(paths.streamDir(key));
  const result = readResult(files.result, context.nowMs, call.err);
  // The folder holds the newest attempt, which may be one that was killed before it was recorded.
  const isSame = result !== undefined && result.attempt === entry.attempt;
  const stderrTail = isSame ? readTail(files.stderr, TAIL_CHARS) : undefined;
  const judged = classifyEnd({ ...evidenceOf(entry, isSame ? result : undefined), stderrTail });
  const known = result?.cause ?? entry.cause;
  if (known === undefined || known === judged.cause) return judged;
  return {
    cause: known,
    evidence: [`judged when it ended: ${entry.reason ?? known}`],
    confidence: 'certain',
  };
}

/** Attempts of the epic that ran when this one ended, itself included. */
function runningAt(entries: readonly JoblogEntry[], { startedMs, runtimeMs }: JoblogEntry): number {
  const endedMs = startedMs + runtimeMs;
  const others = entries.filter(
    (other) => other.startedMs < endedMs && other.startedMs + other.runtimeMs >= endedMs,
  );
  return Math.max(1, others.length);
}
