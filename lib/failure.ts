/** How does a program of ours end? The one table of exit codes, and the one kind of expected error. */

/** Exit codes of every script; a wrapped command's own code passes through instead. */
export const EXIT = {
  ok: 0,
  /** Our bug: the stack is shown. */
  bug: 1,
  /** The user must mend something: usage, settings, damaged state, a full or read-only disk. */
  mend: 2,
  warning: 20,
  /** Critical level, refused for good, or a stream failed. */
  critical: 30,
  /** Not now, try later (EX_TEMPFAIL of sysexits.h). */
  later: 75,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected error: one line that says what, where and what to do; never shown with a stack. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.mend, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The `code` of a Node system error (`ENOENT`), or undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}
