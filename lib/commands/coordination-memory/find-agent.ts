/** Which stream and which agent does a word on the command line mean? Exact matches only. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../../flags.ts';
import type { Lease } from '../../model.ts';
import { resolveStream } from '../../names.ts';
import { loadLedger } from '../../state/ledger.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';
import { knownStreams } from './known-streams.ts';

export interface Found {
  readonly key: string;
  readonly leases: readonly Lease[];
}

/** A run writes the process of an agent down a tenth of a second after its start; a machine without memory is slower. */
const STARTING_MS = 2000;
const LOOK_MS = 50;

/** @throws Failure (2) for an unknown or ambiguous stream, with the near names. */
export async function findAgent(call: Call, context: Context, paths: EpicPaths): Promise<Found> {
  const leases = readLeases(context, paths);
  const { streams, earlier } = await knownStreams(call, paths, leases);
  const known = new Map([...earlier, ...streams].map((stream) => [stream.key, stream]));
  const { key } = await resolveStream([...known.values()], call.args[0] ?? '');
  return { key, leases: leases.filter((lease) => lease.key === key) };
}

/** The same agent as soon as its process is known; `isStarting` where it was not in time. */
export async function awaitStarted(
  found: Found,
  context: Context,
  paths: EpicPaths,
): Promise<Found & { readonly isStarting: boolean }> {
  const { key } = found;
  const { isAlive } = context.liveness();
  // While it is being started its run answers for it; a dead run starts nothing any more.
  const isStarting = (leases: readonly Lease[]): boolean =>
    leases.some(({ owner, state }) => state === 'starting' && owner && isAlive(owner) !== false);
  const untilMs = Date.now() + STARTING_MS;
  let { leases } = found;
  while (isStarting(leases) && Date.now() < untilMs) {
    await sleep(LOOK_MS);
    leases = readLeases(context, paths).filter((lease) => lease.key === key);
  }
  return { key, leases, isStarting: isStarting(leases) };
}

function readLeases(context: Context, paths: EpicPaths): Lease[] {
  return loadLedger(context.stateDir()).leases.filter(
    ({ epic, project }) => epic === paths.epic && project === context.projectDir,
  );
}
