/** What would each estimator have cost on attempts of the past: memory held for nothing, and starts that failed? */
import { GIB } from '../units.ts';
import { estimateAfterFailure, estimatePeak, type PeakHistory } from './estimate.ts';
import { EMPTY_WINDOW, peakWindow, type EstimatorName, type PeakRecord } from './estimators.ts';

export interface BacktestRecord extends PeakRecord {
  /** Whose records may tell about it. */
  readonly kind: string;
  /** What it gets without history: the configured figure, or what its author asked for. */
  readonly priorBytes: number;
}

export interface BacktestOptions {
  readonly estimator: EstimatorName;
  /** Of each kind's records, the first of which only teach. */
  readonly learnShare: number;
  /** Kinds with fewer records are left out. */
  readonly leastRuns: number;
}

export interface BacktestResult {
  readonly estimator: EstimatorName;
  /** Records that were predicted, each until it had enough. */
  readonly tasks: number;
  /** Attempts that were given less than they needed. */
  readonly failures: number;
  /** Memory-time beyond what was used: what was too much, and all that failed attempts were given. GB (binary) hours. */
  readonly wasteGbHours: number;
  /** Memory allocation quality: used over allocated memory-time, failed attempts included; undefined without tasks. */
  readonly maq: number | undefined;
}

/** Nothing asks for memory more often than this. */
const MOST_ATTEMPTS = 30;
const MS_PER_HOUR = 3_600_000;

/**
 * Replays records in the order of completion: each is predicted from those of its kind that ended before it. A failed
 * attempt wastes all its memory for the whole time, and is tried again with more (`estimateAfterFailure`).
 */
export function backtest(records: readonly BacktestRecord[], options: BacktestOptions): BacktestResult {
  let tasks = 0;
  let failures = 0;
  let allocated = 0;
  let used = 0;
  for (const kind of byKind(records).values()) {
    if (kind.length < options.leastRuns) continue;
    const from = Math.floor(kind.length * options.learnShare);
    for (let at = from; at < kind.length; at += 1) {
      const record = kind[at];
      // What was stopped shows nothing of how much would have been enough.
      if (record === undefined || record.isCensored) continue;
      const tried = tryOne(record, kind.slice(Math.max(0, at - KEPT), at), at, options.estimator);
      tasks += 1;
      failures += tried.failures;
      allocated += tried.allocatedBytes * record.durationMs;
      used += record.peakBytes * record.durationMs;
    }
  }
  return {
    estimator: options.estimator,
    tasks,
    failures,
    wasteGbHours: (allocated - used) / GIB / MS_PER_HOUR,
    maq: tasks === 0 ? undefined : used / Math.max(1, allocated),
  };
}

/** More than a window ever holds. */
const KEPT = 512;

/** All that one record was given in its attempts together, bytes. */
function tryOne(
  { peakBytes, priorBytes }: BacktestRecord,
  before: readonly PeakRecord[],
  total: number,
  estimator: EstimatorName,
): { readonly allocatedBytes: number; readonly failures: number } {
  const history: PeakHistory = {
    stream: EMPTY_WINDOW,
    kind: peakWindow(before, total),
    tool: EMPTY_WINDOW,
    all: EMPTY_WINDOW,
  };
  let bytes = estimatePeak(history, priorBytes, { estimator, limitBytes: undefined }).bytes;
  let allocatedBytes = bytes;
  let failures = 0;
  while (bytes < peakBytes && failures < MOST_ATTEMPTS) {
    failures += 1;
    bytes = estimateAfterFailure(history, bytes, undefined);
    allocatedBytes += bytes;
  }
  return { allocatedBytes, failures };
}

function byKind(records: readonly BacktestRecord[]): ReadonlyMap<string, readonly BacktestRecord[]> {
  const kinds = new Map<string, BacktestRecord[]>();
  for (const record of [...records].sort((a, b) => a.endedMs - b.endedMs)) {
    const list = kinds.get(record.kind);
    if (list) list.push(record);
    else kinds.set(record.kind, [record]);
  }
  return kinds;
}
