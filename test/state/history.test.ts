/** Is every attempt of the history there once: under many writers, folds, kills, torn lines and a long life? */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { PastAttempt } from '../../lib/history-model.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { historyLine, parseHistoryLine } from '../../lib/state/history-line.ts';
import { decodeKept, encodeKept, keep, NOTHING_KEPT, type Kept } from '../../lib/state/history-kept.ts';
import { appendHistory, loadHistory, tidyHistory } from '../../lib/state/history.ts';
import { somePast } from '../support/nouns.ts';
import { tempDir } from '../support/scripts.ts';

const liveness = { self: readSelf(), isAlive };
const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'append-history.ts');
const OLD_KEPT = join(import.meta.dirname, '..', 'fixtures', 'state', 'history-kept-1.json');

const load = (dir: string) => loadHistory(dir, () => liveness);
const keysOf = (dir: string): string[] => load(dir).attempts.map(({ key }) => key);
const inHistory = (dir: string, name: string): string => join(dir, 'history', name);
const totalOf = (dir: string): number | undefined =>
  load(dir).totals.find(({ level }) => level === 'all')?.count;

test('without a history there is nothing, and reading makes no file', () => {
  const dir = tempDir();
  expect(load(dir)).toEqual({ ...NOTHING_KEPT, notes: [] });
  tidyHistory(dir, liveness, true);
  expect(readdirSync(dir)).toEqual([]);
});

const quantity = fc.integer({ min: 0, max: 2 ** 40 });
const anyPast: fc.Arbitrary<PastAttempt> = fc
  .record({
    key: fc.string({ maxLength: 60 }),
    kind: fc.string({ maxLength: 60 }),
    command: fc.string({ maxLength: 60 }),
    label: fc.option(fc.string({ maxLength: 20 }), { nil: undefined }),
    cause: fc.constantFrom('done', 'our-limit', 'x\ny'),
    estimateBytes: fc.option(quantity, { nil: undefined }),
    limitBytes: fc.option(quantity, { nil: undefined }),
    heapMb: fc.option(quantity, { nil: undefined }),
    peakBytes: quantity,
    peakKind: fc.constantFrom('rss', 'pss', 'cgroup'),
    isCensored: fc.boolean(),
    averageBytes: fc.option(quantity, { nil: undefined }),
    peakAfterMs: fc.option(quantity, { nil: undefined }),
    profile: fc.array(fc.record({ untilMs: quantity, bytes: quantity }), { maxLength: 16 }),
    endedMs: quantity,
    durationMs: quantity,
    machine: fc.string({ maxLength: 30 }),
  })
  .map((attempt) => attempt);

test('what is written of an attempt is read as the same, from its line and from the aggregates', () => {
  fc.assert(
    fc.property(anyPast, (attempt) => {
      const line = historyLine(attempt);
      expect(line).not.toContain('\n');
      expect(parseHistoryLine(line)).toEqual({ attempt });
      const kept = keep(NOTHING_KEPT, [attempt]);
      const text = JSON.stringify(encodeKept(kept));
      expect(decodeKept(JSON.parse(text) as Record<string, unknown>)).toEqual(kept);
    }),
  );
});

test.each([
  ['nothing', ''],
  ['half a line', historyLine(somePast()).slice(0, -1)],
  ['a number', '7'],
  ['a list', '[]'],
  ['no version', '{}'],
  ['no peak', historyLine(somePast()).replace(/"peakBytes":\d+,/, '')],
  ['a peak below zero', historyLine(somePast()).replace(/"peakBytes":/, '"peakBytes":-')],
  ['a kind of peak that is none', historyLine(somePast()).replace('"pss"', '"guess"')],
  ['half a segment', historyLine(somePast()).replace(/"profile":\[\d+,/, '"profile":[')],
  ['seventeen segments', historyLine(somePast({ profile: Array.from({ length: 17 }, () => ({ untilMs: 1, bytes: 1 })) }))],
])('%s is no record', (_, line) => {
  expect(parseHistoryLine(line)).toBe('torn');
}); // prettier-ignore

test('a line of a newer version is left alone: neither read nor folded away', () => {
  const dir = tempDir();
  appendHistory(dir, [somePast({ key: 'e/1/A' })]);
  const newer = historyLine(somePast({ key: 'e/1/B' })).replace('"v":1', '"v":2');
  appendFileSync(inHistory(dir, 'attempts.jsonl'), `${newer}\n`);
  tidyHistory(dir, liveness, true);
  expect(keysOf(dir)).toEqual(['e/1/A']);
  expect(load(dir).notes.join()).toMatch(/1 line is from a newer version/);
  expect(readFileSync(inHistory(dir, 'attempts-1.jsonl'), 'utf8')).toContain(newer);
});

test('a torn line is named and kept aside, and those around it count', () => {
  const dir = tempDir();
  appendHistory(dir, [somePast({ key: 'e/1/A', endedMs: 1 })]);
  const half = historyLine(somePast({ key: 'e/1/B' })).slice(0, 50);
  appendFileSync(inHistory(dir, 'attempts.jsonl'), half);
  appendHistory(dir, [somePast({ key: 'e/1/C', endedMs: 2 })]);
  expect(keysOf(dir)).toEqual(['e/1/A', 'e/1/C']);
  expect(load(dir).notes.join()).toMatch(/attempts\.jsonl: 1 line is torn/);

  tidyHistory(dir, liveness, true);
  expect(keysOf(dir)).toEqual(['e/1/A', 'e/1/C']);
  expect(readFileSync(inHistory(dir, 'damaged.jsonl'), 'utf8')).toBe(`${half}\n`);
});

test('damaged aggregates are named, put aside by the next fold, and never written over', () => {
  const dir = tempDir();
  mkdirSync(join(dir, 'history'));
  writeFileSync(inHistory(dir, 'kept.json'), '{"version":1,');
  appendHistory(dir, [somePast({ key: 'e/1/A' })]);
  expect(keysOf(dir)).toEqual(['e/1/A']);
  expect(load(dir).notes.join()).toMatch(/kept\.json is damaged/);
  tidyHistory(dir, liveness, true);
  const aside = readdirSync(join(dir, 'history')).filter((name) => name.includes('damaged-'));
  expect(aside.map((name) => readFileSync(inHistory(dir, name), 'utf8'))).toEqual(['{"version":1,']);
  expect(keysOf(dir)).toEqual(['e/1/A']);
});

test('aggregates of a newer version are refused and stay', () => {
  const dir = tempDir();
  mkdirSync(join(dir, 'history'));
  writeFileSync(inHistory(dir, 'kept.json'), '{"version":99}');
  expect(() => load(dir)).toThrow(/newer version/);
  appendHistory(dir, [somePast()]);
  expect(() => tidyHistory(dir, liveness, true)).toThrow(/newer version/);
  expect(readFileSync(inHistory(dir, 'kept.json'), 'utf8')).toBe('{"version":99}');
});

test('aggregates that version 1 wrote are read', () => {
  const dir = tempDir();
  mkdirSync(join(dir, 'history'));
  writeFileSync(inHistory(dir, 'kept.json'), readFileSync(OLD_KEPT));
  expect(load(dir).attempts).toEqual([somePast({ key: 'shop/1/A', kind: 'tester' })]);
  expect(totalOf(dir)).toBe(214);
});

test('a fold that was killed at any of its steps is finished by the next one, without loss or double', () => {
  const line = (id: string): string => `${historyLine(somePast({ key: `e/1/${id}` }))}\n`;
  const seal = '{"v":1,"seal":true}\n';
  const fold = (files: Record<string, string>): string[] => {
    const dir = tempDir();
    mkdirSync(join(dir, 'history'));
    for (const [name, text] of Object.entries(files)) writeFileSync(inHistory(dir, name), text);
    const before = keysOf(dir);
    tidyHistory(dir, liveness, true);
    expect(keysOf(dir).sort()).toEqual(before.sort());
    expect(totalOf(dir)).toBe(before.length);
    expect(readdirSync(join(dir, 'history'))).toEqual(['kept.json']);
    return before;
  };
  const kept = JSON.stringify({ version: 1, through: 1, ...encodeKept(keep(NOTHING_KEPT, [somePast({ key: 'e/1/A' })])) });
  expect(fold({ 'attempts.jsonl': line('A') })).toEqual(['e/1/A']);
  expect(fold({ 'attempts-1.jsonl': line('A') })).toEqual(['e/1/A']);
  expect(fold({ 'attempts-1.jsonl': line('A') + seal })).toEqual(['e/1/A']);
  expect(fold({ 'attempts-1.jsonl': line('A') + seal, 'kept.json': kept })).toEqual(['e/1/A']);
  expect(fold({ 'attempts-2.jsonl': line('B') + seal + line('C'), 'kept.json': kept })).toEqual(['e/1/A', 'e/1/B']);
  expect(fold({ 'attempts-2.jsonl': line('B'), 'attempts.jsonl': line('C'), 'kept.json': kept })).toHaveLength(3);
}); // prettier-ignore

test('a writer whose file was closed under it writes behind the seal and again, so that one record counts', () => {
  const dir = tempDir();
  appendHistory(dir, [somePast({ key: 'e/1/A', endedMs: 1 })]);
  const late = somePast({ key: 'e/1/B', endedMs: 2 });
  // What a fold leaves for a writer that opened the log before it: the part, sealed and folded, still open in the writer.
  const part = inHistory(dir, 'attempts-1.jsonl');
  renameSync(inHistory(dir, 'attempts.jsonl'), part);
  appendFileSync(part, `{"v":1,"seal":true}\n${historyLine(late)}\n`);
  expect(keysOf(dir)).toEqual(['e/1/A']);
  appendHistory(dir, [late]);
  tidyHistory(dir, liveness, true);
  expect(keysOf(dir)).toEqual(['e/1/A', 'e/1/B']);
});

test('writers that append and fold at the same time, one of them killed, lose and double nothing', async () => {
  const dir = tempDir();
  const writers = ['w1', 'w2', 'w3'].map((name) => startWriter(dir, name, 60));
  const victim = startWriter(dir, 'victim', 100_000);
  await Promise.all(writers.map(({ ended }) => ended));
  victim.child.kill('SIGKILL');
  await victim.ended;
  tidyHistory(dir, liveness, true);

  const { attempts, totals } = load(dir);
  for (const { name, said } of [...writers, victim]) {
    const there = attempts.filter(({ kind }) => kind === name).map(({ key }) => Number(key.split('/')[2]));
    const numbers = there.sort((a, b) => a - b);
    const total = totals.find((one) => one.level === 'kind' && one.name === name)?.count ?? 0;
    const safe = said().length;
    // The victim may have appended one more than it could tell.
    expect([safe, safe + (name === 'victim' ? 1 : 0)]).toContain(total);
    expect(new Set(numbers).size).toBe(numbers.length);
    if (name !== 'victim') expect(numbers).toEqual(Array.from({ length: 60 }, (_, number) => number));
  }
  expect(existsSync(inHistory(dir, 'damaged.jsonl'))).toBe(false);
});

function startWriter(
  dir: string,
  name: string,
  count: number,
): { name: string; child: ChildProcess; said: () => string[]; ended: Promise<unknown> } {
  const child = spawn(process.execPath, ['--import', 'tsx', FIXTURE, dir, name, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { name, child, said: () => text.split('\n').slice(0, -1), ended: once(child, 'close') };
}

test('of a long history the newest of each stream and kind stay, and all are counted', () => {
  const many = Array.from({ length: 2000 }, (_, at) =>
    somePast({ key: `e/1/S${at % 100}`, kind: at % 100 === 0 ? 'rare' : 'often', endedMs: at }),
  );
  let kept: Kept = NOTHING_KEPT;
  for (let at = 0; at < many.length; at += 250) kept = keep(kept, many.slice(at, at + 250));
  const of = (isIt: (attempt: PastAttempt) => boolean): number[] =>
    kept.attempts.filter(isIt).map(({ endedMs }) => endedMs);
  expect(of(({ kind }) => kind === 'rare')).toHaveLength(20);
  expect(of(({ kind }) => kind === 'often').length).toBeLessThan(1000);
  expect(of(() => true).at(-1)).toBe(1999);
  expect(of(({ key }) => key === 'e/1/S7')).toEqual(
    [12, 13, 14, 15, 16, 17, 18, 19].map((at) => at * 100 + 7),
  );
  const counts = kept.totals.flatMap(({ count, level, name }) => (level === 'kind' ? [[name, count]] : []));
  expect(Object.fromEntries(counts)).toEqual({ rare: 20, often: 1980 });
  expect(kept.days.map(({ count, kind }) => `${kind} ${count}`).sort()).toEqual(['often 1980', 'rare 20']);
});
