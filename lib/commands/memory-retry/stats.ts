/** memory-retry EPIC stats: how often was something tried, what ended it, and what recovered? From the joblogs. */
import { dirname, join } from 'node:path';
import { EXIT } from '../../failure.ts';
import { listDir } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Cause } from '../../model.ts';
import type { Answer } from '../../output/answer.ts';
import { familyOf } from '../../policy/cause.ts';
import { readJoblog, type JoblogEntry } from '../../state/joblog.ts';
import { projectPaths, type EpicPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { causeOfEntry, entriesByKey } from '../entry-cause.ts';

/** Exit 0, also where nothing was ever run: then all figures are 0. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const runs = joblogs(paths).map((path) => readJoblog(path).entries);

  const stats = countAttempts(runs);

  const causes = [...stats.causes].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    exitCode: EXIT.ok,
    json: { epic: paths.epic, ...stats, causes: Object.fromEntries(causes) },
    lines: [
      ['epic', paths.epic],
      ['runs', runs.length],
      ['streams', stats.streams],
      ['attempts', stats.attempts],
      ['retries', stats.retries],
      ['recovered', stats.recovered],
      ['lost', stats.lost],
      ['memory_failures', stats.memoryFailures],
      ...causes.map(([cause, count]) => [`cause_${cause.replaceAll('-', '_')}`, count] as const),
    ],
    table: async () => {
      const { renderTable } = await import('../../output/table.ts');
      const rows = causes.map(([cause, count]) => [cause, String(count)]);
      return `${stats.attempts} attempts at ${stats.streams} streams, ${stats.recovered} recovered, ${stats.lost} lost\n${await renderTable(['cause', 'attempts'], rows)}`;
    },
    talk: context.warnings,
  };
}

/** This run's joblog and those of earlier runs that are kept, oldest first. */
function joblogs({ joblogPath }: EpicPaths): string[] {
  const dir = dirname(joblogPath);
  const archives = listDir(dir).filter((name) => /^joblog-\d{8}T\d{9}Z\.tsv$/.test(name));
  return [...archives, 'joblog.tsv']
    .filter((name) => listDir(dir).includes(name))
    .map((name) => join(dir, name));
}

interface Stats {
  readonly streams: number;
  readonly attempts: number;
  /** Attempts after a failed one of the same stream in the same run. */
  readonly retries: number;
  /** Streams of a run that failed and were done in the end. */
  readonly recovered: number;
  /** Streams of a run whose last attempt failed. */
  readonly lost: number;
  readonly memoryFailures: number;
  readonly causes: ReadonlyMap<Cause, number>;
}

/** The figures over all runs; a stream that several runs worked on counts once for each of them. */
export function countAttempts(runs: readonly (readonly JoblogEntry[])[]): Stats {
  const causes = new Map<Cause, number>();
  let [streams, attempts, retries, recovered, lost, memoryFailures] = [0, 0, 0, 0, 0, 0];
  for (const entries of runs) {
    const byKey = [...entriesByKey(entries).values()].map((own) => own.map(causeOfEntry));
    for (const cause of byKey.flat()) {
      causes.set(cause, (causes.get(cause) ?? 0) + 1);
      if (familyOf(cause) === 'memory') memoryFailures += 1;
    }
    for (const ends of byKey) {
      const failed = ends.filter((cause) => cause !== 'success').length;
      streams += 1;
      attempts += ends.length;
      retries += ends.slice(0, -1).filter((cause) => cause !== 'success').length;
      if (ends.at(-1) !== 'success') lost += 1;
      else if (failed > 0) recovered += 1;
    }
  }
  return { streams, attempts, retries, recovered, lost, memoryFailures, causes };
}
