/** circuit-breaker open: nothing starts on this machine until it is closed, or for the time that is given. */
import { hostname, userInfo } from 'node:os';
import { EXIT, Failure } from '../../failure.ts';
import { flagDuration, flagText, type Call } from '../../flags.ts';
import { oneLine, type Answer } from '../../output/answer.ts';
import { holdBreaker } from '../../policy/breaker.ts';
import { change } from '../breaker-gate.ts';
import { openContext } from '../context.ts';
import { showBreaker } from './show.ts';

/** A date must be able to say when it ends. */
const MOST_MS = 366 * 86_400_000;
const LONGEST_REASON = 500;

/** Exit 0; an earlier opening by hand is replaced, and what runs goes on. */
export async function run(call: Call): Promise<Answer> {
  const forMs = flagDuration(call, 'for');
  if (forMs !== undefined && (forMs < 1 || forMs > MOST_MS))
    throw new Failure('--for must be more than 0 and at most 366d; without it, it stays open until `close`');
  const reason = flagText(call, 'reason');
  if (reason !== undefined && reason.length > LONGEST_REASON)
    throw new Failure(`--reason has ${reason.length} characters; at most ${LONGEST_REASON} are kept`);
  const context = await openContext(call);

  change(context, (state, { nowMs }) =>
    holdBreaker(state, {
      by: whoCalls(call.env),
      reason: reason === undefined ? undefined : oneLine(reason),
      sinceMs: nowMs,
      untilMs: forMs === undefined ? undefined : nowMs + forMs,
    }),
  );

  return showBreaker(context, () => EXIT.ok);
}

/** `ann@host`; through sudo, whoever called it. */
function whoCalls(env: NodeJS.ProcessEnv): string {
  const sudoer = env['SUDO_USER'];
  return oneLine(`${sudoer ? `${sudoer} (sudo)` : userName()}@${hostname()}`);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container under a foreign uid: there is no entry in the password file.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
