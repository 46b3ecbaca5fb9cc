/** Which attempts does a trace tell of, in each of its three forms, and what is none? */
import { expect, test } from 'vitest';
import { historyLine } from '../../lib/state/history-line.ts';
import { parseTrace } from '../../lib/state/trace-file.ts';
import { somePast } from '../support/nouns.ts';

const HEAD = 'process,memory,attempt,submit,start,complete,realtime,peak_rss,exit';

test('a table of tasks gives one attempt a row; what has no figures is left out', () => {
  const rows = ['A,1000,1,1,2,9000,500,700,0', 'A,1000,1,1,2,9500,600,800,137', 'A,1000,1,1,2,,-,,0', 'A'];
  const { attempts, form, skipped } = parseTrace([HEAD, ...rows].join('\r\n'), '/x/t.csv', 'cluster');
  expect({ form, skipped }).toEqual({ form: 'tasks', skipped: 2 });
  expect(attempts).toMatchObject([
    { key: 't.csv/1', kind: 'A', label: 'cluster', cause: 'done', peakBytes: 700, estimateBytes: 1000, endedMs: 9000, durationMs: 500, isCensored: false },
    { cause: 'failed', peakBytes: 800, isCensored: true },
  ]);
}); // prettier-ignore

test('a curve gives its peak, its average, its time and at most 16 segments', () => {
  const mb = [...Array.from({ length: 40 }, () => 10), 50, ...Array.from({ length: 59 }, () => 20)];
  const [one] = parseTrace(JSON.stringify({ id: 'a/b', mb }), 'c.jsonl', 'x').attempts;
  expect(one).toMatchObject({ key: 'a/b', peakBytes: 50e6, durationMs: 100_000, peakAfterMs: 41_000 });
  expect(one?.averageBytes).toBe(16.3e6);
  expect(one?.profile).toHaveLength(16);
  expect(one?.profile.at(-1)).toEqual({ untilMs: 100_000, bytes: 20e6 });
  expect(Math.max(...(one?.profile ?? []).map(({ bytes }) => bytes))).toBe(50e6);
});

test('lines of a history become the label’s, whatever they say of themselves', () => {
  const text = [historyLine(somePast({ label: 'mine' })), '{"kind":"k","peakBytes":7,"durationMs":3}', '{"v":1}'].join('\n'); // prettier-ignore
  const { attempts, skipped } = parseTrace(text, 'h.jsonl', 'cluster');
  expect(attempts).toMatchObject([
    { ...somePast(), label: 'cluster' },
    { kind: 'k', peakBytes: 7, label: 'cluster' },
  ]);
  expect(skipped).toBe(1);
});

test.each([
  ['a text', 'hello\nworld\n', /it lacks process, peak_rss/],
  ['nothing', '', /it lacks/],
  ['a table of nothing', `${HEAD}\n`, /tells of no attempt/],
  ['a curve of nothing', '{"id":"a","mb":[]}', /tells of no attempt/],
  ['a curve below zero', '{"id":"a","mb":[-1]}', /tells of no attempt/],
])('%s is no trace', (_, text, message) => {
  expect(() => parseTrace(text, 'f', 'x')).toThrow(message);
});
