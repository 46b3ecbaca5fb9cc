/** How do processes that never meet talk? Through a named pipe that one reads for ever, and a file that it writes and others follow. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  watch,
  writeSync,
  type FSWatcher,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, errorCode } from './failure.ts';
import { ensureDir, fileFailure } from './files.ts';

/** Makes a named pipe that only this user may open. Node has no call for it, POSIX has the command. @throws Failure */
export function makePipe(path: string): void {
  ensureDir(dirname(path));
  const { status, stderr, error } = spawnSync('mkfifo', ['-m', '600', path], { encoding: 'utf8' });
  if (status === 0) return;
  throw new Failure(`cannot make the pipe ${path}: ${error?.message ?? stderr.trim()}`);
}

/**
 * Opens a pipe as somebody's stdin, for reading and writing: so it has a writer for as long as its reader lives, and the
 * reader sees no end of file between two callers. The caller closes the descriptor after the start. (Linux and macOS;
 * POSIX leaves it open.)
 */
export function openPipeForChild(path: string): number {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (error) {
    throw fileFailure('open', path, error);
  }
}

const FULL_MS = 5;

/**
 * Writes the text into a pipe that somebody reads. Never blocks a thread: a full pipe is tried again until `isOver` says that
 * it is of no more use. Answers whether all of it was taken; `false` also where nobody reads it.
 */
export async function writePipe(path: string, text: string, isOver: () => boolean): Promise<boolean> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    // ENXIO: nobody has it open for reading.
    if (errorCode(error) === 'ENXIO' || errorCode(error) === 'ENOENT') return false;
    throw fileFailure('write', path, error);
  }
  try {
    const data = Buffer.from(text);
    for (let written = 0; written < data.length;) {
      const now = writeSome(fd, data, written);
      if (now === undefined) return false;
      written += now;
      if (now > 0) continue;
      if (isOver()) return false;
      await sleep(FULL_MS);
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

/** How many bytes were taken, 0 while the pipe is full; undefined: its reader has gone. */
function writeSome(fd: number, data: Buffer, from: number): number | undefined {
  try {
    return writeSync(fd, data, from);
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return 0;
    if (errorCode(error) === 'EPIPE') return undefined;
    throw error;
  }
}

/** A file that others append to, line by line. */
export interface Follower {
  /** The whole lines that came since the last call, and where the next one begins. */
  readonly read: () => { readonly lines: readonly string[]; readonly toByte: number };
  /** Resolves when the file may have grown, or after so many ms. */
  readonly nextChange: (ms: number) => Promise<void>;
  readonly close: () => void;
}

const CHUNK_BYTES = 256 * 1024;

/** Follows a file from this byte on. What has no newline yet is kept back. @throws Failure where it cannot be read. */
export function followFile(path: string, fromByte: number): Follower {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fileFailure('read', path, error);
  }
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let position = fromByte;
  let rest: Buffer[] = [];
  let lineByte = fromByte;
  let watcher: FSWatcher | undefined;
  let wake: (() => void) | undefined;
  return {
    read: () => {
      const lines: string[] = [];
      for (;;) {
        const length = readSync(fd, chunk, 0, CHUNK_BYTES, position);
        if (length === 0) return { lines, toByte: lineByte };
        position += length;
        let from = 0;
        for (let at = chunk.indexOf(10); at >= 0 && at < length; at = chunk.indexOf(10, at + 1)) {
          lines.push(Buffer.concat([...rest, chunk.subarray(from, at)]).toString('utf8'));
          rest = [];
          from = at + 1;
        }
        if (from > 0) lineByte = position - (length - from);
        if (from < length) rest.push(Buffer.from(chunk.subarray(from, length)));
      }
    },
    nextChange: (ms) =>
      new Promise((resolve) => {
        watcher ??= watchQuietly(path, () => wake?.());
        const timer = setTimeout(done, ms);
        wake = done;
        function done(): void {
          clearTimeout(timer);
          wake = undefined;
          resolve();
        }
      }),
    close: () => {
      watcher?.close();
      closeSync(fd);
    },
  };
}

/** Only hastens a look that comes anyway: where the system cannot watch (out of watches), nothing is lost. */
function watchQuietly(path: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, onChange);
    watcher.on('error', () => undefined);
    return watcher;
  } catch {
    return undefined;
  }
}

/** How large a file is now, bytes; 0 where there is none. */
export function sizeOf(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw fileFailure('read', path, error);
  }
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}
