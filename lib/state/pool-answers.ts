/** How did tasks of the pool end, and what was measured meanwhile? A file an answer that is kept, and one log. */
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { fileFacts, listDir, putAside, readText, removeFile, replaceFile } from '../files.ts';
import type { Liveness } from '../lock.ts';
import type { KeptAnswer, PoolRecord } from '../pool-model.ts';
import { isPoolRecord, parseAnswer } from './pool-records.ts';
import { poolDir } from './pool.ts';
import { appendRotated, readRotated, type RotatedLog } from './rotated-log.ts';

const LOG_BYTES = 1024 ** 2;

const answersDir = (stateDir: string): string => join(poolDir(stateDir), 'answers');
const answerPath = (stateDir: string, task: string): string => join(answersDir(stateDir), `${task}.json`);

/** Keeps how a task ended. */
export function keepAnswer(stateDir: string, answer: KeptAnswer): void {
  replaceFile(answerPath(stateDir, answer.task), `${JSON.stringify(answer)}\n`);
}

/** How a task ended; undefined where nothing is kept of it. A damaged file is kept aside and told to `say`. */
export function readAnswer(
  stateDir: string,
  task: string,
  say: (line: string) => void,
): KeptAnswer | undefined {
  const path = answerPath(stateDir, task);
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    return parseAnswer(text, path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    say(`${path} is damaged: kept as ${putAside(path, Date.now())}`);
    return undefined;
  }
}

/** Removes answers that are older than this, but never more than a caller could still ask for; how many went. */
export function removeOldAnswers(stateDir: string, nowMs: number, keepMs: number): number {
  const dir = answersDir(stateDir);
  const old = listDir(dir).filter(
    (name) => nowMs - (fileFacts(join(dir, name))?.modifiedMs ?? nowMs) > keepMs,
  );
  for (const name of old) removeFile(join(dir, name));
  return old.length;
}

function logAt(stateDir: string): RotatedLog {
  return { path: join(poolDir(stateDir), 'log.jsonl'), mostBytes: LOG_BYTES, keep: 2 };
}

/** Writes down what was measured; a log that cannot be written stops nothing. */
export function logPool(stateDir: string, liveness: Liveness, record: PoolRecord): void {
  try {
    appendRotated(logAt(stateDir), JSON.stringify(record), liveness);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

/** What was measured, oldest first; lines that are torn or not ours are left out. */
export function readPoolLog(stateDir: string): PoolRecord[] {
  return readRotated(logAt(stateDir)).flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isPoolRecord(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}
