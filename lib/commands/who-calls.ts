/** Who opens the breaker by hand, and what for? What everybody reads who is refused. */
import { hostname, userInfo } from 'node:os';
import { Failure } from '../failure.ts';
import { flagText, type Call } from '../flags.ts';
import { oneLine } from '../output/answer.ts';

const LONGEST_REASON = 500;

/** The text of --reason on one line. @throws Failure (2) for one that is longer than 500 characters. */
export function readReason(call: Call): string | undefined {
  const reason = flagText(call, 'reason');
  if (reason !== undefined && reason.length > LONGEST_REASON)
    throw new Failure(`--reason has ${reason.length} characters; at most ${LONGEST_REASON} are kept`);
  return reason === undefined ? undefined : oneLine(reason);
}

/** `ann@host`; through sudo, whoever called it. */
export function whoCalls(env: NodeJS.ProcessEnv): string {
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
