/** memory-retry EPIC execute STREAM: the next attempt, with what was prepared for it, through the epic's own run. */
import { join } from 'node:path';
import { EXIT, Failure } from '../../failure.ts';
import { replaceFile } from '../../files.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Stream } from '../../model.ts';
import { parseKey } from '../../names.ts';
import { loadStreams } from '../../state/streams.ts';
import { run as runEpic } from '../coordination-memory/run.ts';
import type { Answer } from '../../output/answer.ts';
import { readLastAttempt, type LastAttempt } from './last-attempt.ts';
import { readPrepared, type NextAttempt } from './prepare.ts';

/** The run's exit code: 0 recovered, 30 failed again or not sensible, 75 while another run of the epic goes on. */
export async function run(call: Call): Promise<Answer | number> {
  const last = await readLastAttempt(call);
  const next = readPrepared(last) ?? (last.decision.decision === 'retry' ? last.decision : undefined);
  if (next === undefined) {
    call.err(`${call.program}: no further attempt at ${last.key}: ${last.decision.reason}`);
    return EXIT.critical;
  }
  const file = flagText(call, 'streams');
  const source = file === undefined ? ({ from: 'epic' } as const) : ({ from: 'file', path: file } as const);
  const { streams } = await loadStreams({
    projectDir: last.context.projectDir,
    epic: last.paths.epic,
    source,
  });
  const stream = streams.find(({ key }) => key === last.key);
  if (stream === undefined)
    throw new Failure(
      `${last.key} is none of the ${streams.length} streams ${file === undefined ? 'of the epic; name its file by --streams' : `in ${file}`}`,
    );

  const path = writeStream(last, stream, next);
  call.err(`${call.program}: attempt ${last.attempt + 1} at ${last.key}: ${next.reason}`);
  const { set } = call.flags;
  const own = Array.isArray(set) ? (set as readonly string[]) : [];
  const most = next.alone ? 1 : next.atMostConcurrent;
  const narrowed = most === undefined ? own : [...own, `memory_management.max_concurrent_agents=${most}`];
  return runEpic({ ...call, args: [], flags: { ...call.flags, resume: true, streams: path, set: narrowed } });
}

/** A list of streams that holds this one alone: what it depends on is not asked again, since it was started before. */
function writeStream({ key, paths }: LastAttempt, stream: Stream, next: NextAttempt): string {
  const path = join(paths.streamDir(key), 'retry.json');
  const { issue, id } = parseKey(key);
  const { command, cwd, env, expectedMs, kind, prompt, title } = stream;
  const entry = {
    id,
    issue,
    title,
    kind,
    ...(command === undefined ? {} : { command }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(expectedMs === undefined ? {} : { expected: `${expectedMs}ms` }),
    env,
    memory: `${next.estimateBytes}B`,
    ...(next.limitBytes === undefined ? {} : { limit: `${next.limitBytes}B` }),
    ...(next.heapMb === undefined ? {} : { heap: String(next.heapMb) }),
  };
  replaceFile(path, `${JSON.stringify({ streams: [entry] }, undefined, 2)}\n`);
  return path;
}
