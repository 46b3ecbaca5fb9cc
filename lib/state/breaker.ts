/** How is the circuit breaker kept, so that all processes of the machine see one and the same? One versioned file under a lock of its own. */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import { putAside, readText, removeFile, replaceFile } from '../files.ts';
import { withLock, type Liveness } from '../lock.ts';
import type { BreakerHold, BreakerProbe, BreakerState, ProcessIdentity } from '../model.ts';
import { breakerPath } from './paths.ts';

const VERSION = 1;
/** The furthest from 1970 that a date can be, milliseconds. */
const LAST_MS = 8.64e15;

/** What stands in the file: nothing (closed), a state, or a text that is none. */
export type FoundBreaker =
  { readonly state: BreakerState | undefined } | { readonly damage: string; readonly state?: never };

/** The breaker's lock in a state folder. */
export function breakerLockPath(stateDir: string): string {
  return join(stateDir, 'breaker.lock');
}

/** The breaker as it is, without the lock. @throws Failure (2) if the file cannot be read or a newer version wrote it. */
export function readBreaker(stateDir: string): FoundBreaker {
  const path = breakerPath(stateDir);
  const text = readText(path);
  if (text === undefined) return { state: undefined };
  try {
    return { state: parseBreaker(text, path) };
  } catch (error) {
    if (error instanceof Failure) throw error;
    return { damage: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Reads, changes and writes the breaker while nobody else can. `change` gets undefined where there is no file, and answers
 * undefined where none is needed; the same object: nothing is written. A damaged file is kept aside, and `change` gets what
 * `mistrust` makes of it: ignoring the damage could wave agents into a machine that just ran out, and refusing until
 * somebody looks would stop all work for one torn file.
 * @throws Failure (2) for a file that cannot be read, changed, or was written by a newer version; (75) when the lock does not come free.
 */
export function updateBreaker(
  stateDir: string,
  liveness: Liveness,
  mistrust: (damage: string, aside: string) => BreakerState,
  change: (state: BreakerState | undefined) => BreakerState | undefined,
): void {
  const path = breakerPath(stateDir);
  withLock(breakerLockPath(stateDir), liveness, () => {
    const found = readBreaker(stateDir);
    const before = 'damage' in found ? mistrust(found.damage, putAside(path, Date.now())) : found.state;
    const after = change(before);
    if (after === before && !('damage' in found)) return;
    if (after === undefined) removeFile(path);
    // What somebody asked for by hand outlives a power cut; all else speaks of processes, which do not.
    else replaceFile(path, breakerText(after), { durable: after.hold !== undefined });
  });
}

/** The file's text: the same for the same state, whoever writes it. */
export function breakerText({
  phase,
  sinceMs,
  openMs,
  rounds,
  eventsMs,
  reason,
  probe,
  hold,
}: BreakerState): string {
  const state = { version: VERSION, phase, sinceMs, openMs, rounds, eventsMs, reason, probe, hold };
  return `${JSON.stringify(state)}\n`;
}

/** @throws Error that says what is wrong with the text; Failure (2) for one of a newer version. */
function parseBreaker(text: string, path: string): BreakerState {
  const value = record(JSON.parse(text), 'the file');
  const { version, phase, eventsMs } = value;
  if (typeof version === 'number' && version > VERSION) {
    throw new Failure(
      `${path} was written by a newer version (${version}, this one knows ${VERSION}): update this toolkit`,
      EXIT.mend,
    );
  }
  if (version !== VERSION) throw new Error('its version is missing');
  if (phase !== 'closed' && phase !== 'open' && phase !== 'half-open') throw new Error('phase is none');
  if (!Array.isArray(eventsMs)) throw new Error('eventsMs is no list');
  return {
    phase,
    sinceMs: time(value['sinceMs'], 'sinceMs'),
    openMs: time(value['openMs'], 'openMs'),
    rounds: time(value['rounds'], 'rounds'),
    eventsMs: eventsMs.map((event: unknown) => time(event, 'eventsMs')),
    reason: optional(value['reason'], (reason) => words(reason, 'reason')),
    probe: phase === 'half-open' ? optional(value['probe'], parseProbe) : undefined,
    hold: optional(value['hold'], parseHold),
  };
}

function parseProbe(value: unknown): BreakerProbe {
  const probe = record(value, 'probe');
  return {
    id: words(probe['id'], 'probe.id'),
    owner: optional(probe['owner'], parseIdentity),
    sinceMs: time(probe['sinceMs'], 'probe.sinceMs'),
    untilMs: time(probe['untilMs'], 'probe.untilMs'),
  };
}

function parseHold(value: unknown): BreakerHold {
  const hold = record(value, 'hold');
  return {
    by: words(hold['by'], 'hold.by'),
    reason: optional(hold['reason'], (reason) => words(reason, 'hold.reason')),
    sinceMs: time(hold['sinceMs'], 'hold.sinceMs'),
    untilMs: optional(hold['untilMs'], (until) => time(until, 'hold.untilMs')),
  };
}

function parseIdentity(value: unknown): ProcessIdentity {
  const owner = record(value, 'probe.owner');
  return {
    bootId: words(owner['bootId'], 'probe.owner.bootId'),
    pidNamespace: optional(owner['pidNamespace'], (name) => words(name, 'probe.owner.pidNamespace')),
    pid: time(owner['pid'], 'probe.owner.pid'),
    startTicks: time(owner['startTicks'], 'probe.owner.startTicks'),
  };
}

function optional<T>(value: unknown, parse: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : parse(value);
}

function words(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is no text`);
  return value;
}

/** A number that is not below zero and, as milliseconds since 1970, is a date. */
function time(value: unknown, what: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= LAST_MS)) throw new Error(`${what} is no number`);
  return value;
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}
