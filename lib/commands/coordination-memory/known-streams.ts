/** Which streams does an epic have, for somebody who asks from outside: by its file, its folder, its last run and the ledger? */
import { Failure } from '../../failure.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Lease } from '../../model.ts';
import { parseKey } from '../../names.ts';
import { readJoblog } from '../../state/joblog.ts';
import type { EpicPaths } from '../../state/paths.ts';
import { readRecordedStreams } from '../../state/run-streams.ts';
import { loadStreams } from '../../state/streams.ts';
import { sourceOf } from './plan-streams.ts';

export interface Known {
  readonly streams: readonly KnownStream[];
  readonly earlier: readonly KnownStream[];
  readonly notes: readonly string[];
  readonly folderFault?: Failure;
}

export interface KnownStream {
  readonly key: string;
  readonly issue: string;
  readonly id: string;
  readonly title: string;
}

/**
 * Those of the file of `--streams`, else of the epic's folder, else (it came from elsewhere) those of its last run and its
 * joblog; and whoever has an agent now. `earlier` are the last run's others. `notes` say what was left out, `folderFault` what is wrong with a folder that gave none.
 * @throws Failure (2) where the file, or what the last run wrote down, cannot be read.
 */
export async function knownStreams(call: Call, paths: EpicPaths, leases: readonly Lease[]): Promise<Known> {
  const live = leases.map(({ key }) => ({ key, title: '' }));
  const recorded = readRecordedStreams(paths);
  const ended = readJoblog(paths.joblogPath).entries.flatMap(({ key }) =>
    key === undefined ? [] : [{ key, title: '' }],
  );
  const earlier = [...recorded, ...ended];
  const { epic, projectDir } = paths;
  try {
    const { streams, notes } = await loadStreams({ projectDir, epic, source: await sourceOf(call) });
    return { streams: distinct([...streams, ...live]), earlier: distinct(earlier), notes };
  } catch (error) {
    if (!(error instanceof Failure) || flagText(call, 'streams') !== undefined) throw error;
    return { streams: distinct([...earlier, ...live]), earlier: [], notes: [], folderFault: error };
  }
}

/** Each key once; the first one's title counts. */
function distinct(streams: readonly { readonly key: string; readonly title: string }[]): KnownStream[] {
  const byKey = new Map<string, KnownStream>();
  for (const { key, title } of streams) {
    if (byKey.has(key)) continue;
    const { issue, id } = parseKey(key);
    byKey.set(key, { key, issue, id, title });
  }
  return [...byKey.values()];
}
