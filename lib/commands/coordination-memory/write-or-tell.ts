/** What if a deed is done and cannot be written down? Its exit code is the deed's; the missing record is told. */
import { Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';

/** Runs `write`; a full or read-only disk is a line on stderr, for what was done stays done. */
export function writeOrTell(call: Call, write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    call.err(`${call.program}: not written down: ${error.message}`);
  }
}
