/** How do attempts of a kind behave, and how has that changed over time? */
import type { PastAttempt } from '../history-model.ts';
import type { HistoryIndex } from './past-index.ts';

/** One kind over time. */
export interface Trend {
  readonly kind: string;
  readonly attempts: number;
  /** Median peak of the older and of the newer half of the attempts that are kept. */
  readonly beforeBytes: number | undefined;
  readonly nowBytes: number;
  /** Of the older half: 0.1 is a tenth more. */
  readonly changeShare: number | undefined;
  /** Oldest first: the mean peak of each day or, on a single day, the peaks of the newest attempts. */
  readonly points: readonly { readonly atMs: number; readonly bytes: number; readonly attempts: number }[];
  readonly per: 'day' | 'attempt';
}

const MOST_POINTS = 30;
/** Halves of fewer attempts differ by chance. */
const LEAST_HALF = 5;

/** Each kind since a time, the most frequent first. */
export function trends(
  index: HistoryIndex,
  { sinceMs = 0, kind: only }: { sinceMs?: number | undefined; kind?: string | undefined } = {},
): Trend[] {
  return index.kinds.flatMap(({ kind, total }) => {
    const attempts = index.ofKind(kind).filter(({ endedMs }) => endedMs >= sinceMs);
    if (attempts.length === 0 || (only !== undefined && kind !== only)) return [];
    const half = attempts.length >> 1;
    const beforeBytes = half < LEAST_HALF ? undefined : medianPeak(attempts.slice(0, half));
    const nowBytes = medianPeak(attempts.slice(half)) ?? 0;
    const daily = index.days
      .filter((day) => day.kind === kind && day.dayMs >= sinceMs)
      .sort((a, b) => a.dayMs - b.dayMs)
      .slice(-MOST_POINTS);
    const per = daily.length > 1 ? 'day' : 'attempt';
    const points =
      per === 'day'
        ? daily.map(({ count, dayMs, sumBytes }) => ({ atMs: dayMs, bytes: Math.round(sumBytes / count), attempts: count }))
        : attempts.slice(-MOST_POINTS).map(({ endedMs, peakBytes }) => ({ atMs: endedMs, bytes: peakBytes, attempts: 1 }));
    const changeShare = beforeBytes === undefined || beforeBytes === 0 ? undefined : nowBytes / beforeBytes - 1;
    return [{ kind, attempts: sinceMs > 0 ? attempts.length : total, beforeBytes, nowBytes, changeShare, points, per }];
  });
} // prettier-ignore

/** How attempts of a kind use memory, and how they end. */
export interface Pattern {
  readonly kind: string;
  /** Of the kept attempts. */
  readonly attempts: number;
  readonly doneShare: number;
  readonly stoppedShare: number;
  readonly medianBytes: number;
  readonly p90Bytes: number;
  readonly largestBytes: number;
  readonly medianMs: number;
  /** Median of the time to the peak over the whole time; undefined where no course was kept. */
  readonly peakAtShare: number | undefined;
  /** Median of the average over the peak: 1 holds its peak all the time. */
  readonly fillShare: number | undefined;
  /** In words. */
  readonly shape: 'steady' | 'early peak' | 'late peak' | 'short peak' | 'unknown';
  /** How they ended, the most frequent first. */
  readonly causes: readonly { readonly cause: string; readonly count: number }[];
}

/** One for each kind, the most frequent first. */
export function patterns(index: HistoryIndex): Pattern[] {
  return index.kinds.map(({ kind }) => {
    const attempts = index.ofKind(kind);
    const count = attempts.length;
    const peaks = attempts.map(({ peakBytes }) => peakBytes).sort((a, b) => a - b);
    const peakAtShare = median(
      attempts.flatMap(({ durationMs, peakAfterMs }) =>
        peakAfterMs === undefined || durationMs === 0 ? [] : [Math.min(1, peakAfterMs / durationMs)],
      ),
    );
    const fillShare = median(
      attempts.flatMap(({ averageBytes, peakBytes }) =>
        averageBytes === undefined || peakBytes === 0 ? [] : [Math.min(1, averageBytes / peakBytes)],
      ),
    );
    const causes = new Map<string, number>();
    for (const { cause } of attempts) causes.set(cause, (causes.get(cause) ?? 0) + 1);
    return {
      kind,
      attempts: count,
      doneShare: (causes.get('done') ?? 0) / Math.max(1, count),
      stoppedShare: attempts.filter(({ isCensored }) => isCensored).length / Math.max(1, count),
      medianBytes: peaks[count >> 1] ?? 0,
      p90Bytes: peaks[Math.min(count - 1, Math.floor(count * 0.9))] ?? 0,
      largestBytes: peaks.at(-1) ?? 0,
      medianMs: median(attempts.map(({ durationMs }) => durationMs)) ?? 0,
      peakAtShare,
      fillShare,
      shape: shapeOf(peakAtShare, fillShare),
      causes: [...causes]
        .map(([cause, times]) => ({ cause, count: times }))
        .sort((a, b) => b.count - a.count),
    };
  });
}

/** What holds three quarters of its peak on average is steady; what holds less than half has it for a short time. */
function shapeOf(peakAtShare: number | undefined, fillShare: number | undefined): Pattern['shape'] {
  if (fillShare === undefined || peakAtShare === undefined) return 'unknown';
  if (fillShare >= 0.75) return 'steady';
  if (peakAtShare >= 2 / 3) return 'late peak';
  return peakAtShare <= 1 / 3 ? 'early peak' : 'short peak';
}

function medianPeak(attempts: readonly PastAttempt[]): number | undefined {
  return median(attempts.map(({ peakBytes }) => peakBytes));
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
