/** memory-feedback patterns: how large, how long, when the peak comes, and how attempts of each kind end. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { patternsAnswer } from '../../output/feedback.ts';
import type { Answer } from '../../output/answer.ts';
import { patterns } from '../../policy/past-patterns.ts';
import { openFeedback } from './common.ts';

/** Exit 0, also where nothing is known yet. */
export async function run(call: Call): Promise<Answer> {
  const { index, talk } = await openFeedback(call);

  const found = patterns(index);

  return { exitCode: EXIT.ok, ...patternsAnswer(found), talk };
}
