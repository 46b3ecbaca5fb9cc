/** Who holds a share of this machine's memory? One file of leases for all projects of a user, changed under one lock. */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import { readText, replaceFile } from '../files.ts';
import { withLock, type Liveness, type LockTicket } from '../lock.ts';
import type { ClientPlace, Lease, Mode, ProcessIdentity } from '../model.ts';

export interface Ledger {
  readonly version: 1;
  readonly leases: readonly Lease[];
  readonly holdSinceMs: number | undefined;
  readonly lastMemoryEventMs: number | undefined;
  /** Until when admissions are held for memory pressure; files from before there was such a hold have none. */
  readonly pressureHoldUntilMs?: number | undefined;
  /** The mode at the last admission; files from before it was kept have none. */
  readonly mode?: Mode | undefined;
}

const VERSION = 1;
const EMPTY: Ledger = { version: VERSION, leases: [], holdSinceMs: undefined, lastMemoryEventMs: undefined };

/** The ledger's file in a state folder. */
export function ledgerPath(stateDir: string): string {
  return join(stateDir, 'ledger.json');
}

/** The ledger's lock in a state folder. */
export function ledgerLockPath(stateDir: string): string {
  return join(stateDir, 'ledger.lock');
}

/** The ledger as it is, without the lock: good for showing, not for deciding. @throws Failure (2) if it is damaged or newer than this program. */
export function loadLedger(stateDir: string): Ledger {
  const path = ledgerPath(stateDir);
  const text = readText(path);
  if (text === undefined) return EMPTY;
  if (text !== lastText) {
    lastLedger = parseLedger(text, path);
    lastText = text;
  }
  return lastLedger;
}

/** The last text and what it says: a run that is alone reads again what it wrote, some dozen leases at every start of an agent. */
let lastText: string | undefined;
let lastLedger: Ledger = EMPTY;

/**
 * Reads, changes and writes the ledger while nobody else can. `change` returns the new ledger (the same object: nothing is
 * written) and an answer. Not fsynced: a power cut ends every process that a lease could speak of.
 * A ticket of the ledger's lock makes many changes of one process cheap.
 * @throws Failure (2) for a ledger that cannot be read, which is then left as it is; (75) when the lock does not come free.
 */
export function updateLedger<T>(
  stateDir: string,
  liveness: Liveness,
  change: (ledger: Ledger) => { ledger: Ledger; answer: T },
  ticket?: LockTicket,
): T {
  const deed = (): T => {
    const before = loadLedger(stateDir);
    const { ledger, answer } = change(before);
    if (ledger === before) return answer;
    const text = `${JSON.stringify(ledger)}\n`;
    replaceFile(ledgerPath(stateDir), text);
    lastText = text;
    lastLedger = ledger;
    return answer;
  };
  return withLock(ledgerLockPath(stateDir), liveness, deed, { ticket });
}

/** The same ledger with this lease added, or put in the place of the one with its id. */
export function withLease(ledger: Ledger, lease: Lease): Ledger {
  return { ...ledger, leases: [...ledger.leases.filter(({ id }) => id !== lease.id), lease] };
}

/** The same ledger without the leases of these ids; the same object if there are none. */
export function withoutLeases(ledger: Ledger, ids: ReadonlySet<string>): Ledger {
  const leases = ledger.leases.filter(({ id }) => !ids.has(id));
  return leases.length === ledger.leases.length ? ledger : { ...ledger, leases };
}

/** The same ledger with what an admission wants remembered; the same object if nothing changed. */
export function remember(
  ledger: Ledger,
  memory: Pick<Ledger, 'holdSinceMs' | 'lastMemoryEventMs' | 'mode'>,
): Ledger {
  const { holdSinceMs, lastMemoryEventMs, mode } = memory;
  const same =
    ledger.holdSinceMs === holdSinceMs &&
    ledger.lastMemoryEventMs === lastMemoryEventMs &&
    ledger.mode === mode;
  return same ? ledger : { ...ledger, holdSinceMs, lastMemoryEventMs, mode };
}

/** The same ledger with admissions held until then, or with no such hold; the same object if nothing changed. */
export function withPressureHold(ledger: Ledger, untilMs: number | undefined): Ledger {
  return ledger.pressureHoldUntilMs === untilMs ? ledger : { ...ledger, pressureHoldUntilMs: untilMs };
}

function parseLedger(text: string, path: string): Ledger {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(path, error instanceof Error ? error.message : 'no JSON');
  }
  if (!isRecord(value)) throw damaged(path, 'it holds no object');
  const { version, leases } = value;
  if (typeof version === 'number' && version > VERSION) {
    throw new Failure(
      `${path} was written by a newer version (${version}, this one knows ${VERSION}): update this toolkit`,
      EXIT.mend,
    );
  }
  if (version !== VERSION) throw damaged(path, 'its version is missing');
  if (!Array.isArray(leases)) throw damaged(path, 'its leases are missing');
  return {
    version: VERSION,
    leases: leases.map((lease: unknown, at) => parseLease(lease, `lease ${at + 1}`, path)),
    holdSinceMs: optional(value['holdSinceMs'], 'number', 'holdSinceMs', path),
    lastMemoryEventMs: optional(value['lastMemoryEventMs'], 'number', 'lastMemoryEventMs', path),
    pressureHoldUntilMs: optional(value['pressureHoldUntilMs'], 'number', 'pressureHoldUntilMs', path),
    mode: parseMode(value['mode'], path),
  };
}

function parseMode(value: unknown, path: string): Mode | undefined {
  if (value === undefined || MODES.some((mode) => mode === value)) return value as Mode | undefined;
  throw damaged(path, 'mode');
}

const MODES: readonly Mode[] = ['full_parallel', 'limited_parallel', 'sequential'];

function parseLease(value: unknown, where: string, path: string): Lease {
  if (!isRecord(value)) throw damaged(path, `${where} is no object`);
  const number = (key: string): number => required(value[key], 'number', `${where}, ${key}`, path);
  const text = (key: string): string => required(value[key], 'string', `${where}, ${key}`, path);
  const role = text('role');
  const state = text('state');
  if (role !== 'agent' && role !== 'subagent' && role !== 'coordinator')
    throw damaged(path, `${where}, role`);
  if (state !== 'starting' && state !== 'running' && state !== 'paused')
    throw damaged(path, `${where}, state`);
  return {
    id: text('id'),
    role,
    owner: parseIdentity(value['owner'], `${where}, owner`, path),
    runner: parseIdentity(value['runner'], `${where}, runner`, path),
    project: text('project'),
    epic: optional(value['epic'], 'string', `${where}, epic`, path),
    key: text('key'),
    kind: text('kind'),
    estimateBytes: number('estimateBytes'),
    limitBytes: optional(value['limitBytes'], 'number', `${where}, limitBytes`, path),
    heapMb: optional(value['heapMb'], 'number', `${where}, heapMb`, path),
    baseBytes: number('baseBytes'),
    sinceMs: number('sinceMs'),
    expiresMs: optional(value['expiresMs'], 'number', `${where}, expiresMs`, path),
    renewedMs: number('renewedMs'),
    state,
    peakBytes: optional(value['peakBytes'], 'number', `${where}, peakBytes`, path),
    ...(value['client'] !== undefined && { client: parsePlace(value['client'], `${where}, client`, path) }),
  };
}

function parsePlace(value: unknown, where: string, path: string): ClientPlace {
  if (!isRecord(value)) throw damaged(path, where);
  return {
    session: required(value['session'], 'string', where, path),
    call: optional(value['call'], 'string', where, path),
    agent: optional(value['agent'], 'string', where, path),
    parent: optional(value['parent'], 'string', where, path),
    ...(value['hasEnded'] === true && { hasEnded: true }),
  };
}

function parseIdentity(value: unknown, where: string, path: string): ProcessIdentity | undefined {
  if (value === undefined) return undefined;
  if (!isRecord(value)) throw damaged(path, where);
  return {
    bootId: required(value['bootId'], 'string', where, path),
    pidNamespace: optional(value['pidNamespace'], 'string', where, path),
    pid: required(value['pid'], 'number', where, path),
    startTicks: required(value['startTicks'], 'number', where, path),
  };
}

interface Types {
  readonly string: string;
  readonly number: number;
}

function required<K extends keyof Types>(value: unknown, type: K, where: string, path: string): Types[K] {
  const found = optional(value, type, where, path);
  if (found === undefined) throw damaged(path, `${where} is missing`);
  return found;
}

function optional<K extends keyof Types>(
  value: unknown,
  type: K,
  where: string,
  path: string,
): Types[K] | undefined {
  if (value === undefined) return undefined;
  const isEndless = typeof value === 'number' && !Number.isFinite(value);
  if (typeof value !== type || isEndless) throw damaged(path, `${where} is no ${type}`);
  return value as Types[K];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(path: string, what: string): Failure {
  return new Failure(
    `${path} is damaged (${what.slice(0, 120).replace(/[^\x20-\x7e]/g, '?')}): \`memory-monitor cleanup\` puts it aside and starts a new one; nothing was changed`,
  );
}
