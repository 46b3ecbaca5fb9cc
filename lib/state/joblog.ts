/** What has a run finished? One line per attempt, appended and never rewritten; GNU parallel reads the same file. */
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../failure.ts';
import {
  appendLine,
  createFile,
  endsInNewline,
  fileFacts,
  keepNewest,
  listDir,
  moveFile,
  readText,
} from '../files.ts';
import type { AttemptResult, Cause, Outcome } from '../model.ts';
import { cleanText, isKey } from '../names.ts';
import { isCause, isOutcome } from './attempts.ts';

/** GNU parallel's nine columns (20221122, `--joblog`), then ours. Its Host is `:` for this machine. */
const THEIRS = 'Seq Host Starttime JobRuntime Send Receive Exitval Signal Command'.split(' ');
const OURS = 'Key Attempt Outcome Estimate Limit Peak PeakKind Average Heap Reason Cause'.split(' ');
const HEADER = [...THEIRS, ...OURS].join('\t');
const COLUMNS = THEIRS.length + OURS.length;
/** Before causes were known: such a file is still read, and gets the longer lines appended. */
const OLD_COLUMNS = COLUMNS - 1;
const OLD_HEADER = HEADER.split('\t').slice(0, OLD_COLUMNS).join('\t');

/**
 * Ends a line that a killed writer left unfinished. `parallel --resume-failed` stops at a blank line ("Format of … is
 * wrong") and at nearly every half line; what ends in this it takes for a failed job, wherever the half line was cut, because
 * it looks for a number, a word and six numbers anywhere in the line. No number in it is 0: a half line that goes on
 * with it can never look like a job that succeeded.
 */
const TORN_END = '~\t1\t:\t-1\t-1\t-1\t-1\t-1\t-1\ttorn';

const COMMAND_BYTES = 400;
const REASON_BYTES = 240;
const KEPT_ARCHIVES = 5;

/** One finished attempt as the file has it. What GNU parallel appended has the first columns only. */
export interface JoblogEntry {
  readonly seq: number;
  readonly startedMs: number;
  readonly runtimeMs: number;
  /** -1: it ended without success and without an exit code of its own. */
  readonly exitval: number;
  readonly signal: number;
  /** For people: shortened, its tabs and newlines gone. */
  readonly command: string;
  readonly key: string | undefined;
  readonly attempt: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly peakBytes: number | undefined;
  readonly peakKind: 'rss' | 'pss' | undefined;
  readonly averageBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly reason: string | undefined;
  readonly cause: Cause | undefined;
}

/**
 * Makes the joblog ready for `appendJoblog`: creates it with its header, or ends a line that a killed writer left.
 * @throws Failure (2) for a file with another header, which stays as it is.
 */
export function startJoblog(path: string): void {
  if (createFile(path, `${HEADER}\n`)) return;
  const text = readText(path) ?? '';
  checkHeader(path, text);
  if (text === '') appendLine(path, HEADER);
  else if (text === HEADER || text === OLD_HEADER) appendLine(path, '');
  else if (!endsInNewline(path)) appendLine(path, TORN_END);
}

/**
 * Appends one finished attempt, whole in one write. `seq` is the stream's number in the run (1 and up, the same for all its
 * attempts: see `numberStreams`). The command is words or a shell line; what is secret in it must be gone already.
 * An attempt that did not get done but exited with 0 (a good citizen under SIGTERM) is written as -1: both we and GNU
 * parallel take 0 and no signal for success.
 */
export function appendJoblog(
  path: string,
  seq: number,
  command: readonly string[] | string,
  result: AttemptResult,
): void {
  appendLine(path, joblogLine(seq, command, result));
}

function joblogLine(seq: number, command: readonly string[] | string, result: AttemptResult): string {
  const signal = signalNumber(result.signal);
  const exitval = result.exitCode ?? (signal === 0 ? -1 : 0);
  const succeeded = exitval === 0 && signal === 0;
  const line = typeof command === 'string' ? command : command.map(quoted).join(' ');
  return [
    seq,
    ':',
    (result.startedMs / 1000).toFixed(3),
    (Math.max(0, result.endedMs - result.startedMs) / 1000).toFixed(3).padStart(10),
    0,
    0,
    succeeded && result.outcome !== 'done' ? -1 : exitval,
    signal,
    cell(line, COMMAND_BYTES),
    result.key,
    result.attempt,
    result.outcome,
    whole(result.estimateBytes),
    whole(result.limitBytes),
    whole(result.peakBytes),
    result.peakKind ?? '-',
    whole(result.averageBytes),
    whole(result.heapMb),
    cell(result.reason, REASON_BYTES),
    result.cause ?? '-',
  ].join('\t');
}

function whole(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '-' : String(Math.round(value));
}

/** Its number on this machine; 0 for none, -1 for one that this machine does not know. */
function signalNumber(name: string | undefined): number {
  if (name === undefined) return 0;
  return Object.entries(constants.signals).find(([known]) => known === name)?.[1] ?? -1;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** One cell: a line of at most so many bytes of UTF-8, `-` for nothing. */
function cell(text: string, maxBytes: number): string {
  let line = cleanText(text, maxBytes);
  while (Buffer.byteLength(line) > maxBytes) line = cleanText(line, Math.floor(line.length * 0.75));
  return line === '' ? '-' : line;
}

/**
 * What the joblog holds, in the order of its ends, and how many lines were unreadable (torn by a kill). No file is an empty one.
 * Lines of nine columns are GNU parallel's own, appended by `--resume-failed`: they get the key that their number had.
 * @throws Failure (2) for a file with another header.
 */
export function readJoblog(path: string): { entries: JoblogEntry[]; torn: number } {
  const text = readText(path) ?? '';
  checkHeader(path, text);
  const lines = text.split('\n').slice(1);
  const unfinished = lines.pop() ?? '';
  const entries: JoblogEntry[] = [];
  const keys = new Map<number, string>();
  let torn = unfinished === '' ? 0 : 1;
  for (const line of lines) {
    if (line === '' || line === TORN_END) continue;
    const entry = line.endsWith(TORN_END) ? undefined : readEntry(line, keys);
    if (entry === undefined) torn += 1;
    else {
      entries.push(entry);
      if (entry.key !== undefined) keys.set(entry.seq, entry.key);
    }
  }
  return { entries, torn };
}

function checkHeader(path: string, text: string): void {
  const end = text.indexOf('\n');
  const header = end < 0 ? text : text.slice(0, end);
  if (header === HEADER || header === OLD_HEADER || (end < 0 && header === '')) return;
  const newer = header.startsWith(HEADER) ? 'comes from a newer version' : 'is no joblog of ours';
  throw new Failure(`${path} ${newer} (its first line differs): move it away; it was left as it is`);
}

function readEntry(line: string, keys: ReadonlyMap<number, string>): JoblogEntry | undefined {
  const cells = line.split('\t');
  const theirs = cells.length === THEIRS.length;
  if (!theirs && cells.length !== COLUMNS && cells.length !== OLD_COLUMNS) return undefined;
  const [seq, started, runtime, exitval, signal] = [0, 2, 3, 6, 7].map((at) =>
    Number(cells[at]?.trim() || NaN),
  );
  if (seq === undefined || started === undefined || runtime === undefined) return undefined;
  if (exitval === undefined || signal === undefined) return undefined;
  if (![seq, started, runtime, exitval, signal].every(Number.isFinite)) return undefined;
  const [key, attempt, outcome, estimate, limit, peak, kind, average, heap, reason, cause] = cells.slice(
    THEIRS.length,
  );
  if (!theirs && (key === undefined || !isKey(key) || !isOutcome(outcome))) return undefined;
  return {
    seq,
    startedMs: Math.round(started * 1000),
    runtimeMs: Math.round(runtime * 1000),
    exitval,
    signal,
    command: cells[8] ?? '',
    key: theirs ? keys.get(seq) : key,
    attempt: count(attempt),
    outcome: isOutcome(outcome) ? outcome : undefined,
    estimateBytes: count(estimate),
    limitBytes: count(limit),
    peakBytes: count(peak),
    peakKind: kind === 'rss' || kind === 'pss' ? kind : undefined,
    averageBytes: count(average),
    heapMb: count(heap),
    reason: reason === '-' ? undefined : reason,
    cause: isCause(cause) ? cause : undefined,
  };
}

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The last entry of each stream; lines without a key are left out. */
export function lastEntries(entries: readonly JoblogEntry[]): Map<string, JoblogEntry> {
  const last = new Map<string, JoblogEntry>();
  for (const entry of entries) if (entry.key !== undefined) last.set(entry.key, entry);
  return last;
}

/** Keys of the streams whose last attempt ended with exit code 0 and no signal: what `--resume` leaves out. */
export function finishedKeys(entries: readonly JoblogEntry[]): Set<string> {
  const finished = new Set<string>();
  for (const [key, entry] of lastEntries(entries))
    if (entry.exitval === 0 && entry.signal === 0) finished.add(key);
  return finished;
}

/**
 * A number for each stream: the one that the joblog knows it by, else the next free one from 1 up in the order given.
 * So a resumed run in another order never gives one number to two streams.
 */
export function numberStreams(keys: readonly string[], entries: readonly JoblogEntry[]): Map<string, number> {
  const known = new Map([...lastEntries(entries)].map(([key, entry]) => [key, entry.seq]));
  const taken = new Set(entries.map((entry) => entry.seq));
  const numbers = new Map<string, number>();
  let next = 1;
  for (const key of keys) {
    const before = known.get(key);
    if (before === undefined) while (taken.has(next)) next += 1;
    numbers.set(key, before ?? next);
    taken.add(before ?? next);
  }
  return numbers;
}

/**
 * Moves a joblog of an earlier run to `joblog-TIME.tsv` beside it and keeps the newest five of these.
 * @returns the new path, undefined where there was no joblog.
 */
export function archiveJoblog(path: string, nowMs: number): string | undefined {
  if (fileFacts(path) === undefined) return undefined;
  const dir = dirname(path);
  const stem = basename(path, '.tsv');
  const there = new Set(listDir(dir));
  const nameAt = (ms: number): string => `${stem}-${new Date(ms).toISOString().replace(/[-:.]/g, '')}.tsv`;
  let atMs = nowMs;
  while (there.has(nameAt(atMs))) atMs += 1;
  const archive = join(dir, nameAt(atMs));
  moveFile(path, archive);

  const isArchive = (name: string): boolean =>
    name.startsWith(`${stem}-`) &&
    /^\d{8}T\d{9}Z\.tsv$/.test(name.slice(stem.length + 1)) &&
    fileFacts(join(dir, name))?.isDirectory === false;
  keepNewest(dir, isArchive, KEPT_ARCHIVES);
  return archive;
}
