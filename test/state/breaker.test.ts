/** Is the breaker's file the same whoever wrote it, and is one that cannot be trusted neither obeyed for ever nor ignored? */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { BreakerState } from '../../lib/model.ts';
import { CLOSED } from '../../lib/policy/breaker.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { breakerText, readBreaker, updateBreaker } from '../../lib/state/breaker.ts';
import { breakerPath } from '../../lib/state/paths.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'breaker-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const liveness = () => ({ self: readSelf(), isAlive });
const open: BreakerState = { ...CLOSED, phase: 'open', sinceMs: 5, openMs: 7, rounds: 1, reason: 'r' };
const mistrust = (): BreakerState => open;

const time = fc.integer({ min: 0, max: 8.64e15 });
const word = fc.string({ unit: 'binary' });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const identity = fc.record({ bootId: word, pidNamespace: maybe(word), pid: time, startTicks: time });
const probe = fc.record({ id: word, owner: maybe(identity), sinceMs: time, untilMs: time });
const anyState: fc.Arbitrary<BreakerState> = fc
  .record({
    phase: fc.constantFrom('closed', 'open', 'half-open'),
    sinceMs: time,
    openMs: time,
    rounds: time,
    eventsMs: fc.array(time),
    reason: maybe(word),
    probe: maybe(probe),
    hold: maybe(fc.record({ by: word, reason: maybe(word), sinceMs: time, untilMs: maybe(time) })),
  })
  .map((state) => (state.phase === 'half-open' ? state : { ...state, probe: undefined }));

test('what is written is read as the same state, and written again as the same text', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      writeFileSync(breakerPath(dir), breakerText(state));
      const found = readBreaker(dir);
      expect(found).toEqual({ state });
      expect(breakerText(found.state ?? CLOSED)).toBe(breakerText(state));
    }),
  );
});

test('an old file of version 1 is read as it was meant', () => {
  const old =
    '{"version":1,"phase":"half-open","sinceMs":1,"openMs":0,"rounds":2,"eventsMs":[1,2],"reason":"r","probe":{"id":"p","owner":{"bootId":"b","pidNamespace":"4","pid":9,"startTicks":8},"sinceMs":3,"untilMs":4},"hold":{"by":"ann@host","sinceMs":5}}\n';
  writeFileSync(breakerPath(dir), old);
  expect(readBreaker(dir)).toEqual({
    state: {
      phase: 'half-open',
      sinceMs: 1,
      openMs: 0,
      rounds: 2,
      eventsMs: [1, 2],
      reason: 'r',
      probe: {
        id: 'p',
        owner: { bootId: 'b', pidNamespace: '4', pid: 9, startTicks: 8 },
        sinceMs: 3,
        untilMs: 4,
      },
      hold: { by: 'ann@host', reason: undefined, sinceMs: 5, untilMs: undefined },
    },
  });
});

const DAMAGED: readonly [string, string][] = [
  ['empty', ''],
  ['torn', breakerText(open).slice(0, 40)],
  ['no JSON', '\u0000\u0000'],
  ['a list', '[]'],
  ['without a version', '{}'],
  ['with an unknown phase', breakerText(open).replace('"open"', '"ajar"')],
  ['with a time that is no date', breakerText(open).replace('"sinceMs":5', '"sinceMs":1e300')],
  ['with a time below zero', breakerText(open).replace('"sinceMs":5', '"sinceMs":-5')],
  ['with events that are no numbers', breakerText(open).replace('[]', '["x"]')],
  ['with a hold of nobody', breakerText(open).replace('}', ',"hold":{"sinceMs":1}}')],
];

describe('a damaged file', () => {
  it.each(DAMAGED)(
    'that is %s is kept aside as it was and replaced by what mistrust makes of it',
    (_, text) => {
      writeFileSync(breakerPath(dir), text);
      expect(readBreaker(dir)).toHaveProperty('damage');
      updateBreaker(dir, liveness(), mistrust, (state) => state);
      expect(readBreaker(dir)).toEqual({ state: open });
      const aside = readdirSync(dir).find((name) => name.startsWith('breaker.json.damaged-'));
      expect(readFileSync(join(dir, aside ?? ''), 'utf8')).toBe(text);
    },
  );
});

test('a file of a newer version is refused and left as it is', () => {
  const text = breakerText(open).replace('"version":1', '"version":2');
  writeFileSync(breakerPath(dir), text);
  const touch = () => updateBreaker(dir, liveness(), mistrust, () => open);
  expect(touch).toThrow(/newer version \(2, this one knows 1\): update this toolkit/);
  expect(readFileSync(breakerPath(dir), 'utf8')).toBe(text);
  expect(readdirSync(dir)).toEqual(['breaker.json']);
});

test('the same object is not written, undefined removes the file, and no lock is left', () => {
  updateBreaker(dir, liveness(), mistrust, () => open);
  const text = readFileSync(breakerPath(dir), 'utf8');
  writeFileSync(breakerPath(dir), `${text} `);
  updateBreaker(dir, liveness(), mistrust, (state) => state);
  expect(readFileSync(breakerPath(dir), 'utf8')).toBe(`${text} `);
  updateBreaker(dir, liveness(), mistrust, () => undefined);
  expect(readdirSync(dir)).toEqual([]);
});
