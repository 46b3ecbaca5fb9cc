/** What do the parts of bench/guard share? Real leaks and what they left on record, runs of ours with their events, waiting. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { readStat } from '../lib/probe/processes.ts';
import type { RunEvent, RunSummary } from '../lib/run-model.ts';
import { MIB } from '../lib/units.ts';
import { openScene, sleep, type Findings } from './support.ts';

/** One part of the benchmark. */
export type Part = (runs: number) => Promise<Findings>;

/** As root in a memory controller: how to get what a part could not have. */
export const GROUP_MISSING =
  'a memory cgroup: run as root where a memory controller (v1 or v2) can be had; it ran on the machine itself';

const LEAK = join(import.meta.dirname, 'guard-leak.mjs');
export const ESCAPE = join(import.meta.dirname, 'guard-escape.mjs');

/** Words that leak: so many MB a second up to an RSS of `mostMb`, held for `holdMs` (for ever), after `delayMs`. */
export function leakWords(
  record: string,
  leak: {
    readonly mbPerS: number;
    readonly mostMb: number;
    readonly holdMs?: number;
    readonly delayMs?: number;
  },
): string[] {
  const { mbPerS, mostMb, holdMs, delayMs } = leak;
  const times =
    holdMs === undefined ? [] : [String(holdMs), ...(delayMs === undefined ? [] : [String(delayMs)])];
  return [process.execPath, LEAK, record, String(mbPerS), String(mostMb), ...times];
}

/** What a leak wrote at its last step; undefined: it never began. */
export interface LeakRecord {
  readonly mb: number;
  readonly atMs: number;
  /** Over the whole of its growth, up to the last step. */
  readonly mbPerS: number;
}

export function readLeak(path: string): LeakRecord | undefined {
  let data: Buffer;
  try {
    data = readFileSync(path);
  } catch {
    return undefined;
  }
  if (data.length < 32) return undefined;
  const [startBytes, startMs, bytes, atMs] = [0, 8, 16, 24].map((at) => data.readDoubleLE(at)) as [
    number,
    number,
    number,
    number,
  ];
  return { mb: bytes / MIB, atMs, mbPerS: (bytes - startBytes) / MIB / ((atMs - startMs) / 1000) };
}

/**
 * Lets a process touch so much memory and end. A virtual machine whose host takes free memory back gets it anew only at a
 * quarter of the speed, so the first leak after a pause would not reach 1 GB/s.
 */
export function warm(mb: number): void {
  const record = join(scene.dir, 'warm');
  const [program = '', ...words] = leakWords(record, { mbPerS: 100_000, mostMb: mb, holdMs: 0 });
  spawnSync(program, words, { stdio: 'ignore' });
  rmSync(record, { force: true });
}

export const scene = openScene();

/** The machine's load over the last minute, as it stands beside each figure. */
export const load = (): string => (loadavg()[0] ?? NaN).toFixed(1);

/** Grace of every stop in these runs, in which nothing is tried a second time. */
export const GRACE_MS = 1000;
export const GRACE = [
  ['memory_management.cleanup_timeout', GRACE_MS / 1000],
  ['retry.memory_attempts', 0],
  ['retry.crash_attempts', 0],
].flatMap(([key, value]) => ['--set', `${key}=${value}`]);

/** A script of ours that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly events: () => RunEvent[];
  readonly summary: () => RunSummary | undefined;
  readonly output: () => string;
  readonly ended: Promise<number>;
}

let started = 0;

/** Starts words with stdout and stderr in a file each; `ended` gives the exit code, 128 and more for a signal as -1. */
export function start(
  [program = '', ...words]: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Running {
  const file = join(scene.dir, `out-${(started += 1)}.log`);
  const fd = openSync(file, 'w');
  const child = spawn(program, words, {
    cwd: options.cwd ?? join(scene.dir, 'project'),
    env: options.env ?? scene.env,
    stdio: ['ignore', fd, fd],
  });
  closeSync(fd);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? -1));
  });
  const output = (): string => readFileSync(file, 'utf8');
  const documents = (): unknown[] =>
    output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as unknown);
  return {
    child,
    pid: child.pid ?? 0,
    ended,
    output,
    events: () => documents() as RunEvent[],
    summary: () =>
      (documents() as { readonly event: string; readonly summary: RunSummary }[]).find(
        ({ event }) => event === 'summary',
      )?.summary,
  };
}

/** A file of streams in the scene, by its path. */
export function streamsFile(name: string, streams: readonly object[]): string {
  const path = join(scene.dir, `${name}.json`);
  writeFileSync(path, JSON.stringify(streams));
  return path;
}

/** Whether a process is there that is no zombie. */
export function lives(pid: number): boolean {
  const facts = readStat(pid);
  return facts !== undefined && facts.state !== 'Z' && facts.state !== 'X';
}

/** Waits for it, looking every 10 ms. @throws Error after `mostMs`. */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false,
  mostMs = 30_000,
): Promise<T> {
  for (const deadlineMs = Date.now() + mostMs; ;) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadlineMs) throw new Error(`${what}: not within ${mostMs / 1000} s`);
    await sleep(10);
  }
}

/** A text that is there, or undefined. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Ends a process that this benchmark started, where it still lives. */
export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
