/** Is the process that we once wrote down still the one that has its pid now? */
import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';

import { Failure, errorCode } from '../failure.ts';
import type { ProcessIdentity } from '../model.ts';
import { causeCode, isGone, readShortFile, unlessHidden } from './proc.ts';
import { parseStat } from './stat.ts';

/** Zombie and dead: the kernel still lists it, but it holds no memory and runs no more. */
const DEAD_STATES: ReadonlySet<string> = new Set(['Z', 'X', 'x']);

/**
 * Who has this pid now; undefined where nobody has it or we may not look. A zombie still has its identity.
 * Throws a Failure where the boot can't be told. `root` stands for `/`.
 */
export function readIdentity(pid: number, root = ''): ProcessIdentity | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const found = readStart(pid, root);
  if (found === 'hidden' || found === undefined) return undefined;
  return {
    bootId: readBootId(root),
    pidNamespace: readPidNamespace(root),
    pid,
    startTicks: found.startTicks,
  };
}

/** Whether nobody but perhaps a zombie has this pid; `false` also where somebody has it whom we may not look at. */
export function isVacant(pid: number, root = ''): boolean {
  const found = readStart(pid, root);
  return found !== 'hidden' && (found === undefined || DEAD_STATES.has(found.state));
}

/** Our own identity. Throws a Failure where /proc doesn't show it. */
export function readSelf(root = ''): ProcessIdentity {
  const pid = root === '' ? process.pid : parseInt(readShortFile(`${root}/proc/self/stat`), 10);
  const identity = readIdentity(pid, root);
  if (!identity) throw new Failure(`cannot read our own entry, /proc/${pid}/stat: is /proc mounted?`);
  return identity;
}

/**
 * Does this very process still run? false: another boot, nobody there, a zombie, or the pid went to somebody else.
 * undefined: can't be told, since the pid belongs to another pid namespace or /proc is hidden from us.
 */
export function isAlive(identity: ProcessIdentity, root = ''): boolean | undefined {
  if (identity.bootId !== readBootId(root)) return false;
  if (identity.pidNamespace !== readPidNamespace(root)) return undefined;
  const found = readStart(identity.pid, root);
  if (found === 'hidden') return undefined;
  return found !== undefined && found.startTicks === identity.startTicks && !DEAD_STATES.has(found.state);
}

type Start = { readonly state: string; readonly startTicks: number };

function readStart(pid: number, root: string): Start | 'hidden' | undefined {
  if (usesPs(root)) return parsePsStart(runQuietly('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]));
  const path = `${root}/proc/${pid}/stat`;
  let text: string;
  try {
    text = readShortFile(path);
  } catch (error) {
    if (['EACCES', 'EPERM'].includes(causeCode(error))) return 'hidden';
    if (!isGone(error)) throw error;
    return root === '' && isSomebodyElses(pid) ? 'hidden' : undefined;
  }
  const facts = parseStat(text);
  if (!facts) throw new Failure(`${path} can't be understood: ${JSON.stringify(text.slice(0, 60))}`);
  return facts;
}

/** With /proc mounted hidepid=2 another user's process looks absent, but signal 0 is refused rather than lost. */
function isSomebodyElses(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Neither changes while we live, and each start of an agent asks for both. */
let ownBootId: string | undefined;
let ownNamespace: { readonly id: string | undefined } | undefined;

function readBootId(root: string): string {
  if (root === '') return (ownBootId ??= findBootId(root));
  return findBootId(root);
}

function readPidNamespace(root: string): string | undefined {
  if (root === '') return (ownNamespace ??= { id: findPidNamespace(root) }).id;
  return findPidNamespace(root);
}

function findBootId(root: string): string {
  if (usesPs(root)) return readDarwinBoot();
  const path = `${root}/proc/sys/kernel/random/boot_id`;
  const text = unlessHidden(() => readShortFile(path))?.trim();
  if (!text)
    throw new Failure(`cannot read ${path}: without it a pid can't be told from one before a reboot`);
  return text;
}

function findPidNamespace(root: string): string | undefined {
  if (usesPs(root)) return undefined;
  try {
    return /^pid:\[(\d+)\]$/.exec(readlinkSync(`${root}/proc/self/ns/pid`))?.[1];
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function usesPs(root: string): boolean {
  return root === '' && process.platform !== 'linux';
}

function readDarwinBoot(): string {
  const text = runQuietly('sysctl', ['kern.bootsessionuuid', 'kern.boottime']);
  const boot = parseDarwinBoot(text);
  if (boot === undefined) throw new Failure('sysctl kern.bootsessionuuid and kern.boottime tell no boot');
  return boot;
}

/** macOS: the boot's own UUID where the system has it, else the second of the boot (which follows changes of the clock). */
export function parseDarwinBoot(text: string): string | undefined {
  const session = /^kern\.bootsessionuuid: ([0-9A-Fa-f-]{36})$/m.exec(text)?.[1];
  const second = /^kern\.boottime: \{ sec = (\d+),/m.exec(text)?.[1];
  return session ?? (second === undefined ? undefined : `boottime-${second}`);
}

/** One line of `TZ=UTC ps -o stat=,lstart=`: state and start in seconds since the epoch; undefined for an empty answer. */
export function parsePsStart(text: string): Start | undefined {
  const match = /^\s*(\S)\S*\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]{8}\s+\d{4})\s*$/.exec(text);
  if (!match) return undefined;
  const [, state = '', start = ''] = match;
  const startMs = Date.parse(`${start} UTC`);
  return Number.isNaN(startMs) ? undefined : { state, startTicks: startMs / 1000 };
}

/** stdout of a tool that ends with a code other than 0 when it finds nothing. */
function runQuietly(command: string, words: readonly string[]): string {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  try {
    return execFileSync(command, words, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    if (error instanceof Error && 'stdout' in error && typeof error.stdout === 'string') return error.stdout;
    throw new Failure(`cannot run ${command}`, undefined, { cause: error });
  }
}
