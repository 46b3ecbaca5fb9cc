/** How is the history of all attempts of this machine kept: appended by many, folded by one, read by anybody, and none lost or doubled? */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import {
  appendLine,
  appendWhole,
  fileFacts,
  fileMark,
  listDir,
  moveFile,
  putAside,
  readText,
  removeFile,
  replaceFile,
} from '../files.ts';
import type { PastAttempt } from '../history-model.ts';
import { tryLock, withLock, type Liveness } from '../lock.ts';
import { decodeKept, encodeKept, keep, NOTHING_KEPT, withFresh, type Kept } from './history-kept.ts';
import { historyLine, parseHistoryLine } from './history-line.ts';
import { historyDir } from './paths.ts';

const VERSION = 1;
/** About the size at which the log is closed and folded into the aggregates. */
const FULL_BYTES = 1024 ** 2;
/** What stands behind this line in a closed part came too late to be folded, and its writer appends it again. */
const SEAL = '{"v":1,"seal":true}';
/** A moved part is named by a number that only grows: the aggregates say up to which they have them. */
const PART = /^attempts-(\d{1,15})\.jsonl$/;
const MOST_READS = 8;
/** Damaged lines are kept for people to look at, up to this much. */
const MOST_DAMAGED_BYTES = FULL_BYTES;

/** All that is known. */
export interface History extends Kept {
  /** For people: what could not be read, and where it is. */
  readonly notes: readonly string[];
}

interface Files {
  readonly dir: string;
  readonly log: string;
  readonly kept: string;
  readonly damaged: string;
  readonly lock: string;
}

function filesOf(stateDirectory: string): Files {
  const dir = historyDir(stateDirectory);
  const at = (name: string): string => join(dir, name);
  return { dir, log: at('attempts.jsonl'), kept: at('kept.json'), damaged: at('damaged.jsonl'), lock: at('lock') };
} // prettier-ignore

/**
 * Appends finished attempts by one write; takes the same time however many there are, and waits for nobody.
 * @throws Failure where the log cannot be written.
 */
export function appendHistory(stateDirectory: string, attempts: readonly PastAttempt[]): void {
  if (attempts.length === 0) return;
  const { log } = filesOf(stateDirectory);
  const lines = attempts.map((attempt) => `${historyLine(attempt)}\n`).join('');
  for (;;) {
    const appended = appendWhole(log, lines);
    if (!('movedText' in appended)) return;
    // Closed between our opening and our write: either before the seal, and folded with the rest, or behind it.
    const end = appended.movedText.indexOf(SEAL);
    if (end < 0 || appended.movedText.slice(0, end).includes(lines)) return;
  }
}

/** Whether so much has come together that folding is worth it. */
export function isHistoryFull(stateDirectory: string): boolean {
  return (fileFacts(filesOf(stateDirectory).log)?.bytes ?? 0) >= FULL_BYTES;
}

/**
 * Folds what has come together into the aggregates where it is worth it (or with `always`), unless somebody else is doing it.
 * Killed at any moment, it leaves either the old aggregates and the part, or the new ones, which name the part as folded.
 * @throws Failure where a file cannot be read or written, or a newer version wrote it.
 */
export function tidyHistory(stateDirectory: string, liveness: Liveness, always = false): void {
  const files = filesOf(stateDirectory);
  const isFull = (): boolean => (fileFacts(files.log)?.bytes ?? 0) >= (always ? 1 : FULL_BYTES);
  if (!isFull() && parts(files).length === 0) return;
  const lock = tryLock(files.lock, liveness);
  if (!('release' in lock)) return;
  try {
    fold(files, isFull());
  } finally {
    lock.release();
  }
}

function fold(files: Files, closes: boolean): void {
  const before = readKept(files, putAside);
  const left = parts(files);
  if (closes) {
    const number = Math.max(before.through, left.at(-1)?.number ?? 0) + 1;
    const path = join(files.dir, `attempts-${number}.jsonl`);
    moveFile(files.log, path);
    left.push({ number, path });
  }
  let { kept } = before;
  let through = before.through;
  for (const { number, path } of left) {
    // Folded already, by somebody who was killed before the removal.
    if (number <= before.through) continue;
    if (readText(path)?.includes(SEAL) !== true) appendWhole(path, `${SEAL}\n`);
    const { attempts, torn, newer } = parseLog(readText(path) ?? '');
    // Left as it is for the version that knows these lines; readers show the rest meanwhile.
    if (newer > 0) break;
    if ((fileFacts(files.damaged)?.bytes ?? 0) < MOST_DAMAGED_BYTES)
      for (const line of torn) appendLine(files.damaged, line);
    kept = keep(kept, attempts);
    through = number;
  }
  if (through !== before.through)
    replaceFile(files.kept, `${JSON.stringify({ version: VERSION, through, ...encodeKept(kept) })}\n`, {
      durable: true,
    });
  for (const { number, path } of left) if (number <= through) removeFile(path);
}

/**
 * The history as it is now, attempts oldest first. Waits for nobody, writes nothing.
 * @throws Failure where a file cannot be read, or a newer version wrote the aggregates.
 */
export function loadHistory(stateDirectory: string, liveness: () => Liveness): History {
  const files = filesOf(stateDirectory);
  for (let read = 0; read < MOST_READS; read += 1) {
    const before = stand(files);
    const history = readAll(files);
    if (stand(files) === before) return history;
  }
  // Folded again and again while we read: then nobody may for a moment.
  return withLock(files.lock, liveness(), () => readAll(files));
}

/** Changes with each fold, and not with an append. */
function stand(files: Files): string {
  return [fileMark(files.kept) ?? '-', ...parts(files).map(({ number }) => number)].join(' ');
}

function readAll(files: Files): History {
  const { kept, through, note } = readKept(files);
  const unfolded = parts(files).filter(({ number }) => number > through);
  const notes = note === undefined ? [] : [note];
  let all: readonly PastAttempt[] = [];
  for (const path of [...unfolded.map((part) => part.path), files.log]) {
    const { attempts, torn, newer } = parseLog(readText(path) ?? '');
    all = [...all, ...attempts];
    if (torn.length > 0)
      notes.push(`${path}: ${counted(torn.length)} torn and left out; kept in ${files.damaged} later`);
    if (newer > 0) notes.push(`${path}: ${counted(newer)} from a newer version and left out`);
  }
  const damaged = (readText(files.damaged) ?? '').split('\n').filter((line) => line !== '').length;
  if (damaged > 0) notes.push(`${files.damaged}: ${counted(damaged)} no records of attempts`);
  return { ...withFresh(kept, all), notes };
}

function counted(lines: number): string {
  return `${lines} ${lines === 1 ? 'line is' : 'lines are'}`;
}

/** Closed parts, the oldest first. */
function parts({ dir }: Files): { number: number; path: string }[] {
  return listDir(dir)
    .flatMap((name) => {
      const digits = PART.exec(name)?.[1];
      return digits === undefined ? [] : [{ number: Number(digits), path: join(dir, name) }];
    })
    .sort((a, b) => a.number - b.number);
}

/** The lines up to the seal. Two that are the same are one attempt, appended again by a writer whose disk was full in between. */
function parseLog(text: string): { attempts: PastAttempt[]; torn: string[]; newer: number } {
  const end = text.indexOf(SEAL);
  const lines = (end < 0 ? text : text.slice(0, end)).split('\n');
  const attempts: PastAttempt[] = [];
  const torn: string[] = [];
  let newer = 0;
  for (const line of new Set(lines)) {
    if (line === '') continue;
    const parsed = parseHistoryLine(line);
    if (parsed === 'torn') torn.push(line);
    else if (parsed === 'newer') newer += 1;
    else attempts.push(parsed.attempt);
  }
  return { attempts, torn, newer };
}

/** The aggregates. Damaged ones are nothing, and with `aside` put away: a history that is lost is only learned anew. */
function readKept(
  { kept: path }: Files,
  aside?: (path: string, nowMs: number) => string,
): { kept: Kept; through: number; note?: string } {
  const text = readText(path);
  if (text === undefined) return { kept: NOTHING_KEPT, through: 0 };
  try {
    const document = parseDocument(text);
    const { version, through } = document;
    if (typeof version === 'number' && version > VERSION)
      throw new Failure(
        `${path} was written by a newer version (${version}, this one knows ${VERSION}): update this toolkit`,
        EXIT.mend,
      );
    if (version !== VERSION || typeof through !== 'number' || !Number.isSafeInteger(through))
      throw new Error('its version or its place is missing');
    return { kept: decodeKept(document), through };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const what = error instanceof Error ? error.message : String(error);
    const where = aside === undefined ? 'left out until the next record puts it aside' : `kept as ${aside(path, Date.now())}`;
    return { kept: NOTHING_KEPT, through: 0, note: `${path} is damaged (${what}): ${where}` };
  } // prettier-ignore
}

function parseDocument(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no object');
  return value as Readonly<Record<string, unknown>>;
}
