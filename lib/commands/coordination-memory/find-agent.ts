/** Which stream and which agent does a word on the command line mean? The ledger's and the epic's own streams, exact matches only. */
import { Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Lease } from '../../model.ts';
import { parseKey, resolveStream } from '../../names.ts';
import { loadLedger } from '../../state/ledger.ts';
import { readJoblog } from '../../state/joblog.ts';
import { loadStreams } from '../../state/streams.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';

export interface Found {
  readonly key: string;
  readonly leases: readonly Lease[];
}

/** @throws Failure (2) for an unknown or ambiguous stream, with the near names. */
export async function findAgent(call: Call, context: Context, paths: EpicPaths): Promise<Found> {
  const word = call.args[0] ?? '';
  const leases = loadLedger(context.stateDir()).leases.filter(
    ({ epic, project }) => epic === paths.epic && project === context.projectDir,
  );
  const keys = new Set([
    ...leases.map(({ key }) => key),
    ...readJoblog(paths.joblogPath).entries.flatMap(({ key }) => key ?? []),
  ]);
  for (const key of await epicKeys(context, paths)) keys.add(key);
  const { key } = await resolveStream(
    [...keys].map((name) => ({ key: name, ...partsOf(name) })),
    word,
  );
  return { key, leases: leases.filter((lease) => lease.key === key) };
}

function partsOf(key: string): { issue: string; id: string } {
  const { issue, id } = parseKey(key);
  return { issue, id };
}

/** Streams of the epic's folder; a run from a file or from lines has none there. */
async function epicKeys(context: Context, paths: EpicPaths): Promise<string[]> {
  try {
    const { streams } = await loadStreams({
      projectDir: context.projectDir,
      epic: paths.epic,
      source: { from: 'epic' },
    });
    return streams.map(({ key }) => key);
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}
