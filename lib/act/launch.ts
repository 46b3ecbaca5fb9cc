/** How does one attempt's process start? In its own session and group, its output its own, what fails told in one line. */
import { spawn, type ChildProcess } from 'node:child_process';
import { Failure, errorCode } from '../failure.ts';
import { closeDescriptor, fileFacts, openForChild } from '../files.ts';
import { readExecutable } from '../probe/executable.ts';
import type { GroupHandle } from './ceiling-group.ts';
import { settleIn, type Ceilings } from './ceiling.ts';
import type { AttemptSpec } from './engine.ts';
import { givePriority } from './priority.ts';

/** The program that an attempt names, for messages. */
export function programOf({ command }: AttemptSpec): string {
  return typeof command === 'string' ? '/bin/sh' : (command[0] ?? 'nothing');
}

/** Programs that were found, by word, PATH and folder: a run starts the same few again and again. */
const found = new Set<string>();

function isThere(program: string, { env, cwd }: AttemptSpec): boolean {
  const name = [program, env['PATH'] ?? '', cwd].join('\0');
  if (found.has(name)) return true;
  if (readExecutable(program, env, cwd).kind === 'missing') return false;
  found.add(name);
  return true;
}

/** Starts an attempt, inside a group of its own where there is one; `stdin` is a descriptor. @throws Failure where it cannot be started. */
export function launch(
  spec: AttemptSpec,
  ceilings: Ceilings,
  stdin: number | 'ignore' = 'ignore',
): { child: ChildProcess; group: GroupHandle | undefined } {
  const command = typeof spec.command === 'string' ? ['/bin/sh', '-c', spec.command] : spec.command;
  const named = command[0];
  if (named === undefined) throw new Failure(`${spec.key}: its command is empty`);
  if (fileFacts(spec.cwd)?.isDirectory !== true)
    throw new Failure(`${spec.key}: its working folder ${spec.cwd} is not there`);
  // A shell that enters the group would say this only to the agent's log, with exit 127.
  if (!isThere(named, spec)) throw new Failure(`${spec.key}: ${named} was not found, or may not be executed`);
  const { words: wrapped, group } = ceilings.wrap(command, {
    id: spec.tag,
    limitBytes: spec.limitBytes,
    env: spec.env,
  });
  const [program = named, ...words] = wrapped;
  const stdout = openForChild(spec.stdoutPath);
  const stderr = openForChild(spec.stderrPath);
  try {
    // The child's own descriptors: nothing that an agent prints passes through our memory.
    const child = spawn(program, words, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: [stdin, stdout, stderr],
    });
    // A program that is not there is told by an event; without a listener it would be our crash.
    child.on('error', () => undefined);
    if (child.pid !== undefined) givePriority(child.pid);
    if (child.pid !== undefined) settleIn(child.pid, ceilings, { group, words: wrapped }, command);
    return { child, group };
  } catch (error) {
    group?.remove();
    const code = errorCode(error);
    if (code === undefined) throw error;
    throw new Failure(`${spec.key}: ${program} cannot be started (${START_HINTS[code] ?? code})`, undefined, {
      cause: error,
    });
  } finally {
    closeDescriptor(stdout);
    closeDescriptor(stderr);
  }
}

const START_HINTS: Readonly<Record<string, string>> = {
  ENOMEM: 'ENOMEM: no memory for another process',
  EAGAIN: 'EAGAIN: too many processes for this user',
  E2BIG: 'E2BIG: its command or environment is too long; give the prompt in a file',
  EACCES: 'EACCES: it may not be executed',
};
