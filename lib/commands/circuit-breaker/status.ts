/** circuit-breaker status: does the machine let anything start, and if not, since when, why, and until when? */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { openContext } from '../context.ts';
import { showBreaker } from './show.ts';

/** Exit 0 closed, 20 half-open with its place free, 75 where nothing may start. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  return showBreaker(context, ({ answer }) => {
    if (!answer.allowed) return EXIT.later;
    return answer.state === 'closed' ? EXIT.ok : EXIT.warning;
  });
}
