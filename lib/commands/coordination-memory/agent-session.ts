/** Does an attempt begin a session of its client, or go on with that of the attempt before? */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { isThere } from '../../files.ts';
import type { Stream } from '../../model.ts';
import type { AgentKind } from '../../settings-model.ts';
import { namesSession, transcriptPath, type AttemptSession } from '../../policy/agent-command.ts';
import { readRealPath } from '../../probe/real-path.ts';
import { readLastSession } from '../../state/attempts.ts';

/**
 * A first attempt, and one whose kind cannot go on, begins anew, under a session id that was never used: clients refuse to
 * begin the same one twice. A further one goes on where the transcript of the last one is there, or nobody said where it would
 * be. Reads nothing where no word names a session and no kind says how to go on.
 */
export function openSession(
  streamDir: string,
  stream: Stream,
  kind: AgentKind | undefined,
  attempt: number,
  cwd: string,
): AttemptSession {
  const resume = stream.command === undefined && attempt > 1 ? kind?.resume : undefined;
  if (resume) {
    const id = readLastSession(streamDir);
    const { transcript } = resume;
    const wanted = namesSession(stream, kind, true) || transcript !== undefined;
    const isKnown =
      id === undefined
        ? !wanted
        : transcript === undefined ||
          isThere(resolve(cwd, transcriptPath(transcript, id, readRealPath(cwd))));
    if (isKnown) return { id, goesOn: true };
  }
  return { id: namesSession(stream, kind, false) ? randomUUID() : undefined, goesOn: false };
}
