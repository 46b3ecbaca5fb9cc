/** circuit-breaker open: nothing starts on this machine until it is closed, or for the time that is given. */
import { EXIT, Failure } from '../../failure.ts';
import { flagDuration, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { holdBreaker } from '../../policy/breaker.ts';
import { change } from '../breaker-gate.ts';
import { openContext } from '../context.ts';
import { readReason, whoCalls } from '../who-calls.ts';
import { showBreaker } from './show.ts';

/** A date must be able to say when it ends. */
const MOST_MS = 366 * 86_400_000;

/** Exit 0; an earlier opening by hand is replaced, and what runs goes on. */
export async function run(call: Call): Promise<Answer> {
  const forMs = flagDuration(call, 'for');
  if (forMs !== undefined && (forMs < 1 || forMs > MOST_MS))
    throw new Failure('--for must be more than 0 and at most 366d; without it, it stays open until `close`');
  const reason = readReason(call);
  const context = await openContext(call);

  change(context, (state, { nowMs }) =>
    holdBreaker(state, {
      by: whoCalls(call.env),
      reason,
      sinceMs: nowMs,
      untilMs: forMs === undefined ? undefined : nowMs + forMs,
    }),
  );

  return showBreaker(context, () => EXIT.ok);
}
