/** How does an environment file come to be, so that it stands there only if the runtime under it has the heap that was meant? */
import { spawnSync } from 'node:child_process';
import { moveFile, readText, removeFile, replaceFile } from '../files.ts';
import { MIB } from '../units.ts';
import { judgeSeal } from './seal.ts';

/** One start of a runtime under an environment. */
export interface HeapReading {
  /** Who read the environment: `sh`, `node --env-file`, `the environment`. */
  readonly reader: string;
  /** V8's heap_size_limit; undefined where the runtime did not start. */
  readonly heapLimitBytes: number | undefined;
  /** What the runtime or the shell said where it did not start. */
  readonly message: string | undefined;
}

export interface HeapCheck {
  readonly holds: boolean;
  readonly readings: readonly HeapReading[];
  /** What the same heap size gives on the command line, where nothing can be misquoted. */
  readonly meant: HeapReading;
  /** One sentence where it does not hold. */
  readonly fault: string | undefined;
}

export interface HeapQuestion {
  /** The node binary. */
  readonly runtime: string;
  readonly version: string | undefined;
  readonly heapMb: number;
  readonly nodeOptions: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Generous: a start takes 25 ms, on a machine that is out of memory a hundred times that. */
const START_MS = 30_000;
const PRINT_LIMIT = "process.stdout.write(String(require('v8').getHeapStatistics().heap_size_limit))";

function read(reader: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): HeapReading {
  const run = spawnSync(command, args, {
    env,
    encoding: 'utf8',
    timeout: START_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const bytes = /^\d+$/.test(run.stdout) ? Number(run.stdout) : undefined;
  if (run.status === 0 && bytes !== undefined) return { reader, heapLimitBytes: bytes, message: undefined };
  const said = run.error?.message ?? run.stderr.split('\n').find((line) => line.trim() !== '');
  return {
    reader,
    heapLimitBytes: undefined,
    message: said?.slice(0, 300) ?? `it ended with ${run.status ?? run.signal ?? '?'}`,
  };
}

/** The environment without NODE_OPTIONS, so that the file's is the one that counts. */
function bare(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, NODE_OPTIONS: undefined };
}

/** Node reads --env-file from 20.6 on. */
function readsEnvFile(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? '').replace(/^v/, '').split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 6);
}

/**
 * Starts the runtime under the file, once as sh reads it and once as --env-file does, and compares V8's heap limit with
 * what the same size gives on the command line: a fault in the quoting would fall back to about 4 GB in silence.
 */
export function checkEnvFile(path: string, question: HeapQuestion): HeapCheck {
  const env = bare(question.env);
  const readings = [
    read(
      'sh',
      '/bin/sh',
      ['-c', '. "$1" && exec "$2" -e "$3"', 'sh', path, question.runtime, PRINT_LIMIT],
      env,
    ),
  ];
  if (readsEnvFile(question.version))
    readings.push(read('node --env-file', question.runtime, [`--env-file=${path}`, '-e', PRINT_LIMIT], env));
  return judge(question, readings);
}

/** The same for variables that are given to the runtime directly. */
export function checkEnvironment(question: HeapQuestion): HeapCheck {
  const env = { ...question.env, NODE_OPTIONS: question.nodeOptions };
  return judge(question, [read('the environment', question.runtime, ['-e', PRINT_LIMIT], env)]);
}

function judge(question: HeapQuestion, readings: readonly HeapReading[]): HeapCheck {
  const { runtime, heapMb, nodeOptions, env } = question;
  const meant = read('the command line', runtime, [`--max-old-space-size=${heapMb}`, '-e', PRINT_LIMIT], {
    ...env,
    NODE_OPTIONS: nodeOptions,
  });
  const bad = [meant, ...readings].find(
    ({ heapLimitBytes }) =>
      heapLimitBytes === undefined ||
      heapLimitBytes < heapMb * MIB ||
      heapLimitBytes !== meant.heapLimitBytes,
  );
  return { holds: bad === undefined, readings, meant, fault: bad && faultText(bad, question) };
}

function faultText(reading: HeapReading, { runtime, heapMb }: HeapQuestion): string {
  if (reading.heapLimitBytes === undefined)
    return `${runtime} does not start under it (${reading.reader}): ${reading.message ?? 'it said nothing'}`;
  const found = Math.round(reading.heapLimitBytes / MIB);
  return `${runtime} has a heap limit of ${found} MB under it (${reading.reader}), not what ${heapMb} MB gives`;
}

export type PutState = 'created' | 'updated' | 'kept' | 'not-ours' | 'not-verified';

export interface PutResult {
  readonly path: string;
  readonly state: PutState;
  readonly check: HeapCheck | undefined;
}

/**
 * Puts an environment file in its place after the runtime has been seen to start under it as meant; a file that somebody
 * edited or made himself is left as it is unless `force` says otherwise.
 */
export function putEnvFile(
  path: string,
  text: string,
  options: { readonly force: boolean; readonly check: (path: string) => HeapCheck },
): PutResult {
  const before = readText(path);
  if (before !== undefined && before !== text && !options.force && judgeSeal(before) !== 'unchanged')
    return { path, state: 'not-ours', check: undefined };
  if (before === text) {
    const check = options.check(path);
    return { path, state: check.holds ? 'kept' : 'not-verified', check };
  }

  const candidate = `${path}.${process.pid}.new.tmp`;
  try {
    replaceFile(candidate, text);
    const check = options.check(candidate);
    if (!check.holds) return { path, state: 'not-verified', check };
    moveFile(candidate, path);
    return { path, state: before === undefined ? 'created' : 'updated', check };
  } finally {
    removeFile(candidate);
  }
}
