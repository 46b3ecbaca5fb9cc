/** Is what was done about memory pressure kept, is damage kept aside, and does one at a time have the right to work? */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Liveness } from '../../lib/lock.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { loadPressure, pressurePath, putDamagedAside, recordPressure, rememberedLevel, takeHandling, type HandlingRecord } from '../../lib/state/pressure.ts'; // prettier-ignore
import { tempDir } from '../support/scripts.ts';

const liveness: Liveness = { self: readSelf(), isAlive };
const last: HandlingRecord = {
  atMs: 7,
  level: 'critical',
  levelAfter: 'warning',
  results: [{ name: 'trim', status: 'timeout', beforeBytes: 1, afterBytes: 2, tookMs: 3, detail: 'x' }],
};

it('keeps the last handling over looks that handle nothing', () => {
  const dir = tempDir();
  expect(loadPressure(dir)).toMatchObject({ level: 'normal', last: undefined });
  recordPressure(dir, liveness, { level: 'warning', lookedMs: 10, last });
  recordPressure(dir, liveness, { level: 'normal', lookedMs: 20 });
  expect(loadPressure(dir)).toEqual({ version: 1, level: 'normal', lookedMs: 20, last });
  expect(readdirSync(dir)).toEqual(['pressure.json']);
});

it.each([
  [0, 'warning'],
  [600_000, 'warning'],
  [600_001, undefined],
  [-1, undefined],
])('a level seen %d ms ago is %s', (agoMs, level) => {
  const state = { version: 1, level: 'warning', lookedMs: 1e9, last: undefined } as const;
  expect(rememberedLevel(state, 1e9 + agoMs)).toBe(level);
});

it.each(['', '{', '[]', '{"level":"normal"}', '{"version":1,"level":"low","lookedMs":1}', '{"version":1,"level":"normal"}', '{"version":1,"level":"normal","lookedMs":1,"last":{}}'])(
  'a file that holds %j is damaged: nothing writes over it, and it can be put aside',
  (text) => {
    const dir = tempDir();
    writeFileSync(pressurePath(dir), text);
    expect(() => recordPressure(dir, liveness, { level: 'normal', lookedMs: 1 })).toThrow(/is damaged/);
    expect(readFileSync(pressurePath(dir), 'utf8')).toBe(text);
    const aside = putDamagedAside(dir, liveness, 0) ?? '';
    expect(readFileSync(aside, 'utf8')).toBe(text);
    expect(loadPressure(dir).level).toBe('normal');
  },
); // prettier-ignore

it('leaves the file of a newer version alone', () => {
  const dir = tempDir();
  writeFileSync(pressurePath(dir), '{"version":2}');
  expect(() => putDamagedAside(dir, liveness, 0)).toThrow(/newer version/);
  expect(readdirSync(dir)).toEqual(['pressure.json']);
});

it('gives the right to work to one, names it to the next, and gives it again after', () => {
  const dir = tempDir();
  const first = takeHandling(dir, liveness);
  expect(takeHandling(dir, liveness)).toEqual({ holder: liveness.self });
  if ('release' in first) first.release();
  const again = takeHandling(dir, liveness);
  expect('release' in again).toBe(true);
  if ('release' in again) again.release();
});
