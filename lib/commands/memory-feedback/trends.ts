/** memory-feedback trends: how has the need of each kind changed over time? */
import { EXIT } from '../../failure.ts';
import { flagText, type Call } from '../../flags.ts';
import { trendsAnswer } from '../../output/feedback.ts';
import type { Answer } from '../../output/answer.ts';
import { trends } from '../../policy/past-patterns.ts';
import { sinceFlag } from '../since.ts';
import { openFeedback } from './common.ts';

/** Exit 0, also where nothing is known yet. */
export async function run(call: Call): Promise<Answer> {
  const { context, index, talk } = await openFeedback(call);
  const sinceMs = sinceFlag(call, context.nowMs);

  const found = trends(index, { sinceMs, kind: flagText(call, 'kind') });

  return { exitCode: EXIT.ok, ...trendsAnswer(found), talk };
}
