/** What is one line of the guard's logs? Built so that it fits into one unbroken write, and read back with suspicion. */
import type { AlertLevel, AlertRecord, MemorySnapshot, StatsRecord } from '../model.ts';
import { cleanText } from '../names.ts';
import { megabytes } from '../units.ts';

/** Appends under 1 KB are not torn by a kill. */
const LINE_BYTES = 1000;
export const MESSAGE_CHARS = 500;
const WARNING_CHARS = 160;
/** A stream's key is no longer. */
const ID_CHARS = 302;
const LEAST_CHARS = 16;

/** What the guard says of one crossing or deed. */
export interface GuardAlert {
  readonly atMs: number;
  readonly level: AlertLevel;
  /** A stream's key, or a name of the command's. */
  readonly subprocessId: string;
  readonly message: string;
  readonly memory: MemorySnapshot;
}

/** What one guarded process used; undefined is unknown. */
export interface GuardStats {
  readonly atMs: number;
  readonly subprocessId: string;
  readonly startBytes: number | undefined;
  readonly peakBytes: number | undefined;
  readonly endBytes: number | undefined;
  readonly durationMs: number;
  readonly warnings: readonly string[];
  readonly aborted: boolean;
  /** So many others lived in the same tree, whose figures these are; undefined: the tree was its own. */
  readonly sharedWith?: number;
}

/** The text on one line, cut so far that the line made with it fits into one write. */
export function fitted(text: string, mostChars: number, lineOf: (cut: string) => string): string {
  let cut = cleanText(text, mostChars);
  while (Buffer.byteLength(lineOf(cut)) > LINE_BYTES && cut.length > LEAST_CHARS)
    cut = cleanText(cut, Math.floor(cut.length * 0.75));
  return cut;
}

/** An alert as it is written; its message is cut where the line would not fit into one unbroken write. */
export function alertRecord({ atMs, level, subprocessId, message, memory }: GuardAlert): AlertRecord {
  const { totalBytes, availableBytes } = memory;
  const usedBytes = Math.max(0, totalBytes - availableBytes);
  const record = (text: string): AlertRecord => ({
    timestamp: new Date(atMs).toISOString(),
    level,
    subprocess_id: cleanText(subprocessId, ID_CHARS),
    message: text,
    system_memory: {
      total_mb: megabytes(totalBytes),
      available_mb: megabytes(availableBytes),
      used_mb: megabytes(usedBytes),
      percent: totalBytes > 0 ? Math.round((usedBytes / totalBytes) * 1000) / 10 : 0,
    },
  });
  return record(fitted(message, MESSAGE_CHARS, (text) => JSON.stringify(record(text))));
}

/** Statistics as they are written; of too many warnings the first and the last ones stay. */
export function statsRecord(stats: GuardStats): StatsRecord {
  const mb = (bytes: number | undefined) => (bytes === undefined ? undefined : megabytes(bytes));
  const record = (warnings: readonly string[]): StatsRecord => ({
    subprocess_id: cleanText(stats.subprocessId, ID_CHARS),
    memory_stats: {
      start_mb: mb(stats.startBytes),
      peak_mb: mb(stats.peakBytes),
      end_mb: mb(stats.endBytes),
      duration_seconds: Math.round(Math.max(0, stats.durationMs) / 100) / 10,
      warnings,
      aborted: stats.aborted,
      ...(stats.sharedWith !== undefined && { shared_with: stats.sharedWith }),
    },
    timestamp: new Date(stats.atMs).toISOString(),
  });
  const fits = (warnings: readonly string[]) =>
    Buffer.byteLength(JSON.stringify(record(warnings))) <= LINE_BYTES;
  const all = stats.warnings.map((text) => cleanText(text, WARNING_CHARS));
  let kept = all;
  for (let left = all.length - 1; !fits(kept) && left > 0; left -= 1) {
    const first = Math.ceil(left / 2);
    const last = left - first;
    const middle = `… ${all.length - left} more`;
    kept = [...all.slice(0, first), middle, ...(last === 0 ? [] : all.slice(-last))];
  }
  return record(kept);
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isTime = (value: unknown): value is string =>
  typeof value === 'string' && Number.isFinite(Date.parse(value));
const isLevel = (value: unknown): value is AlertLevel =>
  value === 'warning' || value === 'critical' || value === 'over';

/** The alert in a line; undefined: torn, or not ours. Fields of a newer version that we do not know are left out. */
export function parseAlert(line: string): AlertRecord | undefined {
  const value = parsedJson(line);
  if (!isFields(value) || !isFields(value['system_memory'])) return undefined;
  const { timestamp, level, subprocess_id, message } = value;
  const { total_mb, available_mb, used_mb, percent } = value['system_memory'];
  if (!isTime(timestamp) || !isLevel(level)) return undefined;
  if (typeof subprocess_id !== 'string' || typeof message !== 'string') return undefined;
  if (!isNumber(total_mb) || !isNumber(available_mb) || !isNumber(used_mb) || !isNumber(percent))
    return undefined;
  const system_memory = { total_mb, available_mb, used_mb, percent };
  return { timestamp, level, subprocess_id, message, system_memory };
}

/** The statistics in a line; undefined: torn, or not ours. */
export function parseStats(line: string): StatsRecord | undefined {
  const value = parsedJson(line);
  if (!isFields(value) || !isFields(value['memory_stats'])) return undefined;
  const { subprocess_id, timestamp } = value;
  const { start_mb, peak_mb, end_mb, duration_seconds, warnings, aborted, shared_with } =
    value['memory_stats'];
  if (typeof subprocess_id !== 'string' || !isTime(timestamp)) return undefined;
  if (!isNumber(duration_seconds) || typeof aborted !== 'boolean' || !isTexts(warnings)) return undefined;
  const size = (mb: unknown) => (isNumber(mb) ? mb : undefined);
  const memory_stats = {
    start_mb: size(start_mb),
    peak_mb: size(peak_mb),
    end_mb: size(end_mb),
    duration_seconds,
    warnings,
    aborted,
    ...(isNumber(shared_with) && { shared_with }),
  };
  return { subprocess_id, memory_stats, timestamp };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
