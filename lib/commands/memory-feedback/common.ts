/** Whose history does a call of memory-feedback speak of? Our own or, with --label, what was imported under that name. */
import { Failure } from '../../failure.ts';
import { shownWord, type Call } from '../../flags.ts';
import { indexHistory, type HistoryIndex } from '../../policy/past-index.ts';
import { recommend, type Recommendation } from '../../policy/recommend.ts';
import { loadHistory, type History } from '../../state/history.ts';
import { openContext, type Context } from '../context.ts';
import { labelFlag, thisMachine } from '../past.ts';

export interface Feedback {
  readonly context: Context;
  readonly history: History;
  readonly index: HistoryIndex;
  readonly talk: readonly string[];
}

/** Settings and history of a call. @throws Failure where the history cannot be read, or a label is unknown. */
export async function openFeedback(call: Call): Promise<Feedback> {
  const context = await openContext(call);
  const label = labelFlag(call);
  const history = loadHistory(context.stateDir(), () => context.liveness());
  const machine = thisMachine();
  const index = indexHistory(history, { machine, label, window: context.settings.feedback.windowAttempts });
  if (label !== undefined && index.total === 0) {
    const labels = [...new Set(history.attempts.flatMap((attempt) => attempt.label ?? []))];
    const known = labels.length === 0 ? 'nothing was imported' : `there is ${labels.slice(0, 5).join(', ')}`;
    throw new Failure(`nothing is on record under --label ${shownWord(label)}: ${known}`);
  }
  return { context, history, index, talk: [...context.warnings, ...history.notes] };
}

/** Recommendations by the settings, for all kinds or for these. */
export function recommendFor({ context, index }: Feedback, kinds?: readonly string[]): Recommendation[] {
  const { agents, feedback, memoryPerAgentBytes } = context.settings;
  const configured = (kind: string): number | undefined => agents.get(kind)?.estimateBytes;
  return recommend(index, { feedback, priorBytes: memoryPerAgentBytes, configured }, kinds);
}
