/** What is known of past attempts, for a command: loaded once, and never a reason not to work. */
import { arch, availableParallelism } from 'node:os';
import { Failure } from '../failure.ts';
import { indexHistory, type HistoryIndex } from '../policy/past-index.ts';
import { machineClass } from '../policy/past-attempt.ts';
import { pageBytes } from '../probe/stat.ts';
import { NOTHING_KEPT } from '../state/history-kept.ts';
import { loadHistory, type History } from '../state/history.ts';
import type { Context } from './context.ts';

export interface Past {
  readonly history: History;
  readonly index: HistoryIndex;
  /** For people: what could not be read. */
  readonly notes: readonly string[];
}

/** The class of this machine, as history names it. */
export function thisMachine(): string {
  return machineClass({ architecture: arch(), pageBytes: pageBytes(), cores: availableParallelism() });
}

/** The history of this user, for estimates: what cannot be read is told in a note, and then nothing is known. */
export function openPast(context: Context): Past {
  const none = { ...NOTHING_KEPT, notes: [] };
  const index = (history: History): HistoryIndex =>
    indexHistory(history, { machine: thisMachine(), window: context.settings.feedback.windowAttempts });
  if (context.settings.feedback.estimator === 'fixed')
    return { history: none, index: index(none), notes: [] };
  try {
    const history = loadHistory(context.stateDir(), () => context.liveness());
    return { history, index: index(history), notes: history.notes };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { history: none, index: index(none), notes: [`history is left out: ${error.message}`] };
  }
}
