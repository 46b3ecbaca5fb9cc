/** How does one guarded command come into the history? Its measured use and the end that we judged, in one line. */
import { Failure } from '../failure.ts';
import type { Cause } from '../model.ts';
import { pastAttempt } from '../policy/past-attempt.ts';
import { averageBytes, type UseSoFar } from '../policy/peak.ts';
import { toolName } from '../policy/tool-name.ts';
import { appendHistory, tidyHistory } from '../state/history.ts';
import type { Context } from './context.ts';
import { thisMachine } from './past.ts';

/** Appends its record. A history that cannot be written is told, and changes nothing of the command's own end. */
export function recordAttempt(
  context: Context,
  facts: {
    readonly words: readonly string[];
    /** undefined: it is of its tool's kind. */
    readonly kind: string | undefined;
    readonly cause: Cause;
    readonly estimateBytes: number | undefined;
    readonly limitBytes: number | undefined;
    readonly heapMb: number | undefined;
    readonly use: UseSoFar;
    readonly startedMs: number;
    readonly endedMs: number;
  },
  say: (text: string) => void,
): void {
  const { kind, use, words, ...ended } = facts;
  const tool = toolName(words);
  const attempt = pastAttempt({
    ...ended,
    key: `command/${tool}`,
    kind: kind ?? tool,
    tool,
    peakBytes: use.peakBytes,
    peakKind: use.peakKind,
    averageBytes: averageBytes(use),
    peakAfterMs: use.peakAtMs === undefined ? undefined : use.peakAtMs - facts.startedMs,
    profile: use.profile,
    machine: thisMachine(),
  });
  if (attempt === undefined) return;
  try {
    appendHistory(context.stateDir(), [attempt]);
    tidyHistory(context.stateDir(), context.liveness());
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`history: ${error.message}`);
  }
}
