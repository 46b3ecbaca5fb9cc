/** coordination-memory EPIC pause / resume STREAM: hold a stream back, and let it go on. */
import { signalMembers } from '../../act/signal-tree.ts';
import { EXIT } from '../../failure.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Lease } from '../../model.ts';
import type { Answer } from '../../output/answer.ts';
import { readIdentity } from '../../probe/identity.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { blockStream, logLine, unblockStream, writeGuidance } from '../../state/epic.ts';
import { updateLedger } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { readAgents } from '../agents.ts';
import { openContext, type Context } from '../context.ts';
import { awaitStarted, findAgent, type Found } from './find-agent.ts';
import { writeOrTell } from './write-or-tell.ts';

/** Writes the blocked file; a running agent of its own process is halted and keeps its share. Exit 75 where it is just being started. */
export async function pause(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const named = await findAgent(call, context, paths);
  const reason = flagText(call, 'reason') ?? 'paused by hand';

  // First, so that it does not start meanwhile; one that is being started cannot be halted before its process is known.
  blockStream(paths, named.key, { reason, who: call.env['USER'] ?? 'unknown', nowMs: context.nowMs });
  const found = await awaitStarted(named, context, paths);
  const halted = signalAll(context, found, 'SIGSTOP');
  writeOrTell(call, () => logLine(paths, `${found.key} paused: ${reason}`, context.nowMs));

  const answer = words(context, found, 'paused', halted);
  if (!found.isStarting) return answer;
  const again = `${found.key} is being started at this moment and its processes are not known yet: call pause again to halt it`;
  return { ...answer, exitCode: EXIT.later, talk: [...(answer.talk ?? []), again] };
}

/** Removes the blocked file and continues what was halted. */
export async function resume(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const found = await findAgent(call, context, paths);
  const guidance = flagText(call, 'guidance');

  if (guidance !== undefined) writeGuidance(paths, found.key, guidance);
  const wasBlocked = unblockStream(paths, found.key);
  const continued = signalAll(context, found, 'SIGCONT');
  writeOrTell(call, () => logLine(paths, `${found.key} resumed`, context.nowMs));

  const answer = words(context, found, 'resumed', continued);
  return wasBlocked || continued > 0
    ? answer
    : { ...answer, talk: [...(answer.talk ?? []), `${found.key} was not paused`] };
}

function signalAll(context: Context, { leases }: Found, signal: 'SIGSTOP' | 'SIGCONT'): number {
  const own = leases.filter(({ role }) => role === 'agent');
  if (own.length === 0) return 0;
  const agents = readAgents(own, context.liveness().isAlive, context.nowMs, readProcessTable());
  const count = signalMembers(
    // An agent may pause itself: halted ourselves, we could not write it down.
    agents.flatMap(({ members }) => members).filter(({ pid }) => pid !== process.pid),
    (pid) => readIdentity(pid)?.startTicks,
    signal,
  );
  const ids = new Set(own.map(({ id }) => id));
  const state: Lease['state'] = signal === 'SIGSTOP' ? 'paused' : 'running';
  updateLedger(context.stateDir(), context.liveness(), (ledger) => ({
    ledger: {
      ...ledger,
      leases: ledger.leases.map((lease) =>
        ids.has(lease.id) && lease.state !== 'starting' ? { ...lease, state } : lease,
      ),
    },
    answer: undefined,
  }));
  return count;
}

function words(context: Context, { key, leases }: Found, state: string, processes: number): Answer {
  const subagents = leases.filter(({ role }) => role === 'subagent').length;
  const talk =
    subagents > 0
      ? [`${key} lives inside its client's process, which cannot be halted for it: its file tells it to wait`]
      : [];
  return {
    exitCode: EXIT.ok,
    json: { key, state, processes },
    lines: [
      ['stream', key],
      ['state', state],
      ['processes', processes],
    ],
    table: () =>
      `${key} is ${state}${processes > 0 ? ` (${processes} processes); its share of the memory stays reserved` : ''}.`,
    talk: [...context.warnings, ...talk],
  };
}
