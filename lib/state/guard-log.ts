/** What has the guard seen and done? Alerts, what each process used, and a log for people; written by many, read by two commands. */
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { Liveness } from '../lock.ts';
import type { AlertLevel, AlertRecord, StatsRecord } from '../model.ts';
import { MIB } from '../units.ts';
import {
  MESSAGE_CHARS,
  alertRecord,
  fitted,
  parseAlert,
  parseStats,
  statsRecord,
  type GuardAlert,
  type GuardStats,
} from './guard-records.ts';
import { appendRotated, readRotated, type RotatedLog } from './rotated-log.ts';

const MOST_BYTES = MIB;
const KEEP = 3;

export type NoteLevel = 'info' | 'warning' | 'error';

/** The three logs of a project, open for writing. No method throws for a log that cannot be written. */
export interface GuardLog {
  /** Writes the alert down and answers the record, as it may be sent on. */
  readonly alert: (alert: GuardAlert) => AlertRecord;
  /** Several by one write. */
  readonly stats: (stats: readonly GuardStats[]) => StatsRecord[];
  /** A line for people: `TIME level text`. */
  readonly note: (level: NoteLevel, text: string, atMs: number) => void;
}

function logAt(dir: string, name: string): RotatedLog {
  return { path: join(dir, name), mostBytes: MOST_BYTES, keep: KEEP };
}

const alertsLog = (dir: string): RotatedLog => logAt(dir, 'memory-alerts.log');
const statsLog = (dir: string): RotatedLog => logAt(dir, 'subprocess-stats.jsonl');
const notesLog = (dir: string): RotatedLog => logAt(dir, 'memory-monitor.log');

/**
 * The logs in `dir` (`.claude-pm/logs/memory` of a project). A guard must not fall over a full disk: what cannot be written is
 * told to `onTrouble`, once for a row of failures, and the guard goes on.
 */
export function openGuardLog(dir: string, liveness: Liveness, onTrouble: (text: string) => void): GuardLog {
  const troubled = new Set<string>();
  const write = (log: RotatedLog, line: string): void => {
    try {
      appendRotated(log, line, liveness);
      troubled.delete(log.path);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!troubled.has(log.path)) onTrouble(error.message);
      troubled.add(log.path);
    }
  };
  return {
    alert: (alert) => {
      const record = alertRecord(alert);
      write(alertsLog(dir), JSON.stringify(record));
      return record;
    },
    stats: (stats) => {
      const records = stats.map(statsRecord);
      if (records.length > 0)
        write(statsLog(dir), records.map((record) => JSON.stringify(record)).join('\n'));
      return records;
    },
    note: (level, text, atMs) => {
      const head = `${new Date(atMs).toISOString()} ${level}`;
      write(notesLog(dir), `${head} ${fitted(text, MESSAGE_CHARS, (cut) => `${head} ${cut}`)}`);
    },
  };
}

/** Which lines of a log are wanted. */
export interface LogQuery {
  readonly sinceMs?: number | undefined;
  /** The newest so many. */
  readonly limit?: number | undefined;
}

/** What a log holds, oldest first, and how many lines of it were unreadable: torn, or not ours. */
export interface LogPart<T> {
  readonly records: readonly T[];
  readonly skipped: number;
}

/** Alerts of the levels given (all where none is). @throws Failure where the log cannot be read. */
export function readAlerts(
  dir: string,
  query: LogQuery & { readonly levels?: readonly AlertLevel[] | undefined },
): LogPart<AlertRecord> {
  const { records, skipped } = readLog(alertsLog(dir), parseAlert);
  const wanted = records.filter(({ level }) => query.levels?.includes(level) ?? true);
  return { records: chosen(wanted, query), skipped };
}

/** What guarded processes used. @throws Failure where the log cannot be read. */
export function readStats(dir: string, query: LogQuery): LogPart<StatsRecord> {
  const { records, skipped } = readLog(statsLog(dir), parseStats);
  return { records: chosen(records, query), skipped };
}

function readLog<T>(log: RotatedLog, parse: (line: string) => T | undefined): LogPart<T> {
  const records: T[] = [];
  let skipped = 0;
  for (const line of readRotated(log)) {
    const record = parse(line);
    if (record === undefined) skipped += 1;
    else records.push(record);
  }
  return { records, skipped };
}

function chosen<T extends { timestamp: string }>(records: readonly T[], query: LogQuery): T[] {
  const { sinceMs = -Infinity, limit } = query;
  const young = records.filter(({ timestamp }) => Date.parse(timestamp) >= sinceMs);
  return limit === undefined ? young : young.slice(Math.max(0, young.length - limit));
}
