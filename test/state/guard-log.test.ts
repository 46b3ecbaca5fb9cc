/** Are the guard's logs written in their fields, in short lines, and read back without what is torn or foreign? */
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { openGuardLog, readAlerts, readStats, type GuardLog } from '../../lib/state/guard-log.ts';
import {
  alertRecord,
  parseAlert,
  parseStats,
  statsRecord,
  type GuardAlert,
  type GuardStats,
} from '../../lib/state/guard-records.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someMemory } from '../support/nouns.ts';
import { tempDir } from '../support/scripts.ts';

const liveness = { self: readSelf(), isAlive };
const START_MS = Date.UTC(2026, 0, 31, 12);
const LONGEST_BYTES = 1023;

function open(dir: string, troubles: string[] = []): GuardLog {
  return openGuardLog(dir, liveness, (text) => troubles.push(text));
}

function someAlert(change: Partial<GuardAlert> = {}): GuardAlert {
  return {
    atMs: START_MS,
    level: 'warning',
    subprocessId: 'shop/1/A',
    message: 'WARNING: Memory exceeded 1024MB at 1156.3MB',
    memory: someMemory(3 * GIB, 4 * GIB),
    ...change,
  };
}

function someStats(change: Partial<GuardStats> = {}): GuardStats {
  return {
    atMs: START_MS,
    subprocessId: 'shop/1/A',
    startBytes: 10.04 * MIB,
    peakBytes: 353.55 * MIB,
    endBytes: 0,
    durationMs: 4049,
    warnings: ['one', 'two'],
    aborted: true,
    ...change,
  };
}

describe('an alert', () => {
  it('has its fields, in MB and percent of the total in use', () => {
    const dir = join(tempDir(), 'logs', 'memory');
    const record = open(dir).alert(someAlert());
    const written: unknown = JSON.parse(readFileSync(join(dir, 'memory-alerts.log'), 'utf8'));
    expect(written).toEqual({
      timestamp: '2026-01-31T12:00:00.000Z',
      level: 'warning',
      subprocess_id: 'shop/1/A',
      message: 'WARNING: Memory exceeded 1024MB at 1156.3MB',
      system_memory: { total_mb: 4096, available_mb: 3072, used_mb: 1024, percent: 25 },
    });
    expect(record).toEqual(written);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, 'memory-alerts.log')).mode & 0o777).toBe(0o600);
  });

  it('with a message of several lines or none is one line all the same', () => {
    const dir = tempDir();
    open(dir).alert(someAlert({ message: 'a\nb\u2028c \u001b[31md' }));
    open(dir).alert(someAlert({ message: '' }));
    expect(readAlerts(dir, {}).records.map(({ message }) => message)).toEqual(['a b c d', '']);
  });

  it('of a machine that reports no memory is told without a percentage that is none', () => {
    expect(alertRecord(someAlert({ memory: someMemory(0, 0) })).system_memory.percent).toBe(0);
  });

  it('is under 1 KB and reads back as it was written, whatever its texts are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.string({ maxLength: 300 }),
        (message, id) => {
          const record = alertRecord(someAlert({ message, subprocessId: id }));
          const line = JSON.stringify(record);
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LONGEST_BYTES);
          expect(line).not.toMatch(/[\n\u2028]/);
          expect(parseAlert(line)).toEqual(record);
        },
      ),
    );
  });
});

describe('statistics', () => {
  it('have their fields; what is unknown is left out', () => {
    const dir = tempDir();
    open(dir).stats([someStats({ endBytes: undefined })]);
    expect(JSON.parse(readFileSync(join(dir, 'subprocess-stats.jsonl'), 'utf8'))).toEqual({
      subprocess_id: 'shop/1/A',
      memory_stats: {
        start_mb: 10,
        peak_mb: 353.6,
        duration_seconds: 4,
        warnings: ['one', 'two'],
        aborted: true,
      },
      timestamp: '2026-01-31T12:00:00.000Z',
    });
    expect(readStats(dir, {}).records[0]?.memory_stats).toMatchObject({ end_mb: undefined, peak_mb: 353.6 });
  });

  it('of very many warnings keep the first and the last ones and say how many are missing', () => {
    const warnings = Array.from({ length: 40 }, (_, index) => `warning ${index + 1} ${'x'.repeat(60)}`);
    const kept = statsRecord(someStats({ warnings })).memory_stats.warnings;
    expect(kept[0]).toBe(warnings[0]);
    expect(kept.at(-1)).toBe(warnings.at(-1));
    const missing = kept.map((text) => /^… (\d+) more$/.exec(text)?.[1]).find((text) => text !== undefined);
    expect(Number(missing)).toBe(40 - (kept.length - 1));
    expect(kept.length).toBeGreaterThan(4);
  });

  it('are under 1 KB and read back as they were written, whatever was warned of', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 400 }), { maxLength: 30 });
    fc.assert(
      fc.property(texts, (warnings) => {
        const line = JSON.stringify(statsRecord(someStats({ warnings })));
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LONGEST_BYTES);
        expect(parseStats(line)).toEqual(statsRecord(someStats({ warnings })));
      }),
    );
  });
});

describe('the log for people', () => {
  it('has a line of time, level and text for each note, cut to 1 KB', () => {
    const dir = tempDir();
    open(dir).note('info', 'guard begins\nforged', START_MS);
    open(dir).note('warning', '語'.repeat(2000), START_MS + 1);
    const [first, second = '', ...more] = readFileSync(join(dir, 'memory-monitor.log'), 'utf8').split('\n');
    expect(first).toBe('2026-01-31T12:00:00.000Z info guard begins forged');
    expect(second).toMatch(/^2026-01-31T12:00:00\.001Z warning 語+…$/u);
    expect(Buffer.byteLength(second)).toBeLessThanOrEqual(LONGEST_BYTES);
    expect(more).toEqual(['']);
  });
});

describe('a log that cannot be written', () => {
  it('is told once for a row of failures, again after it worked, and never stops the guard', () => {
    const dir = tempDir();
    const troubles: string[] = [];
    const log = open(dir, troubles);
    mkdirSync(join(dir, 'memory-alerts.log'));
    for (let round = 0; round < 3; round += 1) expect(log.alert(someAlert()).level).toBe('warning');
    log.note('info', 'other logs still work', START_MS);
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toContain('memory-alerts.log');
    expect(readFileSync(join(dir, 'memory-monitor.log'), 'utf8')).toContain('other logs still work');

    const path = join(dir, 'memory-alerts.log');
    rmSync(path, { recursive: true });
    log.alert(someAlert());
    expect(readAlerts(dir, {}).records).toHaveLength(1);
    rmSync(path);
    mkdirSync(path);
    log.alert(someAlert());
    expect(troubles).toHaveLength(2);
  });

  it('in the place of whose folder a file stands is told as well', () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'file'), '');
    const troubles: string[] = [];
    open(join(dir, 'file', 'memory'), troubles).stats([someStats()]);
    expect(troubles).toHaveLength(1);
  });
});

describe('reading', () => {
  it('a folder that is not there finds nothing', () => {
    expect(readAlerts('/no/such', {})).toEqual({ records: [], skipped: 0 });
    expect(readStats('/no/such', {})).toEqual({ records: [], skipped: 0 });
  });

  const good = JSON.stringify(alertRecord(someAlert()));
  it.each<[string, string, number, number]>([
    ['a torn last line', `${good}\n${good.slice(0, -1)}`, 1, 1],
    ['a last line that lacks its end only', `${good}\n${good}`, 2, 0],
    ['a line torn in the middle', `${good.slice(0, 40)}\n${good}\n`, 1, 1],
    ['empty lines', `\n\n${good}\n\n`, 1, 0],
    ['words', `hello\n${good}\n`, 1, 1],
    ['other JSON', `1\nnull\n[]\n{}\n"x"\n${good}\n`, 1, 5],
    ['a level of another program', `${good.replace('"warning"', '"fatal"')}\n`, 0, 1],
    ['a time that is none', `${good.replace('2026-01-31T12', '2026-99-31T12')}\n`, 0, 1],
    ['a figure that is a word', `${good.replace('"percent":25', '"percent":"25"')}\n`, 0, 1],
    ['statistics among alerts', `${JSON.stringify(statsRecord(someStats()))}\n${good}\n`, 1, 1],
    ['a field of a newer version', `${good.replace('{"timestamp"', '{"new":1,"timestamp"')}\n`, 1, 0],
  ])('%s', (_, text, found, skipped) => {
    const dir = tempDir();
    writeFileSync(join(dir, 'memory-alerts.log'), text);
    const read = readAlerts(dir, {});
    expect({ found: read.records.length, skipped: read.skipped }).toEqual({ found, skipped });
    for (const record of read.records) expect(JSON.stringify(record)).toBe(good);
  });

  it('takes level, time and number as asked, the newest ones, oldest first, over closed parts too', () => {
    const dir = tempDir();
    const line = (minute: number, level: 'warning' | 'critical' | 'over') =>
      `${JSON.stringify(alertRecord(someAlert({ atMs: START_MS + minute * 60_000, level, message: `m${minute}` })))}\n`;
    writeFileSync(join(dir, 'memory-alerts.log.2'), line(1, 'warning') + line(2, 'over'));
    writeFileSync(join(dir, 'memory-alerts.log.1'), line(3, 'critical'));
    appendFileSync(join(dir, 'memory-alerts.log'), line(4, 'warning') + line(5, 'critical'));
    const messages = (query: Parameters<typeof readAlerts>[1]) =>
      readAlerts(dir, query).records.map(({ message }) => message);
    expect(messages({})).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
    expect(messages({ levels: ['critical', 'over'] })).toEqual(['m2', 'm3', 'm5']);
    expect(messages({ sinceMs: START_MS + 180_000 })).toEqual(['m3', 'm4', 'm5']);
    expect(messages({ sinceMs: START_MS + 180_001 })).toEqual(['m4', 'm5']);
    expect(messages({ limit: 2 })).toEqual(['m4', 'm5']);
    expect(messages({ limit: 9 })).toHaveLength(5);
    expect(messages({ levels: ['critical', 'over'], limit: 1, sinceMs: START_MS })).toEqual(['m5']);
  });
});
