/** coordination-memory EPIC status: where every stream stands. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { counts, judgeLease } from '../../policy/charge.ts';
import { readBlocked } from '../../state/epic.ts';
import { lastEntries } from '../../state/joblog.ts';
import { loadLedger } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { formatBytes, formatDuration } from '../../units.ts';
import { openContext } from '../context.ts';
import { planStreams } from './plan-streams.ts';

/** Exit 30 where a stream's last attempt was not done. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const { planned, entries } = await planStreams(call, context, paths);
  const last = lastEntries(entries);
  const blocked = readBlocked(paths);
  const { isAlive } = context.liveness();
  const running = new Set(
    loadLedger(context.stateDir())
      .leases.filter(
        (lease) =>
          lease.project === context.projectDir &&
          counts(judgeLease(lease, lease.owner && isAlive(lease.owner), context.nowMs)),
      )
      .map(({ key }) => key),
  );

  const rows = planned.map(({ stream }) => {
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
    talk: context.warnings,
  };
}
