/** memory-retry run -- CMD: one command in our place, tried again by the cause of its end. */
import { constants } from 'node:os';
import { userOptionsOf } from '../../act/prepare.ts';
import type { WatchedEnd } from '../../act/watched-child.ts';
import { EXIT, Failure } from '../../failure.ts';
import { flagText, wholeNumber, type Call } from '../../flags.ts';
import { heapInNodeOptions } from '../../policy/heap.ts';
import type { AttemptNeeds } from '../../policy/retry.ts';
import { openContext, type Context } from '../context.ts';
import { readNeed, type Need } from '../coordination-memory/need.ts';
import { Session } from './session.ts';

/** The command's own exit code in the end (128 + n for a signal); 75 or 30 where it was never started. */
export async function run(call: Call): Promise<number> {
  if (call.rest.length === 0)
    throw new Failure('run needs a command behind `--`: memory-retry run -- node work.js');
  const context = await openContext(call);
  const need = readStart(call, context);
  for (const line of context.warnings) call.err(line);
  const session = new Session(call, context);
  const release = session.takeSignals();
  try {
    return await attempts(session, need);
  } finally {
    release();
    session.close();
  }
}

/** What the first attempt gets: flags, else the user's own heap flag, else the settings. */
function readStart(call: Call, context: Context): Need {
  const need = readNeed(call, context);
  const heapText = flagText(call, 'heap');
  const written = heapInNodeOptions(userOptionsOf(call.env));
  const heapMb =
    heapText === undefined ? (written ?? need.heapMb) : wholeNumber('--heap', heapText, 64, 1048576);
  return { ...need, heapMb: context.settings.enabled ? heapMb : undefined };
}

async function attempts(session: Session, need: Need): Promise<number> {
  let needs: AttemptNeeds = need;
  let beside: { alone: boolean; atMostConcurrent: number | undefined } = {
    alone: false,
    atMostConcurrent: undefined,
  };
  for (let attempt = 1; ; attempt += 1) {
    const { estimateBytes, limitBytes, heapMb } = needs;
    // What a retry asks for is clamped to the machine, so only the caller's own word can be refused for good.
    const estimateIsStated = need.estimateIsStated && attempt === 1;
    const ask = { kind: need.kind, estimateBytes, limitBytes, heapMb, estimateIsStated, ...beside };
    const reserved = await session.reserve(ask);
    if (typeof reserved === 'number') return reserved;
    const { end, finding, decision } = await session.attempt(attempt, needs, reserved, beside.alone);
    if (finding.cause === 'success') return EXIT.ok;
    session.tell(attempt, finding, decision);
    if (decision.decision === 'give-up' || session.isStopped()) return exitCodeOf(end);
    await session.pause(decision.afterMs);
    if (session.isStopped()) return exitCodeOf(end);
    needs = decision;
    beside = { alone: decision.alone, atMostConcurrent: decision.atMostConcurrent };
  }
}

/** The signal number as a shell tells it; a shell's own codes where it could not be started. */
function exitCodeOf({ abort, exitCode, signal, startError }: WatchedEnd): number {
  if (startError !== undefined) return startError === 'ENOENT' ? 127 : 126;
  if (signal !== undefined)
    return 128 + (Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0);
  // A good citizen under our TERM exits with 0, which would be taken for success.
  return exitCode === 0 && abort !== undefined ? EXIT.critical : (exitCode ?? EXIT.critical);
}
