/** Are alerts and statistics shown to people with everything that counts, and nothing that a terminal would obey? */
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import type { AlertRecord } from '../../lib/model.ts';
import { alertsAnswer, statsAnswer } from '../../lib/output/guard-log.ts';

const ALERT: AlertRecord = {
  timestamp: '2026-01-31T12:00:00.000Z',
  level: 'critical',
  subprocess_id: 'shop/1/A',
  message: 'CRITICAL: \u001b[2J\nMemory exceeded',
  system_memory: { total_mb: 4096, available_mb: 512.3, used_mb: 3583.7, percent: 87.5 },
};

const SUMMARY = {
  subprocess_id: 'shop/1/A',
  runs: 3,
  peak_mb: 1536,
  average_seconds: 75,
  aborted: 1,
  warnings: 2,
  last: '2026-01-31T12:00:00.000Z',
};

test('the table of alerts has time, level, subprocess, what was available, and the message on one line', async () => {
  const raw = (await alertsAnswer({ records: [ALERT], skipped: 0 }).table?.()) ?? '';
  expect(raw).not.toContain('\u001b[2J');
  const lines = stripVTControlCharacters(raw).split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]?.trim().split(/ {2,}/)).toEqual(['time', 'level', 'subprocess', 'available', 'message']);
  expect(lines[1]).toMatch(
    /2026-01-31T12:00:00\.000Z +critical +shop\/1\/A +512\.3MB of 4\.0GB +CRITICAL: .*Memory exceeded/,
  );
});

test('the table of statistics has runs, largest peak, average time, aborts and warnings', async () => {
  const text = stripVTControlCharacters((await statsAnswer([SUMMARY], 0).table?.()) ?? '');
  expect(text.split('\n')[1]).toMatch(/shop\/1\/A +3 +1\.5GB +1m15s +1 +2 +2026-01-31T12:00:00\.000Z/);
  const unknown = statsAnswer([{ ...SUMMARY, peak_mb: undefined }], 0);
  expect(unknown.lines.at(-1)?.[1]).toContain('peak_mb=- ');
  expect(stripVTControlCharacters((await unknown.table?.()) ?? '')).toMatch(/A +3 +- +1m15s/);
});

test('where there is nothing a sentence says so, and unreadable lines are told', async () => {
  expect(await alertsAnswer({ records: [], skipped: 0 }).table?.()).toBe('No alerts.');
  expect(await alertsAnswer({ records: [], skipped: 2 }).table?.()).toMatch(
    /^No alerts\.\n2 lines were unreadable/,
  );
  expect(await statsAnswer([], 0).table?.()).toBe('No guarded process has ended yet.');
});
