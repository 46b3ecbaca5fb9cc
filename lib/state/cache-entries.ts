/** How does an entry of the prompt cache lie on disk? One file each, whole or not at all, changed under one lock, read without it. */
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { fileFacts, listDir, readUsed, removeFile, replaceFile } from '../files.ts';
import { tryLock, withLock, type Liveness } from '../lock.ts';

const VERSION = 1;
const ADDRESS = /^[0-9a-f]{64}$/;
const KEY_MARK = Buffer.from('key\0');
const CONTENT_KEY = /^sha256-([0-9a-f]{64})$/;
/** The header is one line of less than this. */
const LONGEST_HEADER = 512;

/** An entry as its file shows it without being read: the access time is its last use, the modification time its end. */
export interface EntryFacts {
  readonly address: string;
  /** Of the whole file. */
  readonly bytes: number;
  readonly expiresMs: number;
  readonly usedMs: number;
}

/** What a file holds; `undefined` is a value like others, and not the same as no entry. */
export interface EntryContent {
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly value: Buffer | undefined;
}

/** What stands at an address: nothing, a whole entry, or a file that is none. */
export type FoundEntry =
  { readonly state: 'absent' } | { readonly state: 'damaged' } | ({ readonly state: 'whole' } & EntryContent);

/** The folder of the cache in a state folder. */
export function cacheDir(stateDir: string): string {
  return join(stateDir, 'prompt-cache');
}

/** Where what is kept under this key lies: SHA-256 in hex. `sha256-HEX` names a content by itself. */
export function addressOf(key: string | Uint8Array): string {
  const content = typeof key === 'string' ? CONTENT_KEY.exec(key)?.[1] : undefined;
  // Names and contents are told apart, so that nobody can put something else under a content's address.
  return content ?? digestOf(Buffer.concat([KEY_MARK, typeof key === 'string' ? Buffer.from(key) : key]));
}

/** Whether this key names a content by its digest. */
export function isContentKey(key: string | Uint8Array): boolean {
  return typeof key === 'string' && CONTENT_KEY.test(key);
}

/** The key of a content that is kept under itself: `sha256-HEX`. */
export function contentKey(value: Uint8Array): string {
  return `sha256-${digestOf(value)}`;
}

/** The file's bytes for an entry: what counts against the limit. */
export function packEntry({
  createdMs,
  expiresMs,
  value,
}: Omit<EntryContent, 'value'> & { readonly value: Uint8Array | undefined }): Buffer {
  const header = {
    version: VERSION,
    createdMs,
    expiresMs,
    bytes: value?.length,
    sha256: value && digestOf(value),
  };
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  return value === undefined ? line : Buffer.concat([line, value]);
}

/**
 * What is kept at an address, whole by its digest; notes the use. Without the lock: a file appears whole or not at all.
 */
export function readEntry(dir: string, address: string, nowMs: number): FoundEntry {
  const bytes = readUsed(entryPath(dir, address), nowMs);
  if (bytes === undefined) return { state: 'absent' };
  const content = unpackEntry(bytes);
  return content === undefined ? { state: 'damaged' } : { state: 'whole', ...content };
}

/** All entries, without the lock: good for showing. */
export function listEntries(dir: string): EntryFacts[] {
  return listDir(entriesDir(dir))
    .filter((name) => ADDRESS.test(name))
    .flatMap((address) => {
      const facts = fileFacts(entryPath(dir, address));
      // Evicted between two looks.
      if (facts?.isFile !== true) return [];
      return [{ address, bytes: facts.bytes, expiresMs: facts.modifiedMs, usedMs: facts.accessedMs }];
    });
}

/**
 * Runs `change` while nobody else writes, after what a killed writer left is gone.
 * @throws Failure (75) when the lock does not come free in time.
 */
export function changeEntries<T>(dir: string, liveness: Liveness, change: () => T, waitMs?: number): T {
  const deed = (): T => {
    removeLeftovers(dir);
    return change();
  };
  return withLock(cacheLockPath(dir), liveness, deed, waitMs === undefined ? {} : { waitMs });
}

/** The same if nobody has the lock; else nothing. Never waits. */
export function tryChangeEntries(dir: string, liveness: Liveness, change: () => void): void {
  const lock = tryLock(cacheLockPath(dir), liveness);
  if (!('release' in lock)) return;
  try {
    removeLeftovers(dir);
    change();
  } finally {
    lock.release();
  }
}

/** Only the holder of the lock writes among the entries: what is none was left by a dead one. */
function removeLeftovers(dir: string): void {
  for (const name of listDir(entriesDir(dir)))
    if (!ADDRESS.test(name)) removeFile(join(entriesDir(dir), name));
}

/** Puts a packed entry in its place; under the lock. */
export function writeEntry(
  dir: string,
  address: string,
  packed: Buffer,
  times: Omit<EntryContent, 'value'>,
): void {
  replaceFile(entryPath(dir, address), packed, {
    times: { accessedMs: times.createdMs, modifiedMs: times.expiresMs },
  });
}

/** Removes these entries; under the lock. Answers how many bytes their files held, as found right before. */
export function removeEntries(dir: string, addresses: readonly string[]): number {
  return addresses.reduce((sum, address) => {
    const path = entryPath(dir, address);
    const bytes = fileFacts(path)?.bytes ?? 0;
    removeFile(path);
    return sum + bytes;
  }, 0);
}

function cacheLockPath(dir: string): string {
  return join(dir, 'lock');
}

function entriesDir(dir: string): string {
  return join(dir, 'entries');
}

function entryPath(dir: string, address: string): string {
  return join(dir, 'entries', address);
}

/** undefined for what was torn, changed, or written by another version. */
function unpackEntry(bytes: Buffer): EntryContent | undefined {
  let end = 0;
  while (end < LONGEST_HEADER && bytes[end] !== 10) end += 1;
  const header = parseHeader(bytes.toString('utf8', 0, end));
  if (header === undefined) return undefined;
  const { createdMs, expiresMs, sha256 } = header;
  const value = bytes.subarray(end + 1);
  if (sha256 === undefined)
    return value.length === 0 ? { createdMs, expiresMs, value: undefined } : undefined;
  return hash('sha256', value) === sha256 ? { createdMs, expiresMs, value } : undefined;
}

function parseHeader(
  text: string,
): { createdMs: number; expiresMs: number; sha256: string | undefined } | undefined {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof header !== 'object' || header === null) return undefined;
  const { version, createdMs, expiresMs, sha256 } = header as Record<string, unknown>;
  if (version !== VERSION || typeof createdMs !== 'number' || typeof expiresMs !== 'number') return undefined;
  if (sha256 !== undefined && typeof sha256 !== 'string') return undefined;
  return { createdMs, expiresMs, sha256 };
}

function digestOf(value: Uint8Array): string {
  // A third of the time of createHash at its first call in a process.
  return hash('sha256', value);
}
