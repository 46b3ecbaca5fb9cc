/** What has one attempt at a stream left behind? A folder with its spec, its output and its result. */
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import {
  ensureDir,
  fileFacts,
  listDir,
  moveFile,
  putAside,
  readText,
  removeTree,
  replaceFile,
} from '../files.ts';
import type { AttemptResult, Cause, Outcome } from '../model.ts';

/** The version of spec.json and result.json that this code writes; it refuses newer ones. */
const VERSION = 1;
const KEPT_ATTEMPTS = 3;
const FILES = ['spec.json', 'stdout.log', 'stderr.log', 'evidence.json', 'result.json'] as const;

/** Where one attempt keeps its things; the newest attempt's lie in the stream's folder itself. */
export interface AttemptPaths {
  readonly dir: string;
  readonly spec: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly result: string;
}

export function attemptPaths(dir: string): AttemptPaths {
  return {
    dir,
    spec: join(dir, 'spec.json'),
    stdout: join(dir, 'stdout.log'),
    stderr: join(dir, 'stderr.log'),
    result: join(dir, 'result.json'),
  };
}

/**
 * Makes a stream's folder ready for an attempt: moves what an earlier one left to `attempt-N/` (the newest three stay).
 * @throws Failure (2) where a newer version wrote the earlier attempt; nothing is moved then.
 */
export function prepareAttempt(streamDir: string): AttemptPaths {
  const paths = attemptPaths(streamDir);
  if (!ensureDir(streamDir)) setAside(paths);
  return paths;
}

/** A process of this boot, by its id and the clock ticks since the boot at which it started. */
export interface StartedProcess {
  readonly pid: number;
  /** undefined: it was gone before it was seen. */
  readonly startTicks: number | undefined;
}

/**
 * Writes spec.json as `{version, attempt, ...spec, pid, startTicks}`, right after the start, so that one write tells both
 * what was started and as which process; without a process where it could not be started. `spec` must hold nothing secret.
 */
export function writeSpec(path: string, attempt: number, spec: object, started?: StartedProcess): void {
  replaceFile(path, `${JSON.stringify({ version: VERSION, attempt, ...spec, ...started }, undefined, 2)}\n`);
}

/**
 * The main process of the newest attempt of a stream, where that attempt bears this tag; undefined where its spec.json is of
 * another one, or is not there because a kill came between its start and that file.
 */
export function readStarted(streamDir: string, tag: string): StartedProcess | undefined {
  const spec = parseObject(readText(attemptPaths(streamDir).spec) ?? '');
  const pid = wholeNumber(spec?.['pid']);
  if (spec?.['tag'] !== tag || pid === undefined) return undefined;
  return { pid, startTicks: wholeNumber(spec['startTicks']) };
}

function setAside(paths: AttemptPaths): void {
  const found = FILES.filter((name) => fileFacts(join(paths.dir, name)) !== undefined);
  if (found.length === 0) return;
  const spec = readDocument(paths.spec);
  const result = readDocument(paths.result);
  const numbers = attemptNumbers(paths.dir);
  const number =
    wholeNumber(spec?.['attempt']) ?? wholeNumber(result?.['attempt']) ?? (numbers.at(-1) ?? 0) + 1;

  const target = join(paths.dir, `attempt-${number}`);
  // The same number was left by an earlier run. A kill in the middle of the moves below leaves no spec in the folder,
  // so spec.json goes last: what is still there then keeps its number and is moved by the next call.
  if (found.includes('spec.json') && readText(join(target, 'spec.json')) !== undefined) removeTree(target);
  for (const name of [...found].reverse()) moveFile(join(paths.dir, name), join(target, name));
  for (const old of attemptNumbers(paths.dir).slice(0, -KEPT_ATTEMPTS))
    removeTree(join(paths.dir, `attempt-${old}`));
}

function attemptNumbers(dir: string): number[] {
  return listDir(dir)
    .map((name) => Number(/^attempt-(\d{1,9})$/.exec(name)?.[1] ?? NaN))
    .filter(Number.isFinite)
    .sort((one, other) => one - other);
}

/**
 * The session that the newest attempt of a stream began or went on with, from its spec.json; undefined where it had none, or
 * where it never started.
 * @throws Failure (2) where a newer version wrote it.
 */
export function readLastSession(streamDir: string): string | undefined {
  const paths = attemptPaths(streamDir);
  const session = readDocument(paths.spec)?.['session'];
  const started = readDocument(paths.result)?.['outcome'] !== 'not-started';
  return isText(session) && started ? session : undefined;
}

/** Writes result.json, whole or not at all. @throws Failure (2) where a newer version wrote the one that is there. */
export function writeResult(path: string, result: AttemptResult): void {
  readDocument(path);
  replaceFile(path, `${JSON.stringify({ version: VERSION, ...result }, undefined, 2)}\n`);
}

/**
 * The result of an attempt; undefined where there is none yet, or where it is damaged: then it is kept aside and `say`
 * gets one line that names both.
 * @throws Failure (2) for a newer version, which stays as it is.
 */
export function readResult(
  path: string,
  nowMs: number,
  say: (line: string) => void,
): AttemptResult | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  const document = readDocument(path);
  const result = document && toResult(document);
  if (result === undefined) say(`${path} is damaged: kept as ${putAside(path, nowMs)}`);
  return result;
}

/** The JSON object in a file, undefined where there is none. @throws Failure (2) for a newer version. */
function readDocument(path: string): Record<string, unknown> | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  const document = parseObject(text);
  const version = wholeNumber(document?.['version']);
  if (version !== undefined && version > VERSION)
    throw new Failure(
      `${path} has version ${version}, this program knows up to ${VERSION}: update it; the file was left as it is`,
    );
  return document;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wholeNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

const OUTCOMES: ReadonlySet<string> = new Set(
  Object.keys({
    done: true,
    failed: true,
    'killed-limit': true,
    'killed-user': true,
    'killed-machine': true,
    'killed-kernel': true,
    'timed-out': true,
    stopped: true,
    'not-started': true,
    refused: true,
  } satisfies Record<Outcome, true>),
);

/** Whether this is one of the words for how an attempt ended. */
export function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'string' && OUTCOMES.has(value);
}

const CAUSES: ReadonlySet<string> = new Set(
  Object.keys({
    success: true,
    failed: true,
    crash: true,
    'killed-unknown': true,
    terminated: true,
    timeout: true,
    'our-limit': true,
    'our-machine': true,
    user: true,
    interrupt: true,
    'kernel-oom': true,
    'heap-limit': true,
    allocation: true,
    'spawn-memory': true,
    'bad-node-options': true,
  } satisfies Record<Cause, true>),
);

/** Whether this is one of the words for why an attempt ended. */
export function isCause(value: unknown): value is Cause {
  return typeof value === 'string' && CAUSES.has(value);
}

/** The result in a document of version 1; undefined where a field that each result has is missing or of another type. */
function toResult(document: Record<string, unknown>): AttemptResult | undefined {
  const { version, key, reason, signal, exitCode, peakKind } = document;
  const number = (field: string): number | undefined => {
    const value = document[field];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  };
  const attempt = wholeNumber(document['attempt']);
  const outcome = document['outcome'];
  const cause = document['cause'];
  const startedMs = number('startedMs');
  const endedMs = number('endedMs');
  const estimateBytes = number('estimateBytes');
  if (version !== VERSION || !isText(key) || !isText(reason)) return undefined;
  if (attempt === undefined || !isOutcome(outcome)) return undefined;
  if (startedMs === undefined || endedMs === undefined || estimateBytes === undefined) return undefined;
  return {
    key,
    attempt,
    outcome,
    exitCode: typeof exitCode === 'number' ? exitCode : undefined,
    signal: isText(signal) ? signal : undefined,
    startedMs,
    endedMs,
    estimateBytes,
    limitBytes: number('limitBytes'),
    heapMb: number('heapMb'),
    peakBytes: number('peakBytes'),
    peakKind: peakKind === 'rss' || peakKind === 'pss' ? peakKind : undefined,
    averageBytes: number('averageBytes'),
    samples: number('samples') ?? 0,
    reason,
    ...(isCause(cause) ? { cause } : {}),
  };
}
