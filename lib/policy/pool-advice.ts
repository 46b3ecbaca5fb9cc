/** Does it pay to reuse agents of a kind, and how many should the pool hold? From what was measured. */
import type { PoolRecord } from '../pool-model.ts';
import { formatBytes, formatDuration } from '../units.ts';

/** What the log of the pool says about one kind; a mean is undefined where nothing was measured. */
export interface KindStats {
  readonly kind: string;
  readonly starts: number;
  readonly tasks: number;
  readonly answered: number;
  /** Answered with an error, died, cancelled, or over its limit. */
  readonly failed: number;
  readonly startMs: number | undefined;
  readonly taskMs: number | undefined;
  /** How long an agent had nothing to do before a task that was not its first. */
  readonly idleMs: number | undefined;
  readonly freshBytes: number | undefined;
  /** What one holds between two tasks. */
  readonly heldBytes: number | undefined;
  readonly peakBytes: number | undefined;
  /** The most agents of the kind that were at work at once. */
  readonly mostBusy: number;
  readonly ends: Readonly<Record<string, number>>;
}

/** The figures of each kind, in the order in which the kinds came. */
export function summarizePool(records: readonly PoolRecord[]): KindStats[] {
  const kinds = new Map<string, PoolRecord[]>();
  for (const record of records) kinds.set(record.kind, [...(kinds.get(record.kind) ?? []), record]);
  return [...kinds].map(([kind, own]) => summarizeKind(kind, own));
}

function summarizeKind(kind: string, records: readonly PoolRecord[]): KindStats {
  const starts = records.filter((record) => record.event === 'start');
  const tasks = records.filter((record) => record.event === 'task');
  const answered = tasks.filter(({ outcome }) => outcome === 'answered');
  const ends: Record<string, number> = {};
  for (const record of records) {
    if (record.event !== 'end') continue;
    // Reasons hold figures of their own: their first words tell them apart.
    const reason = record.reason.replace(/ (for|by) .*$/, '').replace(/\d+/g, 'N');
    ends[reason] = (ends[reason] ?? 0) + 1;
  }
  return {
    kind,
    starts: starts.length,
    tasks: tasks.length,
    answered: answered.length,
    failed: tasks.length - answered.length,
    startMs: mean(starts.map(({ startMs }) => startMs)),
    taskMs: mean(answered.map(({ ms }) => ms)),
    idleMs: mean(tasks.filter(({ uses }) => uses > 1).map(({ idleMs }) => idleMs)),
    freshBytes: mean(starts.map(({ freshBytes }) => freshBytes)),
    heldBytes: mean(tasks.map(({ bytes }) => bytes)),
    peakBytes: tasks.reduce<number | undefined>(
      (most, { peakBytes }) => (peakBytes === undefined ? most : Math.max(most ?? 0, peakBytes)),
      undefined,
    ),
    mostBusy: tasks.reduce((most, { busy }) => Math.max(most, busy), 0),
    ends,
  };
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
}

export interface PoolAdvice {
  readonly kind: string;
  /** pays: saves time and memory; saves-time: faster, but more memory is held meanwhile; no: neither; unknown: too little was measured. */
  readonly verdict: 'pays' | 'saves-time' | 'no' | 'unknown';
  readonly reason: string;
  /** undefined where nothing can be said. */
  readonly size: number | undefined;
  /** Starting that was spared so far, ms. */
  readonly savedMs: number | undefined;
  /** Memory that reuse spared (below 0: cost) for each task, byte milliseconds. */
  readonly savedByteMs: number | undefined;
}

/** Fewer tasks than this tell chance from rule badly. */
const LEAST_TASKS = 5;
/** Starting that takes a smaller part of a task than this is not worth a process that waits. */
const WORTH_SHARE = 0.05;

/**
 * For each task a fresh process holds its memory while it starts, one of the pool while it waits. So reuse saves
 * (start - wait) × memory: below zero it costs memory, and saves the time of the start all the same. `fits` is how many
 * agents of the kind the memory would hold. Worked values: 1.2 s to start, 0.3 s of waiting, 190 MB: 171 MB seconds saved a task.
 */
export function advisePool(stats: KindStats, fits: number): PoolAdvice {
  const { kind, tasks, starts, startMs, taskMs, idleMs, heldBytes, mostBusy } = stats;
  const unknown = (reason: string): PoolAdvice => ({
    kind,
    verdict: 'unknown',
    reason,
    size: undefined,
    savedMs: undefined,
    savedByteMs: undefined,
  });
  if (tasks < LEAST_TASKS)
    return unknown(`only ${tasks} of the ${LEAST_TASKS} tasks that it takes to say something`);
  if (startMs === undefined || taskMs === undefined || heldBytes === undefined)
    return unknown('no start, no answered task or no memory was measured');
  const size = Math.max(1, Math.min(mostBusy, fits));
  const reused = Math.max(0, tasks - starts);
  const savedMs = reused * startMs;
  if (reused === 0 || idleMs === undefined)
    return {
      kind,
      verdict: 'no',
      reason: 'no agent lived for a second task',
      size,
      savedMs,
      savedByteMs: undefined,
    };
  const savedByteMs = (startMs - idleMs) * heldBytes;
  const figures = `a start takes ${formatDuration(startMs)} beside ${formatDuration(taskMs)} of work, one waits ${formatDuration(idleMs)} between two tasks and holds ${formatBytes(heldBytes)} meanwhile`;
  const verdict = savedByteMs >= 0 ? 'pays' : startMs >= WORTH_SHARE * taskMs ? 'saves-time' : 'no';
  return { kind, verdict, reason: figures, size, savedMs, savedByteMs };
}
