/** Are the last words of a log read whole, and no more of it than was asked for? */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readTail } from '../../lib/probe/log-tail.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tail-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it.each([
  ['', 4, ''],
  ['abc', 4, 'abc'],
  ['abcd', 4, 'abcd'],
  ['abcdef', 4, 'cdef'],
  ['aäöü', 4, 'öü'],
  ['aäöü', 3, 'ü'],
  ['€€', 4, '€'],
  ['x😀', 3, ''],
])('of %j the last %d bytes are %j', (text, bytes, tail) => {
  const path = join(dir, 'log');
  writeFileSync(path, text);
  expect(readTail(path, bytes)).toBe(tail);
});

it('is undefined where there is no file, and a fault that names it where it cannot be read', () => {
  expect(readTail(join(dir, 'none'), 10)).toBeUndefined();
  mkdirSync(join(dir, 'folder'));
  expect(() => readTail(join(dir, 'folder'), 10)).toThrow(/folder.*EISDIR/);
});
