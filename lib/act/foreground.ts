/** How does a program run in our place: our terminal, our signals, its exit code? */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { errorCode } from '../failure.ts';

/** Signals that a program may be sent on purpose; the others are the kernel's, or cannot be taken. */
export const PASSED_ON = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

/** Whether a terminal sends it to the whole foreground group, and so to the program as well. */
export function isOfTerminal(signal: NodeJS.Signals): boolean {
  return signal === 'SIGINT' || signal === 'SIGQUIT';
}

export interface ForegroundOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Called once, as soon as there is a process. */
  readonly onStart: (pid: number) => void;
}

/** A shell's codes for a command that it cannot start. */
export const NOT_FOUND = 127;
export const NOT_EXECUTABLE = 126;

/** The exit code as a shell tells it: 128 + n for a signal, 127 and 126 with a problem where nothing was started. */
export interface ForegroundEnd {
  readonly exitCode: number;
  readonly problem: string | undefined;
}

/**
 * Starts the words with our descriptors, hands signals on while they run, and waits for the end.
 * What a terminal has sent to the whole foreground group is not handed on there: a second one means something else to many
 * programs.
 */
export async function runForeground(
  words: readonly string[],
  options: ForegroundOptions,
): Promise<ForegroundEnd> {
  const [file = '', ...args] = words;
  let child: ChildProcess | undefined;
  const atTerminal = isatty(0);
  const passOn = (signal: NodeJS.Signals): void => {
    if (!(atTerminal && isOfTerminal(signal))) child?.kill(signal);
  };
  // Before the start: a signal that comes in between must not end us and leave the child behind.
  for (const signal of PASSED_ON) process.on(signal, passOn);
  try {
    return await new Promise<ForegroundEnd>((resolve) => {
      child = spawn(file, args, { stdio: 'inherit', env: options.env, cwd: options.cwd });
      child.once('error', (error) => {
        const exitCode = errorCode(error) === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE;
        resolve({ exitCode, problem: error.message });
      });
      child.once('exit', (code, signal) => {
        resolve({ exitCode: code ?? 128 + constants.signals[signal ?? 'SIGKILL'], problem: undefined });
      });
      if (child.pid !== undefined) options.onStart(child.pid);
    });
  } finally {
    for (const signal of PASSED_ON) process.off(signal, passOn);
  }
}
