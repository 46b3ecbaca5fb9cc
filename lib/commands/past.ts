/** What is known of past attempts, for a command: loaded once, and never a reason not to work. */
import { arch, availableParallelism } from 'node:os';
import { Failure } from '../failure.ts';
import { flagText, shownWord, type Call } from '../flags.ts';
import { indexHistory, type HistoryIndex } from '../policy/past-index.ts';
import { machineClass } from '../policy/past-attempt.ts';
import { pageBytes } from '../probe/stat.ts';
import { NOTHING_KEPT, type Kept } from '../state/history-kept.ts';
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

const LABEL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** `--label`. @throws Failure for what is no name. */
export function labelFlag(call: Call): string | undefined {
  const label = flagText(call, 'label');
  if (label !== undefined && !LABEL.test(label))
    throw new Failure(`--label ${shownWord(label)} is no name: 1 to 64 letters, digits, ".", "_" or "-"`);
  return label;
}

/**
 * The history of this user, for estimates: what cannot be read is told in a note, and then nothing is known. What was
 * imported under `label` counts as if it had been measured here.
 */
export function openPast(context: Context, label?: string): Past {
  const none = { ...NOTHING_KEPT, notes: [] };
  const machine = thisMachine();
  const index = (history: History): HistoryIndex =>
    indexHistory(adopt(history, label, machine), {
      machine,
      window: context.settings.feedback.windowAttempts,
    });
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

function adopt(history: History, label: string | undefined, machine: string): Kept {
  if (label === undefined) return history;
  const source = `label ${label}`;
  const own = <T extends { readonly source: string }>(rows: readonly T[]): T[] =>
    rows.map((row) => (row.source === source ? { ...row, source: machine } : row));
  return {
    attempts: history.attempts.map((one) =>
      one.label === label ? { ...one, label: undefined, machine } : one,
    ),
    totals: own(history.totals),
    days: own(history.days),
  };
}
