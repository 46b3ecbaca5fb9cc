/** How does a log that several processes append to stay small without losing a line? */
import { errorCode, Failure } from '../failure.ts';
import { appendLine, endsInNewline, ensureDir, fileFacts, isThere, moveFile, readText } from '../files.ts';
import { dirname } from 'node:path';
import { tryLock, type Liveness } from '../lock.ts';

/** A log at `path`, whose older parts are `path.1` (the youngest of them) to `path.KEEP`. */
export interface RotatedLog {
  readonly path: string;
  /** About the size at which a part is closed. */
  readonly mostBytes: number;
  /** How many closed parts stay. */
  readonly keep: number;
}

/**
 * Appends a line by one write and closes the part before it where it is full. Closing is a rename: a writer that has the old
 * part open already writes its line there, and it is not lost. Two processes that want to close at once do it one after the
 * other, and the second sees that it is done. Nobody waits.
 * @throws Failure where the log cannot be written.
 */
export function appendRotated(log: RotatedLog, line: string, liveness: Liveness): void {
  closeFull(log, liveness);
  if (!isWhole(log.path)) appendLine(log.path, '');
  appendLine(log.path, line);
}

function isFull({ path, mostBytes }: RotatedLog): boolean {
  const facts = fileFacts(path);
  return facts?.isFile === true && facts.bytes >= mostBytes;
}

function closeFull(log: RotatedLog, liveness: Liveness): void {
  if (!isFull(log)) return;
  const { path, keep } = log;
  ensureDir(dirname(path));
  const lock = tryLock(`${path}.lock`, liveness);
  if (!('release' in lock)) return;
  try {
    if (!isFull(log)) return;
    // A process that was killed while it closed left a gap: what is beyond it stays where it is.
    let free = 1;
    while (free < keep && isThere(`${path}.${free}`)) free += 1;
    for (let at = free; at > 1; at -= 1) moveFile(`${path}.${at - 1}`, `${path}.${at}`);
    moveFile(path, `${path}.1`);
  } finally {
    lock.release();
  }
}

/** A writer that was killed, or a disk that was full, may have left half a line, which must not swallow the next one. */
function isWhole(path: string): boolean {
  try {
    return endsInNewline(path);
  } catch (error) {
    // Closed by another process between two looks: the next line begins a new part.
    if (error instanceof Failure && errorCode(error.cause) === 'ENOENT') return true;
    throw error;
  }
}

/** All lines that are there, oldest first; the last one may be torn. Without a lock: it works where nothing can be written. */
export function readRotated({ path, keep }: RotatedLog): string[] {
  let parts: string[] = [];
  for (let at = 0; at <= keep; at += 1) {
    const text = readText(at === 0 ? path : `${path}.${at}`);
    if (text === undefined || text === '') continue;
    // A part that was read before may have moved on to here meanwhile, and have grown.
    parts = [...parts.filter((part) => !text.startsWith(part)), text];
  }
  return parts.reverse().flatMap((text) => text.split('\n').filter((line) => line !== ''));
}
