/** What did each guarded process use over all of its runs? */
import type { StatsRecord } from '../model.ts';

export interface SubprocessSummary {
  readonly subprocess_id: string;
  readonly runs: number;
  /** The largest peak of all runs; undefined where none was measured. */
  readonly peak_mb: number | undefined;
  readonly average_seconds: number;
  readonly aborted: number;
  readonly warnings: number;
  /** When the last run ended; ISO 8601. */
  readonly last: string;
}

/** One summary for each subprocess, the largest peak first; unmeasured ones last, then by name. */
export function summarizeStats(records: readonly StatsRecord[]): SubprocessSummary[] {
  const byId = new Map<string, StatsRecord[]>();
  for (const record of records)
    byId.set(record.subprocess_id, [...(byId.get(record.subprocess_id) ?? []), record]);
  return [...byId].map(([id, runs]) => summaryOf(id, runs)).sort(bySize);
}

function summaryOf(id: string, records: readonly StatsRecord[]): SubprocessSummary {
  const stats = records.map((record) => record.memory_stats);
  const peaks = stats.map(({ peak_mb }) => peak_mb).filter((peak) => peak !== undefined);
  const seconds = stats.reduce((sum, { duration_seconds }) => sum + duration_seconds, 0);
  const times = records.map(({ timestamp }) => timestamp).sort();
  return {
    subprocess_id: id,
    runs: records.length,
    peak_mb: peaks.length === 0 ? undefined : Math.max(...peaks),
    average_seconds: Math.round((seconds / records.length) * 10) / 10,
    aborted: stats.filter(({ aborted }) => aborted).length,
    warnings: stats.reduce((sum, { warnings }) => sum + warnings.length, 0),
    last: times.at(-1) ?? '',
  };
}

function bySize(one: SubprocessSummary, other: SubprocessSummary): number {
  const order = (other.peak_mb ?? -1) - (one.peak_mb ?? -1);
  return order || (one.subprocess_id < other.subprocess_id ? -1 : 1);
}
