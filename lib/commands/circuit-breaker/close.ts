/** circuit-breaker close: work may start again, whoever or whatever opened it. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { CLOSED } from '../../policy/breaker.ts';
import { lowMemoryReason } from '../../policy/breaker-answer.ts';
import { change } from '../breaker-gate.ts';
import { openContext } from '../context.ts';
import { showBreaker } from './show.ts';

/** Exit 0, also where it was closed already; what it counted is forgotten. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  change(context, () => CLOSED);

  const low = lowMemoryReason(context.memory.availableBytes, context.settings.circuitBreaker);
  const talk = low === undefined ? [] : [`the next start will open it again: ${low}`];
  return showBreaker(context, () => EXIT.ok, talk);
}
