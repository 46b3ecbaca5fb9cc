/** Whose death gives a share back that `spawn` reserved? Found by pid, by the client's word, or among our ancestors. */
import { Failure } from '../../failure.ts';
import type { ProcessIdentity, ProcessTable } from '../../model.ts';
import { readIdentity } from '../../probe/identity.ts';

/**
 * The process that was named; else the client that CLAUDE_PID names; else, inside a client's shell, the first ancestor
 * outside our session (the client starts each of its shells in a session of its own, which ends with the call); else our
 * session's leader, the shell that somebody works in. undefined: none of these lives, only the time to live counts.
 */
export function findOwner(
  pid: number | undefined,
  env: NodeJS.ProcessEnv,
  readTable: () => ProcessTable,
): ProcessIdentity | undefined {
  if (pid !== undefined) {
    // Its end is the machine's, and `kill` would mean everything.
    if (pid === 1)
      throw new Failure('--pid 1 is the first process of all: name the agent, or leave --pid out');
    const named = readIdentity(pid);
    if (named === undefined) throw new Failure(`--pid ${pid}: there is no such process`);
    return named;
  }
  const client = /^\d{1,7}$/.test(env['CLAUDE_PID'] ?? '')
    ? readIdentity(Number(env['CLAUDE_PID']))
    : undefined;
  if (client) return client;
  const table = readTable();
  const self = table.get(process.pid);
  if (self === undefined) return undefined;
  const insideClient = env['CLAUDECODE'] !== undefined || env['CLAUDE_CODE_SESSION_ID'] !== undefined;
  if (!insideClient)
    return self.sessionId > 1 && self.sessionId !== process.pid ? readIdentity(self.sessionId) : undefined;
  let ancestor = table.get(self.parentPid);
  while (ancestor && ancestor.sessionId === self.sessionId) ancestor = table.get(ancestor.parentPid);
  return ancestor && ancestor.pid > 1 ? readIdentity(ancestor.pid) : undefined;
}
