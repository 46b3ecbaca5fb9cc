/** What does one line of /proc/PID/stat or statm say? */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { Failure } from '../failure.ts';
import type { ProcessFacts } from '../model.ts';

/** What `stat` alone tells of a process; what it shares with others stands in `statm`. */
export type StatFacts = Omit<ProcessFacts, 'privateBytes'>;

/**
 * Reads the line of /proc/PID/stat; undefined for any other text. The name is what lies between the first `(` and the last
 * `)`, since a process may call itself `foo) Z 1`. Resident pages become bytes. Source: proc_pid_stat(5).
 */
export function parseStat(text: string): StatFacts | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const pid = Number(text.slice(0, open));
  const match = AFTER_NAME.exec(text.slice(close + 2));
  if (!match || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const [, state = '', ...numbers] = match;
  const [parentPid = 0, groupId = 0, sessionId = 0, startTicks = 0, residentPages = 0] = numbers.map(Number);
  const comm = text.slice(open + 1, close);
  return {
    pid,
    parentPid,
    groupId,
    sessionId,
    startTicks,
    comm,
    state,
    residentBytes: residentPages * pageBytes(),
  };
}

/** Fields 3 to 6, 22 and 24 of the manual page; a group may be -1 and a parent 0: somebody of another namespace. */
const AFTER_NAME = /^([A-Za-z]) (\d+) (-?\d+) (-?\d+) (?:\S+ ){15}(\d+) \d+ (\d+)(?=\s|$)/;

/** Memory of one process. */
export interface StatmFacts {
  readonly residentBytes: number;
  /** Resident less shared with files: about what ending it would free. */
  readonly privateBytes: number;
  /** false for a zombie (and a kernel thread): it has no address space any more. */
  readonly hasMemory: boolean;
}

/** Reads the line of /proc/PID/statm; undefined for any other text. Source: proc_pid_statm(5). */
export function parseStatm(text: string): StatmFacts | undefined {
  const match = /^(\d+) (\d+) (\d+)(?: |$)/.exec(text);
  if (!match) return undefined;
  const [, size = 0, resident = 0, shared = 0] = match.map(Number);
  return {
    residentBytes: resident * pageBytes(),
    privateBytes: Math.max(0, resident - shared) * pageBytes(),
    hasMemory: size > 0,
  };
}

/** As os.endianness() says, without loading node:os for it. */
function ownOrder(): 'LE' | 'BE' {
  return new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 'LE' : 'BE';
}

let knownPageBytes: number | undefined;

/** The size of a page of this machine, asked once: 4096 on x86, up to 65536 on ARM and POWER. */
export function pageBytes(): number {
  return (knownPageBytes ??= pageBytesFromAuxv(readAuxv()) ?? askPageBytes());
}

function readAuxv(): Buffer {
  try {
    return readFileSync('/proc/self/auxv');
  } catch {
    return Buffer.alloc(0);
  }
}

/** The value of AT_PAGESZ (6) in an auxiliary vector of 64-bit words; undefined where it has none. Source: getauxval(3). */
export function pageBytesFromAuxv(auxv: Buffer, order: 'LE' | 'BE' = ownOrder()): number | undefined {
  const word = (at: number) => Number(order === 'LE' ? auxv.readBigUInt64LE(at) : auxv.readBigUInt64BE(at));
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (word(at) === 6) return isPageSize(word(at + 8)) ? word(at + 8) : undefined;
  }
  return undefined;
}

function askPageBytes(): number {
  const bytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));
  if (!isPageSize(bytes)) throw new Failure('neither /proc/self/auxv nor getconf tells the size of a page');
  return bytes;
}

function isPageSize(bytes: number): boolean {
  return bytes >= 4096 && bytes <= 1024 * 1024 && Number.isInteger(Math.log2(bytes));
}
