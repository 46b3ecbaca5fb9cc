/** Who may change a state file now? A lock that survives `kill -9` of its holder and is never stolen from a living one. */
import {
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { EXIT, Failure, errorCode } from './failure.ts';
import { ensureDir, fileFailure } from './files.ts';
import { dirname } from 'node:path';
import type { ProcessIdentity } from './model.ts';

/** What a lock has to know of processes. */
export interface Liveness {
  readonly self: ProcessIdentity;
  /** undefined: it cannot be told from here (another pid namespace). */
  readonly isAlive: (identity: ProcessIdentity) => boolean | undefined;
}

interface Holder {
  readonly token: string;
  readonly identity: ProcessIdentity | undefined;
}

/** A lock that is held; give it back with `release`. */
export interface HeldLock {
  readonly path: string;
  readonly release: () => void;
}

/** A holder that cannot be checked from here is taken for dead after this long: our critical sections last milliseconds. */
const UNCHECKED_MS = 60_000;
const DEFAULT_WAIT_MS = 30_000;
const MOST_VANISHED = 100;

/**
 * Takes the lock if it is free or its holder is dead, else answers who holds it.
 *
 * The lock is a file made by link(2), so it appears whole or not at all; it names the process that holds it. A lock
 * whose holder is dead is taken over under a second lock named after that holder's token: whoever has it checks that
 * the dead holder's token still stands in the lock and only then replaces it, so two contenders can never both take
 * over, and a contender that is late cannot remove the lock of the one who won. A contender killed in the middle leaves
 * a dead second lock, which is taken over by the same rule.
 */
export function tryLock(
  path: string,
  liveness: Liveness,
): HeldLock | { readonly holder: ProcessIdentity | undefined } {
  // In a crowd nearly every attempt fails: to look first spares it the making and removing of a file.
  const seen = look(path, liveness);
  if (seen && !seen.dead) return { holder: seen.holder.identity };
  const ticket = openTicket(path, liveness);
  try {
    return tryTicket(ticket, liveness);
  } finally {
    closeTicket(ticket);
  }
}

/** A file that names us, to be linked to the lock again and again: for who takes the same lock hundreds of times. */
export interface LockTicket {
  readonly path: string;
  token: string;
  mine: string;
}

/**
 * Writes a ticket for a lock, to be used by `withLock`; give it back with `closeTicket`. Its token is used for one taking after
 * the other as long as none was lost: where another took us for dead, the next taking has a new token, so that whoever still
 * believes the old one to be dead cannot rob it. @throws Failure where the ticket cannot be written.
 */
export function openTicket(path: string, liveness: Liveness): LockTicket {
  const ticket = { path, token: '', mine: '' };
  renewTicket(ticket, liveness);
  return ticket;
}

function renewTicket(ticket: LockTicket, liveness: Liveness): void {
  const token = newToken();
  if (ticket.mine !== '') removeQuietly(ticket.mine);
  const mine = `${ticket.path}.${process.pid}.${token}.tmp`;
  Object.assign(ticket, { token, mine });
  try {
    writeFileSync(mine, JSON.stringify({ token, identity: liveness.self }), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    // Refused at once, nothing of ours was made; its removal would be refused, too, and hide why.
    if (errorCode(error) !== 'EACCES') removeQuietly(mine);
    throw fileFailure('lock', ticket.path, error);
  }
}

/** Removes the ticket's file; the lock must not be held with it. */
export function closeTicket({ mine }: LockTicket): void {
  removeQuietly(mine);
}

function tryTicket(
  { path, token, mine }: LockTicket,
  liveness: Liveness,
): HeldLock | { readonly holder: ProcessIdentity | undefined } {
  const held: HeldLock = { path, release: () => void release(path, token) };
  try {
    for (let vanished = 0; ;) {
      if (linkOnce(mine, path)) return held;
      const holder = readHolder(path);
      if (holder === undefined) {
        // Given back just now; again and again it is a link that leads nowhere, which the caller must not wait for in here.
        vanished += 1;
        if (vanished >= MOST_VANISHED) return { holder: undefined };
        continue;
      }
      if (!isDead(holder, path, liveness)) return { holder: holder.identity };

      const takeover = tryLock(`${path}.${holder.token}`, liveness);
      if (!('release' in takeover)) return { holder: takeover.holder };
      try {
        if (readHolder(path)?.token !== holder.token) continue;
        renameSync(mine, path);
        return held;
      } finally {
        takeover.release();
      }
    }
  } catch (error) {
    throw fileFailure('lock', path, error);
  }
}

/**
 * `tryLock` with a ticket, which is tried at once: who has one is alone with the lock most of the time. Not while the lock is
 * held with it already.
 */
export function tryLockWith(ticket: LockTicket, liveness: Liveness): ReturnType<typeof tryLock> {
  freshen(ticket, liveness);
  const lock = tryTicket(ticket, liveness);
  if (!('release' in lock)) return lock;
  return {
    path: lock.path,
    release: () => {
      // Lost while we held it: somebody took us for dead.
      if (!releaseTicket(ticket)) renewTicket(ticket, liveness);
    },
  };
}

/** The lock's age is that of its file, and a link is as old as what it links; a take-over moves the ticket away. */
function freshen(ticket: LockTicket, liveness: Liveness): void {
  const now = Date.now() / 1000;
  try {
    utimesSync(ticket.mine, now, now);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileFailure('lock', ticket.path, error);
    ensureDir(dirname(ticket.path));
    renewTicket(ticket, liveness);
  }
}

/**
 * Runs `deed` while holding the lock; other processes wait for at most `waitMs`.
 * @throws Failure (75) naming the holder when it does not come free in time.
 */
export function withLock<T>(
  path: string,
  liveness: Liveness,
  deed: () => T,
  { waitMs = DEFAULT_WAIT_MS, ticket }: { waitMs?: number; ticket?: LockTicket | undefined } = {},
): T {
  if (!ticket) ensureDir(dirname(path));
  const deadline = process.hrtime.bigint() + BigInt(Math.round(waitMs * 1e6));
  for (let round = 0; ; round += 1) {
    const lock = ticket ? tryLockWith(ticket, liveness) : tryLock(path, liveness);
    if ('release' in lock) {
      try {
        return deed();
      } finally {
        lock.release();
      }
    }
    if (process.hrtime.bigint() > deadline) {
      const who = lock.holder ? `process ${lock.holder.pid}` : 'another process';
      throw new Failure(
        `${path} has been held by ${who} for ${waitMs / 1000} s; try again later`,
        EXIT.later,
      );
    }
    // Sleeps of unequal length, since equal ones would march in step, and growing: a critical section lasts a few
    // milliseconds, and a hundred callers that look every ten leave its holder no processor.
    sleep(Math.min(1 + round, 50) * (0.5 + Math.random()));
  }
}

/** 18 hexadecimal digits that no other contender has: V8 seeds its chance anew in each process. No secret, and node:crypto takes 3 ms to load. */
function newToken(): string {
  const digits = (): string =>
    Math.floor(Math.random() * 2 ** 36)
      .toString(16)
      .padStart(9, '0');
  return digits() + digits();
}

function look(path: string, liveness: Liveness): { holder: Holder; dead: boolean } | undefined {
  // Nearly always it is free, and an exception for that takes as long as all else.
  if (!existsSync(path)) return undefined;
  try {
    const holder = readHolder(path);
    return holder && { holder, dead: isDead(holder, path, liveness) };
  } catch (error) {
    throw fileFailure('lock', path, error);
  }
}

function linkOnce(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isHolder(value)) return value;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  // Links are made to complete files only, so a text that is none was left by a power cut: nobody holds it.
  return { token: 'torn', identity: undefined };
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null || !('token' in value) || !('identity' in value))
    return false;
  const { token, identity } = value;
  return (
    typeof token === 'string' &&
    /^[0-9a-f]{18}$/.test(token) &&
    typeof identity === 'object' &&
    identity !== null
  );
}

function isDead(holder: Holder, path: string, liveness: Liveness): boolean {
  if (holder.identity === undefined) return true;
  const alive = liveness.isAlive(holder.identity);
  if (alive !== undefined) return !alive;
  const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return since !== undefined && Date.now() - since > UNCHECKED_MS;
}

/** As `release`, where the lock is a second name of the ticket's file: a look at both costs less than reading it. */
function releaseTicket({ path, token, mine }: LockTicket): boolean {
  const own = statSync(mine, { throwIfNoEntry: false });
  // A take-over moved it to the lock's place.
  if (own === undefined) return release(path, token);
  const there = statSync(path, { throwIfNoEntry: false });
  if (own.ino !== there?.ino || own.dev !== there.dev) return false;
  removeQuietly(path);
  return true;
}

/** Gives it back; false: it was ours no more. */
function release(path: string, token: string): boolean {
  // Nobody takes a lock from the living, so what stands there is ours, unless someone removed it by hand.
  if (readHolder(path)?.token !== token) return false;
  removeQuietly(path);
  return true;
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // On a read-only disk nothing of ours can have been made.
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EROFS') throw error;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function sleep(ms: number): void {
  Atomics.wait(sleeper, 0, 0, ms);
}
