/** How does each attempt of a run come into the history, once, also where the run is killed; and what will the next run do? */
import { join } from 'node:path';
import type { AttemptView } from '../../act/engine.ts';
import { Failure } from '../../failure.ts';
import { isThere, readText, removeFile, replaceFile } from '../../files.ts';
import type { PastAttempt } from '../../history-model.ts';
import { tryLock } from '../../lock.ts';
import type { AttemptResult } from '../../model.ts';
import { pastAttempt, type EndedAttempt } from '../../policy/past-attempt.ts';
import { historyKind } from '../../policy/past-index.ts';
import { toolName } from '../../policy/tool-name.ts';
import { attemptPaths } from '../../state/attempts.ts';
import { COMMAND_KIND } from '../../state/drafts.ts';
import { appendHistory, loadHistory, tidyHistory } from '../../state/history.ts';
import { readJoblog, type JoblogEntry } from '../../state/joblog.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';
import { thisMachine } from '../past.ts';

/** Records wait at most this long for others to be written with. */
const FLUSH_MS = 1000;

/** Says which run has records that are not in the history yet: what a killed one leaves. */
function markPath(paths: EpicPaths): string {
  return join(paths.runDir, 'history-open.json');
}

/** The records of one run, appended together. */
export class RunHistory {
  readonly #stateDir: string;
  readonly #context: Context;
  readonly #mark: string;
  readonly #say: (text: string) => void;
  readonly #machine = thisMachine();
  #waiting: PastAttempt[] = [];
  #sinceMs: number | undefined;
  #troubled = false;

  constructor(context: Context, paths: EpicPaths, say: (text: string) => void) {
    this.#context = context;
    this.#stateDir = context.stateDir();
    this.#mark = markPath(paths);
    this.#say = say;
    // One that is still there could not be made good: it reaches further back.
    if (!isThere(this.#mark))
      replaceFile(this.#mark, `${JSON.stringify({ version: 1, startedMs: Date.now() })}\n`);
  }

  /** An attempt has ended. `view`: the last look at it; undefined where it never started. */
  note(
    result: AttemptResult,
    view: AttemptView | undefined,
    kind: string,
    command: readonly string[] | string,
  ): void {
    const { peakAfterMs, profile } = view ?? {};
    const { cause, ...ended } = result;
    const attempt = pastAttempt({
      ...ended,
      ...likeOf(kind, command),
      cause,
      haltedMs: view?.haltedMs ?? 0,
      peakAfterMs,
      profile: profile?.() ?? [],
      machine: this.#machine,
    });
    if (attempt === undefined) return;
    this.#waiting.push(attempt);
    this.#sinceMs ??= result.endedMs;
  }

  /** Writes what has waited long enough. A history that cannot be written stops no run; what it lacks the next run adds. */
  flush(nowMs: number, force = false): void {
    if (this.#sinceMs === undefined || !(force || nowMs - this.#sinceMs >= FLUSH_MS)) return;
    try {
      appendHistory(this.#stateDir, this.#waiting);
      this.#waiting = [];
      this.#sinceMs = undefined;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#sinceMs = nowMs;
      if (!this.#troubled) this.#say(`history: ${error.message}`);
      this.#troubled = true;
    }
  }

  /** The run is over. */
  close(): void {
    this.flush(Date.now(), true);
    if (this.#waiting.length > 0) return;
    removeFile(this.#mark);
    quietly(() => tidyHistory(this.#stateDir, this.#context.liveness()), this.#say);
  }
}

function likeOf(kind: string, command: readonly string[] | string): { kind: string; tool: string } {
  const tool = toolName(command);
  return { kind: historyKind(kind, tool, COMMAND_KIND), tool };
}

function quietly(deed: () => void, say: (text: string) => void): void {
  try {
    deed();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`history: ${error.message}`);
  }
}

/**
 * Adds what an earlier run of this epic that was killed could not write any more, from its joblog; never what is there
 * already. Without profiles: those died with the run.
 */
export function recoverHistory(context: Context, paths: EpicPaths, say: (text: string) => void): void {
  const mark = markPath(paths);
  if (readText(mark) === undefined) return;
  const lock = tryLock(join(paths.runDir, 'run.lock'), context.liveness());
  // That run is still going on.
  if (!('release' in lock)) return;
  try {
    quietly(() => {
      const text = readText(mark);
      if (text === undefined) return;
      const missing = missingAttempts(context, paths, startOf(text));
      appendHistory(context.stateDir(), missing);
      removeFile(mark);
      if (missing.length > 0)
        say(`${missing.length} attempts of a run that was killed were added to the history from its joblog`);
    }, say);
  } finally {
    lock.release();
  }
}

function startOf(text: string): number {
  try {
    const { startedMs } = JSON.parse(text) as { startedMs?: unknown };
    return typeof startedMs === 'number' ? startedMs : 0;
  } catch {
    // Half written by a power cut: then all of the joblog is looked at.
    return 0;
  }
}

function missingAttempts(context: Context, paths: EpicPaths, sinceMs: number): PastAttempt[] {
  const { entries } = readJoblog(paths.joblogPath);
  const { attempts } = loadHistory(context.stateDir(), () => context.liveness());
  const nameOf = (key: string, startedMs: number): string => `${key} ${Math.round(startedMs)}`;
  const known = new Set(attempts.map(({ key, endedMs, durationMs }) => nameOf(key, endedMs - durationMs)));
  const machine = thisMachine();
  return entries.flatMap((entry) => {
    const ended = endedOf(paths, entry, machine);
    // Times of the joblog are whole milliseconds, so a start before the run's own may be cut to just before it.
    if (ended === undefined || ended.startedMs < sinceMs - 1) return [];
    if (known.has(nameOf(ended.key, ended.startedMs))) return [];
    return pastAttempt(ended) ?? [];
  });
}

/** What a line of the joblog and the stream's own folder tell of an attempt. */
function endedOf(paths: EpicPaths, entry: JoblogEntry, machine: string): EndedAttempt | undefined {
  const { key, outcome, startedMs, runtimeMs } = entry;
  if (key === undefined || outcome === undefined) return undefined;
  const spec = readSpec(attemptPaths(paths.streamDir(key)).spec);
  return {
    ...entry,
    key,
    outcome,
    ...likeOf(spec.kind ?? COMMAND_KIND, spec.command ?? entry.command),
    startedMs,
    endedMs: startedMs + runtimeMs,
    peakAfterMs: undefined,
    profile: [],
    machine,
  };
}

function readSpec(path: string): { kind?: string; command?: readonly string[] | string } {
  try {
    const { kind, command } = JSON.parse(readText(path) ?? '') as { kind?: unknown; command?: unknown };
    const isWords = Array.isArray(command) && command.every((word) => typeof word === 'string');
    return {
      ...(typeof kind === 'string' ? { kind } : {}),
      ...(isWords || typeof command === 'string' ? { command: command } : {}),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
