/** coordination-memory EPIC status: where every stream stands. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { counts, judgeLease } from '../../policy/charge.ts';
import { readBlocked } from '../../state/epic.ts';
import { lastEntries, readJoblog } from '../../state/joblog.ts';
import { loadLedger } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { formatBytes, formatDuration } from '../../units.ts';
import { openContext } from '../context.ts';
import { knownStreams } from './known-streams.ts';

/** Exit 30 where a stream's last attempt was not done. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const { leases } = loadLedger(context.stateDir());
  const ours = leases.filter(({ epic, project }) => epic === paths.epic && project === context.projectDir);
  const { streams, notes, folderFault } = await knownStreams(call, paths, ours);
  // Where its streams came from elsewhere, what the epic's folder lacks is no news.
  if (folderFault && streams.length === 0) throw folderFault;
  const last = lastEntries(readJoblog(paths.joblogPath).entries);
  const blocked = readBlocked(paths);
  const { isAlive } = context.liveness();
  const running = new Set(
    ours
      .filter((lease) => counts(judgeLease(lease, lease.owner && isAlive(lease.owner), context.nowMs)))
      .map(({ key }) => key),
  );

  const rows = streams.map((stream) => {
    const entry = last.get(stream.key);
    const paused = blocked.get(stream.key) ?? blocked.get(stream.id);
    const state = running.has(stream.key)
      ? 'running'
      : paused !== undefined
        ? 'paused'
        : (entry?.outcome ?? 'waiting');
    return { stream, entry, state, paused };
  });
  const count = (state: string): number => rows.filter((row) => row.state === state).length;
  const failed = rows.filter(({ state }) => !['running', 'paused', 'waiting', 'done'].includes(state)).length;

  return {
    exitCode: failed > 0 ? EXIT.critical : EXIT.ok,
    json: {
      epic: paths.epic,
      streams: rows.map(({ stream, entry, state, paused }) => ({
        key: stream.key,
        title: stream.title,
        state,
        paused,
        last: entry,
      })),
    },
    lines: [
      ['epic', paths.epic],
      ['streams', rows.length],
      ['done', count('done')],
      ['running', count('running')],
      ['waiting', count('waiting')],
      ['paused', count('paused')],
      ['failed', failed],
      ...rows.map(({ stream, state }): [string, LineValue] => ['stream', `${stream.key} ${state}`]),
    ],
    table: () =>
      renderTable(
        ['stream', 'title', 'state', 'attempts', 'peak', 'time', 'reason'],
        rows.map(({ stream, entry, state, paused }) => [
          stream.key.slice(paths.epic.length + 1),
          stream.title,
          state,
          String(entry?.attempt ?? 0),
          entry?.peakBytes === undefined ? '-' : formatBytes(entry.peakBytes),
          entry === undefined ? '-' : formatDuration(entry.runtimeMs),
          paused ?? (state === 'done' || state === 'running' ? '' : (entry?.reason ?? '')),
        ]),
      ),
    talk: [...context.warnings, ...notes],
  };
}
