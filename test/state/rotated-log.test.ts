/** Does a log that rotates under many writers keep every line, and do readers see each once? */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { appendRotated, readRotated, type RotatedLog } from '../../lib/state/rotated-log.ts';
import { tempDir } from '../support/scripts.ts';

const liveness = { self: readSelf(), isAlive };
const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'append-rotated.ts');

function logIn(dir: string, change: Partial<RotatedLog> = {}): RotatedLog {
  return { path: join(dir, 'log'), mostBytes: 10, keep: 3, ...change };
}

function files(dir: string): Record<string, string> {
  return Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]));
}

test('a log that is not there has no lines, and the first line makes its folder', () => {
  const dir = join(tempDir(), 'a', 'b');
  expect(readRotated(logIn(dir))).toEqual([]);
  appendRotated(logIn(dir), 'one', liveness);
  expect(files(dir)).toEqual({ log: 'one\n' });
});

test('a part is closed once it has reached its size, and only the youngest parts stay', () => {
  const dir = tempDir();
  const log = logIn(dir);
  for (let number = 1; number <= 11; number += 1) appendRotated(log, `line${number}`, liveness);
  expect(files(dir)).toEqual({
    log: 'line11\n',
    'log.1': 'line9\nline10\n',
    'log.2': 'line7\nline8\n',
    'log.3': 'line5\nline6\n',
  });
  expect(readRotated(log)).toEqual([5, 6, 7, 8, 9, 10, 11].map((number) => `line${number}`));
});

test('a gap that a killed process left is filled before an older part goes', () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'log'), 'young line\n');
  writeFileSync(join(dir, 'log.2'), 'old\n');
  writeFileSync(join(dir, 'log.3'), 'oldest\n');
  appendRotated(logIn(dir), 'new', liveness);
  expect(files(dir)).toEqual({
    log: 'new\n',
    'log.1': 'young line\n',
    'log.2': 'old\n',
    'log.3': 'oldest\n',
  });
});

test('while a living process closes the part, others write on without waiting', () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'log'), 'young line\n');
  writeFileSync(join(dir, 'log.lock'), JSON.stringify({ token: 'a'.repeat(18), identity: liveness.self }));
  appendRotated(logIn(dir), 'new', liveness);
  expect(files(dir)['log']).toBe('young line\nnew\n');
});

test('half a line of a killed writer does not swallow the next one', () => {
  const dir = tempDir();
  const log = logIn(dir, { mostBytes: 1000 });
  writeFileSync(log.path, 'whole\nhal');
  appendRotated(log, 'next', liveness);
  expect(readRotated(log)).toEqual(['whole', 'hal', 'next']);
});

test('a folder in the place of the log is a failure with its path', () => {
  const log = logIn(tempDir());
  mkdirSync(log.path);
  expect(() => appendRotated(log, 'x', liveness)).toThrow(log.path);
});

test('of eight processes that write and close parts at once no line is lost, torn or doubled, for readers in between either', async () => {
  const dir = tempDir();
  const [writers, count] = [8, 150];
  const log = logIn(dir, { mostBytes: 3000, keep: 60 });
  const args = (writer: number) => [log.path, `w${writer}`, count, log.mostBytes, log.keep].map(String);
  const ended = Array.from({ length: writers }, (_, writer) => {
    const child = spawn(process.execPath, ['--import', 'tsx', FIXTURE, ...args(writer)], {
      stdio: 'inherit',
    });
    return new Promise<number | null>((resolve) => child.once('exit', resolve));
  });

  const running = { count: writers };
  const codes = Promise.all(ended.map((one) => one.finally(() => (running.count -= 1))));
  const faults = new Set<string>();
  let looks = 0;
  while (running.count > 0) {
    for (const fault of sequenceFaults(readRotated(log))) faults.add(fault);
    looks += 1;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }

  expect(await codes).toEqual(Array(writers).fill(0));
  expect(looks).toBeGreaterThan(1);
  expect([...faults]).toEqual([]);
  const lines = readRotated(log);
  expect(sequenceFaults(lines)).toEqual([]);
  expect(lines).toHaveLength(writers * count);
  const parts = readdirSync(dir);
  expect(parts.length).toBeGreaterThan(10);
  expect(parts.filter((name) => !/^log(\.\d+)?$/.test(name))).toEqual([]);
  const early = parts.filter((name) => name !== 'log' && statSync(join(dir, name)).size < log.mostBytes);
  expect(early).toEqual([]);
  expect(existsSync(`${log.path}.${log.keep}`)).toBe(false);
});

/** What is wrong with lines of which each writer's must be 0, 1, 2 … without a gap; a torn last line is what a reader may see. */
function sequenceFaults(lines: readonly string[]): string[] {
  const next = new Map<string, number>();
  return lines.flatMap((line, at) => {
    const match = /^(w\d+) (\d+) x{40}$/.exec(line);
    if (match?.[1] === undefined) return at === lines.length - 1 ? [] : [`torn: ${line}`];
    const expected = next.get(match[1]) ?? 0;
    next.set(match[1], Number(match[2]) + 1);
    return Number(match[2]) === expected ? [] : [`${line.slice(0, 8)} where ${expected} was due`];
  });
}
