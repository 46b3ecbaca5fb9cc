/** Are the runs of a guarded process summed up as they were? */
import { expect, test } from 'vitest';
import type { StatsRecord } from '../../lib/model.ts';
import { summarizeStats } from '../../lib/policy/subprocess-stats.ts';

function record(id: string, change: Partial<StatsRecord['memory_stats']>, second: number): StatsRecord {
  return {
    subprocess_id: id,
    memory_stats: {
      start_mb: 10,
      peak_mb: 100,
      end_mb: 50,
      duration_seconds: 2,
      warnings: [],
      aborted: false,
      ...change,
    },
    timestamp: new Date(second * 1000).toISOString(),
  };
}

test('no records are no subprocesses', () => {
  expect(summarizeStats([])).toEqual([]);
});

test('each subprocess has its runs, its largest peak, its average time, its aborts and its last end', () => {
  const records = [
    record('small', { peak_mb: 20 }, 1),
    record('big', { peak_mb: 300, duration_seconds: 1, aborted: true, warnings: ['a', 'b'] }, 5),
    record('unknown', { peak_mb: undefined }, 2),
    record('big', { peak_mb: 200, duration_seconds: 3.5, warnings: ['c'] }, 3),
    record('big', { peak_mb: undefined, duration_seconds: 0 }, 4),
  ];
  expect(summarizeStats(records)).toEqual([
    {
      subprocess_id: 'big',
      runs: 3,
      peak_mb: 300,
      average_seconds: 1.5,
      aborted: 1,
      warnings: 3,
      last: '1970-01-01T00:00:05.000Z',
    },
    {
      subprocess_id: 'small',
      runs: 1,
      peak_mb: 20,
      average_seconds: 2,
      aborted: 0,
      warnings: 0,
      last: '1970-01-01T00:00:01.000Z',
    },
    {
      subprocess_id: 'unknown',
      runs: 1,
      peak_mb: undefined,
      average_seconds: 2,
      aborted: 0,
      warnings: 0,
      last: '1970-01-01T00:00:02.000Z',
    },
  ]);
});

test('of equal peaks the name decides, whatever the order of the records', () => {
  const records = [record('b', {}, 1), record('a', {}, 2), record('toString', {}, 3)];
  const ids = (list: readonly StatsRecord[]) =>
    summarizeStats(list).map(({ subprocess_id }) => subprocess_id);
  expect(ids(records)).toEqual(['a', 'b', 'toString']);
  expect(ids(records.toReversed())).toEqual(['a', 'b', 'toString']);
});
