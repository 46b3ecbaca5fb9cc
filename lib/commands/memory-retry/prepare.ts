/** memory-retry EPIC prepare STREAM: writes down what the next attempt gets, for `execute` or for a caller's own start. */
import { join } from 'node:path';
import { readText, replaceFile, removeFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import type { RetryDecision } from '../../policy/retry.ts';
import type { EpicPaths } from '../../state/paths.ts';
import { retryAnswer } from './check.ts';
import { readLastAttempt, type LastAttempt } from './last-attempt.ts';

const VERSION = 1;

export type NextAttempt = Extract<RetryDecision, { decision: 'retry' }>;

/** Exit 0 with the needs written, 30 where no further attempt is sensible (an earlier preparation is removed then). */
export async function run(call: Call): Promise<Answer> {
  const last = await readLastAttempt(call);
  const path = nextPath(last.paths, last.key);
  if (last.decision.decision === 'give-up') {
    removeFile(path);
    return retryAnswer(last, []);
  }
  const document = { version: VERSION, key: last.key, attempt: last.attempt + 1, ...last.decision };
  replaceFile(path, `${JSON.stringify(document, undefined, 2)}\n`);
  return retryAnswer(last, [['prepared', path]]);
}

/** What was prepared for the attempt after this one; a preparation for an earlier one, or one that cannot be read, is none. */
export function readPrepared({ attempt, key, paths }: LastAttempt): NextAttempt | undefined {
  const text = readText(nextPath(paths, key));
  if (text === undefined) return undefined;
  try {
    const document = JSON.parse(text) as Partial<NextAttempt> & { version?: unknown; attempt?: unknown };
    const { afterMs, alone, atMostConcurrent, estimateBytes, heapMb, limitBytes, reason } = document;
    if (document.version !== VERSION || document.attempt !== attempt + 1) return undefined;
    if (typeof estimateBytes !== 'number' || typeof alone !== 'boolean' || typeof afterMs !== 'number')
      return undefined;
    return {
      decision: 'retry',
      afterMs,
      alone,
      atMostConcurrent,
      estimateBytes,
      heapMb,
      limitBytes,
      reason: reason ?? '',
    };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function nextPath(paths: EpicPaths, key: string): string {
  return join(paths.streamDir(key), 'next.json');
}
