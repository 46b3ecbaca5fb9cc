/** memory-retry EPIC check STREAM: would another attempt be sensible, and with what? */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { MIB } from '../../units.ts';
import { readLastAttempt, type LastAttempt } from './last-attempt.ts';

/** Exit 0 where it would, 30 where not. */
export async function run(call: Call): Promise<Answer> {
  return retryAnswer(await readLastAttempt(call), []);
}

/** The decision in the forms of an answer. */
export function retryAnswer(last: LastAttempt, more: Answer['lines']): Answer {
  const { attempt, decision, failures, finding, key } = last;
  const isRetry = decision.decision === 'retry';
  const mb = (bytes: number | undefined): number | undefined => bytes && Math.round(bytes / MIB);
  const needs: Answer['lines'] = isRetry
    ? [
        ['next_attempt', attempt + 1],
        ['estimate_mb', mb(decision.estimateBytes)],
        ['limit_mb', mb(decision.limitBytes)],
        ['heap_mb', decision.heapMb],
        ['alone', decision.alone],
        ['at_most_concurrent', decision.atMostConcurrent],
        ['after_seconds', Math.round(decision.afterMs / 100) / 10],
      ]
    : [];
  return {
    exitCode: isRetry ? EXIT.ok : EXIT.critical,
    json: { key, attempt, ...finding, failures, next: decision },
    lines: [
      ['stream', key],
      ['attempt', attempt],
      ['cause', finding.cause],
      ['confidence', finding.confidence],
      ...finding.evidence.map((line) => ['evidence', line] as const),
      ['memory_failures', failures.memory],
      ['crash_failures', failures.crash],
      ['timeout_failures', failures.timeout],
      ['decision', decision.decision],
      ['reason', decision.reason],
      ...needs,
      ...more,
    ],
    table: () =>
      `${key}, attempt ${attempt}: ${finding.cause} (${finding.confidence})\n  ${finding.evidence.join('\n  ')}\n${decision.decision}: ${decision.reason}`,
    talk: last.context.warnings,
  };
}
