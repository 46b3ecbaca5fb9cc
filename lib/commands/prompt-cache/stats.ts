/** prompt-cache stats: how full it is, and how well it has served, over all processes and projects of this user. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { statsAnswer } from '../../output/prompt-cache.ts';
import { openContext } from '../context.ts';
import { readStats } from './cache.ts';

/** Exit 0. Changes nothing. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  return statsAnswer(readStats(context), context.settings.promptCache, EXIT.ok, context.warnings);
}
