/** After a run: what was the estimate of each stream, what should it have been, and what will the next run reserve? */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { renderAnswer, type Answer } from '../../output/answer.ts';
import { summaryLines, summaryTable } from '../../output/run-summary.ts';
import type { LookBack, PlannedStream, RunSummary } from '../../run-model.ts';
import { estimateFromHistory, historyKind } from '../../policy/past-index.ts';
import { COMMAND_KIND } from '../../state/drafts.ts';
import type { Context } from '../context.ts';
import { labelFlag, openPast } from '../past.ts';

/** Says what the run came to, beside what the next one will reserve. */
export async function showSummary(
  call: Call,
  context: Context,
  planned: readonly PlannedStream[],
  summary: RunSummary,
): Promise<void> {
  const back = lookBack(context, planned, summary, labelFlag(call));
  if (call.json) {
    call.out(`${JSON.stringify({ event: 'summary', summary, estimates: back })}\n`);
    return;
  }
  const answer: Answer = {
    exitCode: EXIT.ok,
    json: summary,
    lines: summaryLines(summary, back),
    table: () => summaryTable(summary, back),
  };
  call.out(await renderAnswer(answer, call));
}

/** One entry for each stream that ran, from the history as it is now, with this run in it. */
function lookBack(
  context: Context,
  planned: readonly PlannedStream[],
  { results }: Pick<RunSummary, 'results'>,
  label: string | undefined,
): LookBack[] {
  const { settings } = context;
  if (results.length === 0) return [];
  const { index } = openPast(context, label);
  const byKey = new Map(planned.map((entry) => [entry.stream.key, entry]));
  const last = new Map(results.map((result) => [result.key, result]));
  return [...last.values()].flatMap((result) => {
    const entry = byKey.get(result.key);
    if (entry === undefined || result.outcome === 'not-started') return [];
    const { limitBytes, stream, tool } = entry;
    const like = { key: stream.key, kind: historyKind(stream.kind, tool, COMMAND_KIND), tool };
    const written = stream.estimateBytes;
    const learned =
      written === undefined && settings.enabled
        ? estimateFromHistory(index, like, { feedback: settings.feedback, priorBytes: entry.configuredBytes, limitBytes, isWritten: entry.configuredFrom === 'kind' })
        : undefined; // prettier-ignore
    const { estimateBytes, key, outcome, peakBytes } = result;
    return [
      {
        key,
        estimateBytes,
        neededBytes: peakBytes,
        isCensored: outcome !== 'done' && outcome !== 'failed',
        nextBytes: learned?.bytes ?? entry.configuredBytes,
        nextReason: learned?.reason ?? (written === undefined ? 'the configured figure' : 'as it is written'),
      },
    ];
  });
}
