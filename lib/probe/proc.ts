/** How is one of the kernel's files read? Synchronously: through fs.promises the same read costs 15 to 20 times as much. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';

import { Failure, errorCode } from '../failure.ts';

const scratch = Buffer.allocUnsafe(64 * 1024);

/** What the kernel answers for a process or a cgroup that is no more. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ENOTDIR']);

/** Out of descriptors, ours or the machine's: says nothing about the file that was asked for. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);

/** True if the error, or the one that it wraps, says that the file's owner is gone. */
export function isGone(error: unknown): boolean {
  return GONE.has(causeCode(error));
}

/** True if there was no descriptor left to open the file with. */
export function isExhausted(error: unknown): boolean {
  return EXHAUSTED.has(causeCode(error));
}

/** Node's code of an error or of the one that it wraps, `''` where it has none. */
export function causeCode(error: unknown): string {
  const cause = error instanceof Failure ? error.cause : error;
  return errorCode(cause) ?? '';
}

/** The whole content behind an open descriptor, from its beginning; it may be asked again and again. */
export function readDescriptor(fd: number): string {
  let text = '';
  let offset = 0;
  for (;;) {
    const length = readSync(fd, scratch, 0, scratch.length, offset);
    // A file of one short piece is the rule, and a multi-byte character is never cut in it.
    if (length === 0) return text;
    text += scratch.toString('utf8', 0, length);
    offset += length;
  }
}

/** As readDescriptor, of a file that the kernel writes in one piece: what fits into one read is all there is. */
function readOnce(fd: number): string {
  const length = readSync(fd, scratch, 0, scratch.length, 0);
  return length < scratch.length ? scratch.toString('utf8', 0, length) : readDescriptor(fd);
}

/** The first bytes (at most 64 KiB) behind an open descriptor in one call, for files of one line such as `statm`. */
export function readShort(fd: number): string {
  return scratch.toString('utf8', 0, readSync(fd, scratch, 0, scratch.length, 0));
}

/** As readShort, of a path. Throws a Failure that names it and carries Node's error as its cause. */
export function readShortFile(path: string): string {
  return readPath(path, readShort);
}

/** The whole file. Throws a Failure that names it and carries Node's error as its cause. */
export function readWholeFile(path: string): string {
  return readPath(path, readDescriptor);
}

// One frame and no closure: a scan of all processes comes through here once for each.
function readPath(path: string, read: (fd: number) => string): string {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    return read(fd);
  } catch (error) {
    throw naming(path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** `read()`, or undefined where the file's owner is gone or does not let us look; other errors are thrown. */
export function unlessHidden<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = causeCode(error);
    if (GONE.has(code) || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}

/** A file of the kernel's that is kept open and read many times. */
export interface KeptFile {
  readonly path: string;
  /** The whole content as it is now. Throws a Failure that names the file and carries Node's error as its cause. */
  read(): string;
  close(): void;
}

/** Opens a file to keep. Throws a Failure that names it and carries Node's error as its cause. */
export function keepFile(path: string): KeptFile {
  const fd = namingFile(path, () => openSync(path, 'r'));
  return {
    path,
    read: () => namingFile(path, () => readOnce(fd)),
    close: () => {
      closeSync(fd);
    },
  };
}

/** As keepFile, but undefined where there is no such file. */
export function keepFileIfThere(path: string): KeptFile | undefined {
  try {
    // The first error of a process costs it 1.5 ms, and whoever only looks once has no other.
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    return keepFile(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function namingFile<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw naming(path, error);
  }
}

function naming(path: string, error: unknown): unknown {
  const code = errorCode(error);
  return code === undefined
    ? error
    : new Failure(`cannot read ${path}: ${code}`, undefined, { cause: error });
}
