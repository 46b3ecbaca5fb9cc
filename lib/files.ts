/** How do files on disk change without ever being lost or torn? The only module that writes files. */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, Failure, errorCode } from './failure.ts';

const FILE_MODE = 0o600;
const DIR_MODE = 0o700;
/** Of a path in a message; one that is too long for the system may be as long as a command line. */
const LONGEST_SHOWN = 500;

const HINTS: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to it',
  EPERM: 'give this user the right to it',
  EROFS: 'it lies on a read-only file system: set CLAUDE_PM_STATE_DIR or --project to a writable place',
  ENOSPC: 'the disk is full: free some space and call again',
  EDQUOT: 'the disk quota is used up: free some space and call again',
  EISDIR: 'it is a folder, a file is needed: move it away',
  ENOENT: 'there is no such place, or nothing may be made in it',
  ENOTDIR: 'a part of this path is a file, not a folder: move it away',
  ENAMETOOLONG: 'the name is too long: choose a shorter one',
  EMFILE: 'too many open files: raise `ulimit -n`',
  ELOOP: 'too many links in this path: mend them',
};

/** The expected error for a file that cannot be read or written: says what, where and what to do; other errors unchanged. */
export function fileFailure(what: string, path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof Failure) return error;
  return new Failure(
    `cannot ${what} ${shownPath(path)}: ${HINTS[code] ?? 'see the code'} (${code})`,
    EXIT.mend,
    {
      cause: error,
    },
  );
}

function shownPath(path: string): string {
  const shown = path.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  return shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}…` : shown;
}

function kindOf(facts: Stats): string {
  if (facts.isFIFO()) return 'a named pipe';
  return facts.isSocket() ? 'a socket' : 'a device';
}

function attempt<T>(what: string, path: string, deed: () => T): T {
  try {
    return deed();
  } catch (error) {
    throw fileFailure(what, path, error);
  }
}

/** The same, and undefined where what is asked for is not there. */
function unlessAbsent<T>(what: string, path: string, deed: () => T): T | undefined {
  try {
    return deed();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw fileFailure(what, path, error);
  }
}

/**
 * The file's text, or undefined where there is no such file. A pipe or a device is refused, since nobody knows whether it
 * ever ends; `pipes` takes them where somebody names one on purpose (`<(…)` of a shell).
 * @throws Failure where it cannot be read.
 */
export function readText(path: string, { pipes = false } = {}): string | undefined {
  const found = lookFor(path);
  if (found === 'absent') return undefined;
  if (found !== undefined && !pipes && !found.isFile() && !found.isDirectory())
    throw new Failure(
      `cannot read ${shownPath(path)}: it is ${kindOf(found)}, a file is needed: move it away`,
    );
  return unlessAbsent('read', path, () => readFileSync(path, 'utf8'));
}

/** The file's bytes, undefined where there is no file. */
export function readBytes(path: string): Buffer | undefined {
  return unlessAbsent('read', path, () => readFileSync(path));
}

/**
 * The same of a file that is replaced as a whole and never written to; this use is noted in its access time. Few calls and
 * no closures: what a process has not run before is compiled first, which takes longer than the reading.
 */
export function readUsed(path: string, usedMs: number): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const { size, mtimeMs } = fstatSync(fd);
    const bytes = Buffer.allocUnsafe(size);
    let end = 0;
    for (let more = 1; end < size && more > 0; end += more) more = readSync(fd, bytes, end, size - end, end);
    try {
      // By the descriptor: at the path there may be another file by now, whose times are not ours.
      futimesSync(fd, usedMs / 1000, mtimeMs / 1000);
    } catch (error) {
      // Where nothing may be written, nothing is noted.
      if (!['EROFS', 'EPERM', 'EACCES'].includes(errorCode(error) ?? '')) throw error;
    }
    return end === size ? bytes : bytes.subarray(0, end);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw fileFailure('read', path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Names in a folder, sorted; empty where there is no such folder. */
export function listDir(path: string): string[] {
  return lookFor(path) === 'absent' ? [] : (unlessAbsent('list', path, () => readdirSync(path).sort()) ?? []);
}

/**
 * What is at this path; absent where there is certainly nothing: it is not there, and what lies above it are folders that we
 * may look into; undefined where whoever reads it will say what is wrong. Asked first because most of these looks find
 * nothing, and an exception for that takes 40 to 100 µs in a loop that has just woken up.
 */
function lookFor(path: string): Stats | 'absent' | undefined {
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    return facts ?? (isSurelyAbsent(path) ? 'absent' : undefined);
  } catch {
    return undefined;
  }
}

/** Of a path at which nothing was found. */
function isSurelyAbsent(path: string): boolean {
  // `.` is found only in a folder.
  const isFolder = (at: string): boolean => existsSync(`${at}/.`);
  if (isFolder(dirname(path))) return true;
  for (let at = dirname(path); dirname(at) !== at; at = dirname(at)) if (existsSync(at)) return isFolder(at);
  return true;
}

/** Whether something is at this path (a dangling link counts as nothing). */
export function isThere(path: string): boolean {
  return existsSync(path);
}

/** What is at a path, or undefined where there is nothing (also below something that is no folder). */
export function fileFacts(path: string):
  | {
      readonly modifiedMs: number;
      readonly accessedMs: number;
      readonly bytes: number;
      readonly isDirectory: boolean;
      readonly isFile: boolean;
    }
  | undefined {
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) return undefined;
    return {
      modifiedMs: facts.mtimeMs,
      accessedMs: facts.atimeMs,
      bytes: facts.size,
      isDirectory: facts.isDirectory(),
      isFile: facts.isFile(),
    };
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw fileFailure('look at', path, error);
  }
}

/** By steps of our own: the recursive way of Node 20 never returns where the system says ENOENT of a folder that is there (/proc). */
function makeDirs(path: string): boolean {
  const isDir = (): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (existsSync(path) && isDir()) return false;
  if (dirname(path) !== path && !existsSync(dirname(path))) makeDirs(dirname(path));
  try {
    mkdirSync(path, { mode: DIR_MODE });
    return true;
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (errorCode(error) !== 'EEXIST' || !isDir()) throw error;
    return false;
  }
}

/** The file behind all links of a path; undefined where there is none. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw fileFailure('look at', path, error);
  }
}

/** The rights of a file, as chmod takes them; undefined where there is none. */
export function fileMode(path: string): number | undefined {
  return attempt('look at', path, () => {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode;
    return mode === undefined ? undefined : mode & 0o777;
  });
}

/** A new folder whose name begins so, for this user alone; whoever asks for it removes it. */
export function newFolder(prefix: string): string {
  return attempt('make the folder', prefix, () => mkdtempSync(prefix));
}

/** Makes a folder and its parents, readable by this user alone. Answers whether it was this call that made it. */
export function ensureDir(path: string): boolean {
  return attempt('make the folder', path, () => makeDirs(path));
}

let sequence = 0;

/** A name beside `path` that no other process or call uses. */
function temporaryName(path: string): string {
  sequence += 1;
  return `${path}.${process.pid}.${process.hrtime.bigint().toString(36)}.${sequence}.tmp`;
}

/** Times that a file shall bear, epoch milliseconds. */
export interface FileTimes {
  readonly accessedMs: number;
  readonly modifiedMs: number;
}

function writeNew(
  path: string,
  content: string | Uint8Array,
  mode: number,
  durable: boolean,
  times?: FileTimes,
): void {
  const fd = openSync(path, 'wx', mode);
  try {
    const data = typeof content === 'string' ? Buffer.from(content) : content;
    for (let written = 0; written < data.length;) written += writeSync(fd, data, written);
    if (times) futimesSync(fd, times.accessedMs / 1000, times.modifiedMs / 1000);
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces the file as a whole: readers see the old text or the new one, never a part.
 * `durable` also survives a power cut (fsync: twice the time); leave it out for state that a reboot voids anyway.
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; durable?: boolean; times?: FileTimes } = {},
): void {
  const temporary = temporaryName(path);
  attempt('write', path, () => {
    const write = (): void =>
      writeNew(temporary, content, options.mode ?? FILE_MODE, options.durable ?? false, options.times);
    try {
      try {
        write();
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error;
        ensureDir(dirname(path));
        write();
      }
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
}

/** Creates the file; false where one is there already (whose text then stays as it is). */
export function createFile(path: string, text: string, mode: number = FILE_MODE): boolean {
  const temporary = temporaryName(path);
  return attempt('write', path, () => {
    ensureDir(dirname(path));
    try {
      writeNew(temporary, text, mode, true);
      linkSync(temporary, path);
      return true;
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    } finally {
      rmSync(temporary, { force: true });
    }
  });
}

/** Appends one line by a single write. Records under 1 KB are not torn by a kill; readers must skip a torn last line all the same. */
export function appendLine(path: string, line: string, options: { mode?: number } = {}): void {
  appendText(path, `${line}\n`, options);
}

/** Appends a text as it is, by a single write. */
export function appendText(path: string, text: string, options: { mode?: number } = {}): void {
  let fd: number | undefined;
  try {
    fd = openAppend(path, 'a', options.mode);
    let written = writeSync(fd, text);
    if (written === text.length) return;
    for (const data = Buffer.from(text); written < data.length;) written += writeSync(fd, data, written);
  } catch (error) {
    throw fileFailure('append to', path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * Appends whole lines by one write, on a line of their own even behind the half line of a killed writer, and answers the
 * file's size. Where the file was moved away between the opening and the write, answers the text of that file instead:
 * whoever moved it may have read it before our lines were there.
 */
export function appendWhole(
  path: string,
  lines: string,
): { readonly bytes: number } | { readonly movedText: string } {
  return attempt('append to', path, () => {
    const fd = openAppend(path, 'a+');
    try {
      const { size } = fstatSync(fd);
      const last = Buffer.alloc(1, 10);
      if (size > 0) readSync(fd, last, 0, 1, size - 1);
      const data = Buffer.from(last[0] === 10 ? lines : `\n${lines}`);
      for (let written = 0; written < data.length;) written += writeSync(fd, data, written);
      const there = statSync(path, { throwIfNoEntry: false });
      const { dev, ino } = fstatSync(fd);
      if (there?.ino === ino && there.dev === dev) return { bytes: there.size };
      const text = Buffer.alloc(fstatSync(fd).size);
      const bytes = readSync(fd, text, 0, text.length, 0);
      return { movedText: text.toString('utf8', 0, bytes) };
    } finally {
      closeSync(fd);
    }
  });
}

function openAppend(path: string, flags: 'a' | 'a+', mode: number = FILE_MODE): number {
  try {
    return openSync(path, flags, mode);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    ensureDir(dirname(path));
    return openSync(path, flags, mode);
  }
}

/** Changes whenever the file at this path is replaced, moved or written to; undefined where there is none. */
export function fileMark(path: string): string | undefined {
  const facts = attempt('look at', path, () => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return facts && `${facts.dev} ${facts.ino} ${facts.size} ${facts.mtimeNs}`;
}

/** Whether the file is missing, empty, or ends in a newline: otherwise a writer was killed inside its last line. */
export function endsInNewline(path: string): boolean {
  return attempt('read', path, () => {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0) return true;
    const fd = openSync(path, 'r');
    try {
      const last = Buffer.alloc(1);
      readSync(fd, last, 0, 1, size - 1);
      return last[0] === 10;
    } finally {
      closeSync(fd);
    }
  });
}

/** Opens a file that a child shall write by itself (append); the caller closes the descriptor after the start. */
export function openForChild(path: string): number {
  return attempt('write', path, () => openAppend(path, 'a'));
}

export { closeSync as closeDescriptor };

/** Renames; the target is replaced if it is there. */
export function moveFile(from: string, to: string): void {
  attempt('move', from, () => {
    makeDirs(dirname(to));
    renameSync(from, to);
  });
}

/** Removes a file; silent where there is none. Never follows into folders. */
export function removeFile(path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })) unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileFailure('remove', path, error);
  }
}

/** Removes a folder of ours with all that is in it (links are removed, not followed). */
export function removeTree(path: string): void {
  attempt('remove', path, () => {
    if (lstatSync(path, { throwIfNoEntry: false })) rmSync(path, { recursive: true, force: true });
  });
}

/** Puts a damaged file aside as NAME.damaged-TIME and answers where; nothing is written over. */
export function putAside(path: string, nowMs: number): string {
  const name = `${path}.damaged-${new Date(nowMs).toISOString().replace(/[:.]/g, '')}`;
  let aside = name;
  for (let again = 2; isThere(aside); again += 1) aside = `${name}-${again}`;
  moveFile(path, aside);
  return aside;
}

/** The newest `keep` of these names in a folder stay, the others go. Names must sort by age. */
export function keepNewest(dir: string, matches: (name: string) => boolean, keep: number): string[] {
  const old = listDir(dir)
    .filter(matches)
    .slice(0, -keep || undefined);
  for (const name of old) removeFile(join(dir, name));
  return old;
}
