/** prompt-cache clear: removes all entries; the counts stay. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { removedAnswer } from '../../output/prompt-cache.ts';
import { openContext } from '../context.ts';
import { clearEntries } from './cache.ts';

/** Exit 0. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  return removedAnswer(clearEntries(context), undefined, EXIT.ok, context.warnings);
}
