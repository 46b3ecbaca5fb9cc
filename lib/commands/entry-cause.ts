/** Why did an attempt end that only the joblog still tells of, and how often did its stream fail since it was last done? */
import type { AttemptResult, Cause } from '../model.ts';
import { classifyEnd, type EndEvidence } from '../policy/cause.ts';
import { addFailure, NO_FAILURES, type Failures } from '../policy/retry.ts';
import type { LastTry } from '../policy/resume-needs.ts';
import type { JoblogEntry } from '../state/joblog.ts';

/** What the joblog's line alone tells. */
export function evidenceOf(entry: JoblogEntry, result?: AttemptResult): EndEvidence {
  const reason = entry.reason ?? 'no reason was recorded';
  const kinds = {
    'killed-limit': 'limit',
    'killed-machine': 'machine',
    'killed-user': 'user',
    'timed-out': 'timeout',
    stopped: 'interrupt',
  } as const;
  const outcome = entry.outcome ?? 'failed';
  const kind = outcome in kinds ? kinds[outcome as keyof typeof kinds] : undefined;
  return {
    // GNU parallel writes a signal beside exit code 0.
    exitCode: entry.signal > 0 ? 128 + entry.signal : entry.exitval < 0 ? undefined : entry.exitval,
    ...(result?.signal === undefined ? {} : { signal: result.signal, exitCode: undefined }),
    ourAbort: kind && { kind, reason },
    kernelKills: outcome === 'killed-kernel' ? { before: 0, after: 1 } : undefined,
    startError:
      outcome === 'not-started' || outcome === 'refused'
        ? (/\bENOMEM\b/.exec(reason)?.[0] ?? reason)
        : undefined,
    durationMs: entry.runtimeMs,
  };
}

/** The cause of a line: the recorded one, else what the line tells. */
export function causeOfEntry(entry: JoblogEntry): Cause {
  return entry.cause ?? classifyEnd(evidenceOf(entry)).cause;
}

/** Failures by family since the stream was last done; the causes of all its attempts, oldest first. */
export function failuresOf(causes: readonly Cause[]): Failures {
  return causes.reduce(addFailure, NO_FAILURES);
}

/** The lines of each stream, oldest first; lines without a key are left out. */
export function entriesByKey(entries: readonly JoblogEntry[]): Map<string, JoblogEntry[]> {
  const byKey = new Map<string, JoblogEntry[]>();
  for (const entry of entries) {
    if (entry.key === undefined) continue;
    const own = byKey.get(entry.key);
    if (own) own.push(entry);
    else byKey.set(entry.key, [entry]);
  }
  return byKey;
}

/** How the last attempt of a stream went, from its lines, oldest first; undefined where there is none that a line tells enough of. */
export function lastTryOf(own: readonly JoblogEntry[]): LastTry | undefined {
  const last = own.at(-1);
  const causes = own.map(causeOfEntry);
  const cause = causes.at(-1);
  if (last?.estimateBytes === undefined || cause === undefined) return undefined;
  const { estimateBytes, heapMb, limitBytes, peakBytes } = last;
  return { cause, failures: failuresOf(causes), needs: { estimateBytes, limitBytes, heapMb }, peakBytes };
}

/** Failures of each stream since it was last done. */
export function failuresByKey(entries: readonly JoblogEntry[]): Map<string, Failures> {
  return new Map([...entriesByKey(entries)].map(([key, own]) => [key, failuresOf(own.map(causeOfEntry))]));
}
