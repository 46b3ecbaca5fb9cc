/** How does one command run in our place, watched? Our stdin and stdout, its stderr kept at its end, its tree measured and bounded. */
import { spawn, type ChildProcess } from 'node:child_process';
import { errorCode } from '../failure.ts';
import type { MemorySnapshot } from '../model.ts';
import { TAIL_CHARS } from '../policy/death-texts.ts';
import { judgeLevel, levelMessage, limitRules, needsExact, sampleIntervalMs } from '../policy/limit.ts';
import { addSample, isPssWorth, NO_USE, type UseSoFar } from '../policy/peak.ts';
import { planTrees, sumTree } from '../policy/tree.ts';
import { readIdentity } from '../probe/identity.ts';
import { wholeCharacters } from '../probe/log-tail.ts';
import { openTreeSampler, type TreeSample } from '../probe/sampler.ts';
import { openTreeStop, type TreeStop } from './signal-tree.ts';
import { givePriority, raisePriority } from './priority.ts';

export interface WatchOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Marks every process of this attempt: the value of `tagName` in its environment. */
  readonly tag: string;
  readonly tagName: string;
  /** undefined: nothing stops it for its memory. */
  readonly limitBytes: number | undefined;
  /** undefined: as long as it takes. */
  readonly timeoutMs: number | undefined;
  /** TERM to KILL. */
  readonly graceMs: number;
  /** At most this long between two looks. */
  readonly sampleIntervalMs: number;
  readonly readMemory: () => MemorySnapshot;
  readonly onStart: (child: ChildProcess & { readonly pid: number }) => void;
  /** After each look. */
  readonly onLook: (nowMs: number, memory: MemorySnapshot) => void;
}

export interface WatchedEnd {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** The system's error code where it could not be started. */
  readonly startError: string | undefined;
  readonly abort: { readonly kind: 'limit' | 'timeout'; readonly reason: string } | undefined;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly peakBytes: number | undefined;
  /** All that was seen of its memory. */
  readonly use: UseSoFar;
  readonly stderrTail: string;
  /** Processes that it left behind and that were ended. */
  readonly leftBehind: number;
}

const FULL_EVERY_MS = 1000;
const STOP_STEP_MS = 50;
/** KILL needs a moment to be carried out. */
const AFTER_KILL_MS = 1000;
/** What is still in the pipe after the end arrives within this, unless a stranger holds it open. */
const DRAIN_MS = 500;

/**
 * Runs the words until nothing of them is left: what they leave behind is ended like a run's agent. Over its limit or its
 * time the whole tree is stopped, TERM and after the grace KILL. Never throws for the command's own fate.
 */
export async function runWatched(words: readonly string[], options: WatchOptions): Promise<WatchedEnd> {
  const startedMs = Date.now();
  const child = start(words, options);
  if ('startError' in child) return notStarted(child.startError, startedMs);
  const tail = teeStderr(child);
  const ended = waitForEnd(child);
  const sampler = openTreeSampler({ tagName: options.tagName, rules: { planTrees, sumTree } });
  try {
    const { pid } = child;
    if (pid !== undefined) {
      sampler.add(options.tag, pid);
      options.onStart(Object.assign(child, { pid }));
    }
    const watch = new Watch(options, startedMs, () => sampler.survey(options.tag));
    let nextFullMs = startedMs + FULL_EVERY_MS;
    while (ended.end === undefined) {
      const nowMs = Date.now();
      const full = nowMs >= nextFullMs;
      if (full) nextFullMs = nowMs + FULL_EVERY_MS;
      const sample = sampler.sample(nowMs, { full }).get(options.tag);
      const memory = options.readMemory();
      if (sample) watch.look(sample, nowMs, () => sampler.pss(options.tag));
      options.onLook(nowMs, memory);
      await ended.orAfter(watch.sleepMs(memory.availableBytes, Date.now()));
    }
    const endedMs = Date.now();
    const leftBehind =
      pid === undefined ? 0 : await endRest(() => sampler.survey(options.tag), options.graceMs);
    await tail.closed(DRAIN_MS);
    return {
      ...ended.end,
      abort: watch.abort,
      startedMs,
      endedMs,
      peakBytes: watch.use.peakBytes,
      use: watch.use,
      stderrTail: tail.text(),
      leftBehind,
    };
  } finally {
    sampler.close();
  }
}

function start(
  words: readonly string[],
  { cwd, env }: WatchOptions,
): ChildProcess | { readonly startError: string } {
  const [program = '', ...rest] = words;
  try {
    raisePriority();
    const child = spawn(program, rest, { cwd, env, stdio: ['inherit', 'inherit', 'pipe'] });
    if (child.pid !== undefined) givePriority(child.pid);
    return child;
  } catch (error) {
    // Out of memory for a process it throws, where other errors come as an event.
    const code = errorCode(error);
    if (code === undefined) throw error;
    return { startError: code };
  }
}

function notStarted(startError: string, atMs: number): WatchedEnd {
  return {
    exitCode: undefined,
    signal: undefined,
    startError,
    abort: undefined,
    startedMs: atMs,
    endedMs: atMs,
    peakBytes: undefined,
    use: NO_USE,
    stderrTail: '',
    leftBehind: 0,
  };
}

/** One command between its start and its end: what it takes, and whether it must be stopped. */
class Watch {
  readonly #options: WatchOptions;
  readonly #startedMs: number;
  readonly #members: () => readonly { pid: number; startTicks: number }[];
  #use: UseSoFar = NO_USE;
  #stop: TreeStop | undefined;
  abort: WatchedEnd['abort'];

  constructor(
    options: WatchOptions,
    startedMs: number,
    members: () => readonly { pid: number; startTicks: number }[],
  ) {
    this.#options = options;
    this.#startedMs = startedMs;
    this.#members = members;
  }

  get use(): UseSoFar {
    return this.#use;
  }

  look(sample: TreeSample, nowMs: number, exact: () => number | undefined): void {
    const processes = sample.members.length;
    const pssBytes = isPssWorth(this.#use, sample.rssBytes, processes) ? exact() : undefined;
    if (processes > 0)
      this.#use = addSample(this.#use, {
        atMs: nowMs,
        rssBytes: sample.rssBytes,
        pssBytes,
        processes,
        ageMs: nowMs - this.#startedMs,
      });
    if (this.#stop) this.#stop.step(nowMs);
    else
      this.#judge(
        sample.members.map(({ rssBytes }) => rssBytes),
        nowMs,
        exact,
      );
  }

  #judge(memberBytes: readonly number[], nowMs: number, exact: () => number | undefined): void {
    const { limitBytes, timeoutMs } = this.#options;
    if (timeoutMs !== undefined && nowMs - this.#startedMs >= timeoutMs) {
      this.#begin({ kind: 'timeout', reason: `it ran for more than ${timeoutMs / 1000} s` }, nowMs);
      return;
    }
    const rules = limitRules(limitBytes);
    const { lastBytes } = this.#use;
    if (judgeLevel(lastBytes, rules, 'normal') !== 'over') return;
    // Nobody is stopped before the exact measure agrees.
    if (needsExact(memberBytes, limitBytes) && (exact() ?? lastBytes) <= (limitBytes ?? Infinity)) return;
    this.#begin({ kind: 'limit', reason: levelMessage('over', lastBytes, rules, undefined) }, nowMs);
  }

  #begin(abort: NonNullable<WatchedEnd['abort']>, nowMs: number): void {
    this.abort = abort;
    const startTicksOf = (pid: number): number | undefined => readIdentity(pid)?.startTicks;
    this.#stop = openTreeStop(this.#members, startTicksOf, this.#options.graceMs, nowMs);
    this.#stop.step(nowMs);
  }

  sleepMs(availableBytes: number, nowMs: number): number {
    if (this.#stop) return STOP_STEP_MS;
    const { limitBytes, timeoutMs, sampleIntervalMs: mostMs } = this.#options;
    const leftMs = timeoutMs === undefined ? Infinity : Math.max(0, this.#startedMs + timeoutMs - nowMs);
    const headroomBytes = Math.min(availableBytes, (limitBytes ?? Infinity) - this.#use.lastBytes);
    const byMemory = sampleIntervalMs({ headroomBytes, youngestMs: nowMs - this.#startedMs, mostMs });
    return Math.min(byMemory, leftMs);
  }
}

/** Ends what is left of a tree whose root has ended; answers how many processes that were. */
async function endRest(
  members: () => readonly { pid: number; startTicks: number }[],
  graceMs: number,
): Promise<number> {
  const seen = new Set<string>();
  const startTicksOf = (pid: number): number | undefined => readIdentity(pid)?.startTicks;
  const stop = openTreeStop(members, startTicksOf, graceMs, Date.now());
  for (const deadlineMs = Date.now() + graceMs + AFTER_KILL_MS; Date.now() < deadlineMs;) {
    const left = members();
    for (const { pid, startTicks } of left) seen.add(`${pid} ${startTicks}`);
    if (left.length === 0) break;
    stop.step(Date.now());
    await new Promise((resolve) => setTimeout(resolve, STOP_STEP_MS));
  }
  return seen.size;
}

interface Waiting {
  end: Pick<WatchedEnd, 'exitCode' | 'signal' | 'startError'> | undefined;
  readonly orAfter: (ms: number) => Promise<void>;
}

/** By `exit`, not `close`: a grandchild that holds stderr open must not hold us. */
function waitForEnd(child: ChildProcess): Waiting {
  let wake: (() => void) | undefined;
  const waiting: Waiting = {
    end: undefined,
    orAfter: (ms) =>
      new Promise((resolve) => {
        if (waiting.end) {
          resolve();
          return;
        }
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
  child.once('error', (error) => {
    if (child.pid !== undefined) return;
    waiting.end = { exitCode: undefined, signal: undefined, startError: errorCode(error) ?? 'unknown' };
    wake?.();
  });
  child.once('exit', (code, signal) => {
    waiting.end = { exitCode: code ?? undefined, signal: signal ?? undefined, startError: undefined };
    wake?.();
  });
  return waiting;
}

/** Hands stderr on as it comes and keeps its last 16 KB, never more. */
function teeStderr(child: ChildProcess): { text: () => string; closed: (mostMs: number) => Promise<void> } {
  const { stderr } = child;
  let kept = Buffer.alloc(0);
  let isClosed = stderr === null;
  stderr?.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk.subarray(-TAIL_CHARS)]).subarray(-TAIL_CHARS);
    if (process.stderr.write(chunk)) return;
    stderr.pause();
    process.stderr.once('drain', () => stderr.resume());
  });
  stderr?.once('close', () => (isClosed = true));
  stderr?.on('error', () => undefined);
  return {
    text: () => wholeCharacters(kept),
    closed: (mostMs) =>
      new Promise((resolve) => {
        if (isClosed) {
          resolve();
          return;
        }
        const timer = setTimeout(() => stderr?.destroy(), mostMs);
        stderr?.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
