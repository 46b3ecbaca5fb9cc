/** memory-feedback calibration: did estimates cover what they claimed to? */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { calibrationAnswer } from '../../output/feedback.ts';
import type { Answer } from '../../output/answer.ts';
import { calibration } from '../../policy/recommend.ts';
import { openFeedback } from './common.ts';

/** Exit 0, also where nothing is known yet. */
export async function run(call: Call): Promise<Answer> {
  const { context, index, talk } = await openFeedback(call);

  const rows = calibration(index, context.settings.feedback);

  return {
    exitCode: EXIT.ok,
    ...calibrationAnswer(rows, context.settings.feedback.estimator),
    talk,
  };
}
