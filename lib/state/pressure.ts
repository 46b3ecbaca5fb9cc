/** What was the level of memory pressure, and what was done about it last? One small file for the machine. */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import { ensureDir, putAside, readText, replaceFile } from '../files.ts';
import { tryLock, withLock, type HeldLock, type Liveness } from '../lock.ts';
import type { ProcessIdentity } from '../model.ts';

const LEVELS = ['normal', 'warning', 'critical'] as const;
const STATUSES = ['done', 'failed', 'timeout', 'stopped'] as const;

type Level = (typeof LEVELS)[number];

/** What one handler came to. */
export interface HandlerRecord {
  readonly name: string;
  readonly status: (typeof STATUSES)[number];
  /** Available memory of the machine right before and right after it. */
  readonly beforeBytes: number;
  readonly afterBytes: number;
  readonly tookMs: number;
  /** One line: what it did or why it failed. */
  readonly detail: string;
}

/** One handling: all handlers of a level, one after another. */
export interface HandlingRecord {
  readonly atMs: number;
  readonly level: Level;
  readonly levelAfter: Level;
  readonly results: readonly HandlerRecord[];
}

export interface PressureState {
  readonly version: 1;
  readonly level: Level;
  /** When somebody looked last: an old level says nothing about now. */
  readonly lookedMs: number;
  readonly last: HandlingRecord | undefined;
}

const VERSION = 1;
const NOTHING: PressureState = { version: VERSION, level: 'normal', lookedMs: 0, last: undefined };
/** After this long without a look the last level is forgotten: cron calls every few minutes. */
const FORGET_MS = 600_000;

/** The file in a state folder. */
export function pressurePath(stateDir: string): string {
  return join(stateDir, 'pressure.json');
}

/** What was found at the last look and done at the last handling. @throws Failure (2) for a damaged or newer file. */
export function loadPressure(stateDir: string): PressureState {
  const path = pressurePath(stateDir);
  const text = readText(path);
  return text === undefined ? NOTHING : parseState(text, path);
}

/** The level of the last look, undefined where that is too long ago to say anything. */
export function rememberedLevel({ level, lookedMs }: PressureState, nowMs: number): Level | undefined {
  const ageMs = nowMs - lookedMs;
  return ageMs >= 0 && ageMs <= FORGET_MS ? level : undefined;
}

/** Writes down a look, and a handling where there was one. @throws Failure (2) for a damaged or newer file, which stays. */
export function recordPressure(
  stateDir: string,
  liveness: Liveness,
  look: { readonly level: Level; readonly lookedMs: number; readonly last?: HandlingRecord },
): void {
  withLock(`${pressurePath(stateDir)}.lock`, liveness, () => {
    const before = loadPressure(stateDir);
    const after: PressureState = { ...before, ...look };
    replaceFile(pressurePath(stateDir), `${JSON.stringify(after)}\n`);
  });
}

/** Puts a damaged file aside and answers where; undefined where it is not damaged. @throws Failure (2) for a newer file. */
export function putDamagedAside(stateDir: string, liveness: Liveness, nowMs: number): string | undefined {
  return withLock(`${pressurePath(stateDir)}.lock`, liveness, () => {
    try {
      loadPressure(stateDir);
      return undefined;
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      return putAside(pressurePath(stateDir), nowMs);
    }
  });
}

/** The right to handle pressure: held for as long as handlers run; if somebody else has it, who. Never waits. */
export function takeHandling(
  stateDir: string,
  liveness: Liveness,
): HeldLock | { readonly holder: ProcessIdentity | undefined } {
  ensureDir(stateDir);
  return tryLock(join(stateDir, 'pressure-handling.lock'), liveness);
}

class DamagedFile extends Failure {}

function parseState(text: string, path: string): PressureState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(path, 'no JSON');
  }
  if (!isRecord(value)) throw damaged(path, 'it holds no object');
  const { version, level, lookedMs, last } = value;
  if (typeof version === 'number' && version > VERSION)
    throw new Failure(
      `${path} was written by a newer version (${version}, this one knows ${VERSION}): update this toolkit`,
      EXIT.mend,
    );
  if (version !== VERSION) throw damaged(path, 'its version is missing');
  return {
    version: VERSION,
    level: oneOf(LEVELS, level, 'level', path),
    lookedMs: numberOf(lookedMs, 'lookedMs', path),
    last: last === undefined ? undefined : parseHandling(last, path),
  };
}

function parseHandling(value: unknown, path: string): HandlingRecord {
  if (!isRecord(value) || !Array.isArray(value['results'])) throw damaged(path, 'last');
  return {
    atMs: numberOf(value['atMs'], 'last.atMs', path),
    level: oneOf(LEVELS, value['level'], 'last.level', path),
    levelAfter: oneOf(LEVELS, value['levelAfter'], 'last.levelAfter', path),
    results: value['results'].map((result: unknown) => parseResult(result, path)),
  };
}

function parseResult(value: unknown, path: string): HandlerRecord {
  if (!isRecord(value)) throw damaged(path, 'last.results');
  const { name, detail } = value;
  if (typeof name !== 'string' || typeof detail !== 'string') throw damaged(path, 'last.results');
  const number = (key: string): number => numberOf(value[key], `last.results.${key}`, path);
  return {
    name,
    status: oneOf(STATUSES, value['status'], 'last.results.status', path),
    beforeBytes: number('beforeBytes'),
    afterBytes: number('afterBytes'),
    tookMs: number('tookMs'),
    detail,
  };
}

function oneOf<T extends string>(words: readonly T[], value: unknown, where: string, path: string): T {
  const found = words.find((word) => word === value);
  if (found === undefined) throw damaged(path, where);
  return found;
}

function numberOf(value: unknown, where: string, path: string): number {
  if (typeof value !== 'number') throw damaged(path, where);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(path: string, what: string): Failure {
  return new DamagedFile(
    `${path} is damaged (${what}): \`memory-pressure handle\` puts it aside and starts a new one; nothing was changed`,
  );
}
