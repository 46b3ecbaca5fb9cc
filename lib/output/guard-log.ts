/** What has the guard written down, and what did guarded processes use? */
import type { AlertRecord } from '../model.ts';
import type { SubprocessSummary } from '../policy/subprocess-stats.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import { oneLine, type Answer, type LineValue } from './answer.ts';
import { renderTable } from './table.ts';

type Words = Pick<Answer, 'json' | 'lines' | 'table'>;

const mb = (megabytes: number): string => formatBytes(megabytes * MIB);

/** One line an alert: `alert:TIME LEVEL SUBPROCESS available_mb=… MESSAGE`. */
export function alertsAnswer({
  records,
  skipped,
}: {
  readonly records: readonly AlertRecord[];
  readonly skipped: number;
}): Words {
  return {
    json: { alerts: records, skipped_lines: skipped },
    lines: [
      ['alerts', records.length],
      ['skipped_lines', skipped],
      ...records.map(({ timestamp, level, subprocess_id, message, system_memory }): [string, LineValue] => [
        'alert',
        `${timestamp} ${level} ${subprocess_id} available_mb=${system_memory.available_mb} ${message}`,
      ]),
    ],
    table: async () => {
      const rows = records.map(({ timestamp, level, subprocess_id, message, system_memory }) => [
        oneLine(timestamp),
        level,
        oneLine(subprocess_id),
        `${mb(system_memory.available_mb)} of ${mb(system_memory.total_mb)}`,
        oneLine(message),
      ]);
      const head = ['time', 'level', 'subprocess', 'available', 'message'];
      return [rows.length === 0 ? 'No alerts.' : await renderTable(head, rows), ...skippedText(skipped)].join(
        '\n',
      );
    },
  };
}

/** One line a subprocess: `subprocess:ID runs=… peak_mb=… average_seconds=… aborted=… warnings=…`. */
export function statsAnswer(summaries: readonly SubprocessSummary[], skipped: number): Words {
  const runs = summaries.reduce((sum, summary) => sum + summary.runs, 0);
  return {
    json: { subprocesses: summaries, runs, skipped_lines: skipped },
    lines: [
      ['subprocesses', summaries.length],
      ['runs', runs],
      ['skipped_lines', skipped],
      ...summaries.map((one): [string, LineValue] => [
        'subprocess',
        `${one.subprocess_id} runs=${one.runs} peak_mb=${one.peak_mb ?? '-'} average_seconds=${one.average_seconds} aborted=${one.aborted} warnings=${one.warnings}`,
      ]),
    ],
    table: async () => {
      const rows = summaries.map((one) => [
        oneLine(one.subprocess_id),
        String(one.runs),
        one.peak_mb === undefined ? '-' : mb(one.peak_mb),
        formatDuration(one.average_seconds * 1000),
        String(one.aborted),
        String(one.warnings),
        oneLine(one.last),
      ]);
      const head = ['subprocess', 'runs', 'largest peak', 'average time', 'aborted', 'warnings', 'last'];
      const table = rows.length === 0 ? 'No guarded process has ended yet.' : await renderTable(head, rows);
      return [table, ...skippedText(skipped)].join('\n');
    },
  };
}

function skippedText(skipped: number): string[] {
  return skipped === 0 ? [] : [`${skipped} lines were unreadable (torn, or not ours) and left out.`];
}
