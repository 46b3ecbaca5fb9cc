/** How do tests start scripts that last, wait for what must come to be, and see what is left of them? */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { Lease } from '../../lib/model.ts';
import type { RunEvent, RunSummary } from '../../lib/run-model.ts';
import { makeWorld, type Ended, type World } from './call-script.ts';

export type { Ended } from './call-script.ts';

/** A program that a test started and watches. */
export interface Started {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
}

/** A world whose processes are all ended with the test, however it goes. */
export interface Lab extends World {
  readonly start: (script: string, args: readonly string[], options?: StartOptions) => Started;
  readonly run: (script: string, args: readonly string[], options?: StartOptions) => Promise<Ended>;
  /** The same for a program by its words. */
  readonly startFile: (words: readonly string[], options?: StartOptions) => Started;
  /** A process that does nothing but live. */
  readonly hold: () => ChildProcess & { readonly pid: number };
  /** Writes a file of the project and answers its path; a text that begins with `#!` may be executed. */
  readonly write: (name: string, text: string) => string;
  /** A file of the project, '' where there is none. */
  readonly read: (name: string) => string;
  readonly leases: () => Lease[];
  /** Processes that inherited this world's environment, whoever their parents are now. */
  readonly processes: () => { pid: number; words: string }[];
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly cwd?: string;
}

/** Variables without which a call decides by its own words alone, however small or busy the machine is. */
export const ROOMY = ['--set', 'admission.floor_mb=1', '--set', 'admission.safety_mb=0', '--set', 'memory_management.coordinator_memory_gb=0']; // prettier-ignore

/** Makes a world for this test, which goes with it. */
export function makeLab(): Lab {
  const world = makeWorld();
  const children: ChildProcess[] = [];
  const file = (name: string): string => join(world.project, name);
  const lab: Lab = {
    ...world,
    start: (script, args, options) => lab.startFile([...world.words(script), ...args], options),
    startFile: (words, options) => {
      const started = startProgram(words, world, options);
      children.push(started.child);
      return started;
    },
    run: (script, args, options) => lab.start(script, args, options).ended,
    hold: () => {
      const child = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'] }, stdio: 'ignore' });
      const { pid } = child;
      if (pid === undefined) throw new Error('sleep does not start');
      children.push(child);
      return Object.assign(child, { pid });
    },
    write: (name, text) => {
      mkdirSync(dirname(file(name)), { recursive: true });
      writeFileSync(file(name), text);
      if (text.startsWith('#!')) chmodSync(file(name), 0o755);
      return file(name);
    },
    read: (name) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : ''),
    leases: () => readLeases(world.state),
    processes: () => processesWith(`CLAUDE_PM_STATE_DIR=${world.state}`),
  };
  onTestFinished(async () => {
    for (const child of children) child.kill('SIGKILL');
    await waitFor(() => killAll(lab.processes()) === 0, 'the end of all processes of this test');
    world.remove();
  });
  return lab;
}

/** One attempt, however it ends for want of memory. */
export const ONCE = ['--set', 'retry.memory_attempts=0'];

function startProgram(all: readonly string[], world: World, options: StartOptions = {}): Started {
  const [program = '', ...words] = all;
  const child = spawn(program, words, {
    cwd: options.cwd ?? world.project,
    env: { ...world.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk: string) => void (text[name] += chunk));
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, ...text }));
  });
  return { pid: child.pid ?? 0, child, stdout: () => text.stdout, stderr: () => text.stderr, ended };
}

/** One line on stderr, without a stack, and the right code: what every expected fault looks like. */
export function expectFault(ended: Pick<Ended, 'status' | 'stderr'>, code: number, message: RegExp): void {
  expect([ended.status, ended.stderr]).toEqual([code, expect.stringMatching(message)]);
  expect(ended.stderr).toMatch(/^[a-z]+-[a-z]+: [^\n]*\n$/);
  expect(ended.stderr.length).toBeLessThan(1000);
}

/** Asks until it is so; the limit only catches what would hang. */
export async function waitFor(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  mostMs = 30_000,
): Promise<void> {
  const startMs = performance.now();
  while (performance.now() - startMs < mostMs) {
    if (await isSo()) return;
    await sleep(15);
  }
  throw new Error(`waited in vain for ${what}`);
}

/** A folder that goes with the test. */
export function tempDir(): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'script-')));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What the ledger of a state folder holds. */
export function readLeases(state: string): Lease[] {
  const path = join(state, 'ledger.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { leases: Lease[] }).leases : [];
}

/** Whether this very process runs, by pid and start time, and not as a zombie. */
export function isRunning(pid: number, startTicks?: number): boolean {
  const stat = readProc(pid, 'stat');
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return false;
  return startTicks === undefined || Number(fields[19]) === startTicks;
}

/** The kernel's letter for the state of a process; undefined where there is none. */
export function stateOf(pid: number): string | undefined {
  const stat = readProc(pid, 'stat');
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[0];
}

/** All processes in whose environment this `NAME=value` stands, ourselves excepted. */
export function processesWith(variable: string): { pid: number; words: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || !isRunning(pid)) return [];
    if (readProc(pid, 'environ')?.split('\0').includes(variable) !== true) return [];
    return [{ pid, words: (readProc(pid, 'cmdline') ?? '').replaceAll('\0', ' ').trim() }];
  });
}

function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}

function killAll(processes: readonly { pid: number }[]): number {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
  return processes.length;
}

/** The `key:value` lines of an answer; a key that comes more than once has its values joined by newlines. */
export function keyValues(stdout: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of stdout.trimEnd().split('\n')) {
    const [key = '', ...rest] = line.split(':');
    const before = found[key];
    found[key] = before === undefined ? rest.join(':') : `${before}\n${rest.join(':')}`;
  }
  return found;
}

/** One line of `run --json`. */
export type RunLine = RunEvent | { event: 'plan'; plan: unknown } | { event: 'summary'; summary: RunSummary };

/** The lines of `run --json`, each a whole document; without the last one where that is still being written. */
export function runLines(stdout: string): RunLine[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as RunLine);
}

/** The events of one kind, in order. */
export function eventsOf<K extends RunLine['event']>(
  stdout: string,
  kind: K,
): Extract<RunLine, { event: K }>[] {
  return runLines(stdout).filter((line): line is Extract<RunLine, { event: K }> => line.event === kind);
}

/** What a run with --json has noted so far. */
export function notesOf(stdout: string): string[] {
  return eventsOf(stdout, 'note').map(({ text }) => text);
}

/** A line of the joblog. */
export interface JobLine {
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly exitval: number;
  readonly signal: number;
  readonly attempt: number;
  readonly outcome: string;
  readonly reason: string;
  readonly cause: string;
}

/** The joblog of an epic, read by its columns alone. */
export function readJobs(lab: World, epic: string): JobLine[] {
  const path = join(lab.project, '.claude-pm', 'runs', epic, 'joblog.tsv');
  if (!existsSync(path)) return [];
  const [head = '', ...lines] = readFileSync(path, 'utf8').split('\n');
  const names = head.split('\t');
  return lines.flatMap((line) => {
    const cells = line.split('\t');
    if (cells.length !== names.length) return [];
    const cell = (name: string): string => cells[names.indexOf(name)] ?? '';
    const startMs = Number(cell('Starttime')) * 1000;
    return [
      {
        key: cell('Key'),
        startMs,
        endMs: startMs + Number(cell('JobRuntime')) * 1000,
        exitval: Number(cell('Exitval')),
        signal: Number(cell('Signal')),
        attempt: Number(cell('Attempt')),
        outcome: cell('Outcome'),
        reason: cell('Reason'),
        cause: cell('Cause'),
      },
    ];
  });
}

/** The most intervals that overlap at one instant. */
export function mostAtOnce(jobs: readonly Pick<JobLine, 'startMs' | 'endMs'>[]): number {
  // An end in the same millisecond comes first: the joblog's times are whole milliseconds.
  const steps = jobs.flatMap(({ startMs, endMs }) => [[startMs, 1] as const, [endMs, -1] as const]);
  steps.sort(([at, step], [otherAt, otherStep]) => Math.round(at) - Math.round(otherAt) || step - otherStep);
  let now = 0;
  return steps.reduce((most, [, step]) => Math.max(most, (now += step)), 0);
}

/** A list of streams as a YAML file. */
export function streamsFile(
  lab: Lab,
  streams: readonly Record<string, unknown>[],
  name = 'streams.yaml',
): string {
  // JSON is YAML.
  return lab.write(name, JSON.stringify(streams, undefined, 1));
}

/** Whether a private mount namespace can be made here, and with which words before the command. */
export function mountSpace(): readonly string[] | undefined {
  return [
    ['unshare', '-m'],
    ['unshare', '-rm'],
  ].find(([program = '', ...words]) => {
    const dir = mkdtempSync(join(tmpdir(), 'mount-'));
    try {
      return (
        spawnSync(program, [...words, 'mount', '-t', 'tmpfs', 'tmpfs', dir], { stdio: 'ignore' }).status === 0
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
