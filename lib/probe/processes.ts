/** Which processes are there, how large is each, and what do they carry? */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

import { Failure } from '../failure.ts';
import type { ProcessFacts, ProcessTable } from '../model.ts';
import { KIB } from '../units.ts';
import { readShortFile, readWholeFile, unlessHidden } from './proc.ts';
import { parseStat, parseStatm } from './stat.ts';
import type { StatFacts } from './stat.ts';

/**
 * All processes now, by pid, bytes; those that end meanwhile or that we may not see are left out.
 * Where there is no /proc (macOS) through `ps`. `root` stands for `/`. Throws a Failure where no process can be listed.
 */
export function readProcessTable(root = ''): ProcessTable {
  if (root === '' && process.platform !== 'linux') return parsePsTable(runPs());
  const table = new Map<number, ProcessFacts>();
  for (const facts of readStatTable(root).values()) {
    table.set(facts.pid, {
      ...facts,
      privateBytes: facts.residentBytes === 0 ? 0 : readPrivate(facts, root),
    });
  }
  return table;
}

/** As readProcessTable without the private share, which costs a second file for each process. */
export function readStatTable(root = ''): Map<number, StatFacts> {
  const table = new Map<number, StatFacts>();
  for (const pid of listPids(root)) {
    const facts = readStat(pid, root);
    if (facts) table.set(facts.pid, facts);
  }
  return table;
}

/** The pids in /proc now. Throws a Failure where there is none. */
export function listPids(root = ''): number[] {
  const names = unlessHidden(() => readdirSync(`${root}/proc`))?.filter((name) => /^[1-9]\d*$/.test(name));
  if (!names?.length) throw new Failure(`no process is listed in ${root}/proc: is it mounted?`);
  return names.map(Number);
}

/** One process with its private share; undefined where it is gone or hidden. */
export function readFacts(pid: number, root = ''): ProcessFacts | undefined {
  const facts = readStat(pid, root);
  return facts && { ...facts, privateBytes: facts.residentBytes === 0 ? 0 : readPrivate(facts, root) };
}

/** One process now; undefined where it is gone or hidden. Throws a Failure for a line that isn't the kernel's. */
export function readStat(pid: number, root = ''): StatFacts | undefined {
  const path = `${root}/proc/${pid}/stat`;
  const text = unlessHidden(() => readShortFile(path));
  if (text === undefined || text === '') return undefined;
  const facts = parseStat(text);
  if (facts?.pid !== pid)
    throw new Failure(`${path} can't be understood: ${JSON.stringify(text.slice(0, 60))}`);
  return facts;
}

/** Without `statm` nothing is known to be shared: all that is resident. */
function readPrivate(facts: StatFacts, root: string): number {
  const text = unlessHidden(() => readShortFile(`${root}/proc/${facts.pid}/statm`));
  const memory = text === undefined ? undefined : parseStatm(text);
  return memory?.privateBytes ?? facts.residentBytes;
}

/** The value of one variable in a process's environment as it was started; undefined: not set, gone or hidden. */
export function readTag(pid: number, name: string, root = ''): string | undefined {
  const environment = readEnvironment(pid, root);
  return environment === undefined ? undefined : findVariable(environment, name);
}

/** `NAME=value` of each variable, a NUL after each; empty while the process is about to execute; undefined: gone or hidden. */
export function readEnvironment(pid: number, root = ''): string | undefined {
  return unlessHidden(() => readWholeFile(`${root}/proc/${pid}/environ`));
}

/** The value of one variable in what readEnvironment gives. */
export function findVariable(environment: string, name: string): string | undefined {
  if (environment.startsWith(`${name}=`)) return untilNul(environment, name.length + 1);
  const at = environment.indexOf(`\0${name}=`);
  return at < 0 ? undefined : untilNul(environment, at + name.length + 2);
}

function untilNul(text: string, from: number): string {
  const end = text.indexOf('\0', from);
  return end < 0 ? text.slice(from) : text.slice(from, end);
}

/**
 * Proportional set size, bytes: memory shared by n processes counts as an n-th for each, so a tree may be summed.
 * undefined: gone or hidden. Costs the kernel 17 ms for each GB resident, so this is for peaks, not for every look.
 */
export function readPss(pid: number, root = ''): number | undefined {
  const text = unlessHidden(() => readWholeFile(`${root}/proc/${pid}/smaps_rollup`));
  const match = text === undefined ? undefined : /^Pss: +(\d+) kB$/m.exec(text);
  return match ? Number(match[1]) * KIB : undefined;
}

/** The words of a process's command line, at most the first 4096 characters of them; undefined: gone or hidden. */
export function readCommandWords(pid: number, root = ''): string[] | undefined {
  const text = unlessHidden(() => readWholeFile(`${root}/proc/${pid}/cmdline`))?.slice(0, 4096);
  return text === undefined ? undefined : text.replace(/\0$/, '').split('\0');
}

const PS_COLUMNS = 'pid=,ppid=,pgid=,stat=,rss=,lstart=,comm=';

function runPs(): string {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  return execFileSync('ps', ['-axo', PS_COLUMNS], { encoding: 'utf8', env, maxBuffer: 64 * 1024 * KIB });
}

/**
 * Reads what `TZ=UTC ps -axo pid=,ppid=,pgid=,stat=,rss=,lstart=,comm=` prints (macOS). ps there tells no session: 0 is
 * nobody's. Nor does it tell what is shared, so private is all that is resident.
 */
export function parsePsTable(text: string): ProcessTable {
  const table = new Map<number, ProcessFacts>();
  const pattern =
    /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S)\S*\s+(\d+)\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]{8}\s+\d{4})\s+(.*?)\s*$/;
  for (const line of text.split('\n')) {
    const match = pattern.exec(line);
    if (!match) continue;
    const [, pid, parentPid, groupId, state = '', residentKib, start, path = ''] = match;
    const residentBytes = Number(residentKib) * KIB;
    table.set(Number(pid), {
      pid: Number(pid),
      parentPid: Number(parentPid),
      groupId: Number(groupId),
      sessionId: 0,
      startTicks: Date.parse(`${start ?? ''} UTC`) / 1000,
      comm: path.slice(path.lastIndexOf('/') + 1),
      state,
      residentBytes,
      privateBytes: residentBytes,
    });
  }
  if (table.size === 0) throw new Failure('ps lists no process');
  return table;
}
