/** What is done about tools from look to look? Each crossing once, one for the sum of all, nobody while the last one is dying. */
import { expect, test } from 'vitest';
import { SubprocessGuard, type ToolDeed } from '../../lib/act/subprocess-guard.ts';
import { MIB } from '../../lib/units.ts';

const RULES = { enabled: true, warnBytes: 500 * MIB, limitBytes: 1000 * MIB, aggregateBytes: 2000 * MIB };

/** `{agent: {pid: MB}}`; each agent is pid 1, 101, 201 … and its tools are its children. */
type Sizes = Readonly<Record<string, Readonly<Record<number, number>>>>;
interface Extra {
  readonly leaving?: string;
  /** Of all processes of a tool. */
  readonly exactMb?: number;
}

function looker(stops = true): (atMs: number, sizes: Sizes, extra?: Extra) => string {
  const guard = new SubprocessGuard(RULES);
  return (atMs, sizes, { leaving, exactMb } = {}) => {
    const looks = Object.entries(sizes).map(([key, tools], at) => {
      const rootPid = at * 100 + 1;
      const rows = [[rootPid, 50] as const, ...Object.entries(tools).map(([pid, mb]) => [Number(pid), mb] as const)];
      return {
        key,
        rootPid,
        isLeaving: key === leaving,
        // A pid of five digits is below the tool of its first two.
        processes: rows.map(([pid, mb]) => ({
          pid,
          parentPid: pid === rootPid ? 0 : pid > 9999 ? Math.floor(pid / 1000) : rootPid,
          startTicks: pid,
          residentBytes: mb * MIB,
        })),
        exactBytes: () => (exactMb === undefined ? undefined : exactMb * MIB),
      };
    }); // prettier-ignore
    return guard.look(looks, atMs, stops).map(word).join(', ');
  };
}

function word(deed: ToolDeed): string {
  if ('note' in deed) return deed.note.replace(/.* (is gone|outlives KILL).*/, '$1');
  const { key, deed: one } = deed;
  return one.deed === 'tell' ? `${key} ${one.level}` : `${key} stop ${one.culprit.pid}`;
}

test('a tool that climbs is warned of once and stopped once, and nothing more is done until it is gone', () => {
  const look = looker();
  const sizes = [400, 501, 600, 1001, 1100, 900];
  expect(sizes.map((mb, at) => look(at * 100, { A: { 11: mb } }))).toEqual(['', 'A warning', '', 'A stop 11', '', '']);
  expect(look(700, { A: {} })).toBe('');
  // A pid that was given away is another tool.
  expect(look(800, { A: { 12: 1001 } })).toBe('A stop 12');
}); // prettier-ignore

test('shared pages do not stop a tool of several processes: the exact measure decides', () => {
  const look = looker();
  expect(look(0, { A: { 11: 600, 11001: 600 } }, { exactMb: 700 })).toBe('A warning');
  expect(look(100, { A: { 11: 600, 11001: 610 } }, { exactMb: 700 })).toBe('');
  expect(look(700, { A: { 11: 600, 11001: 620 } }, { exactMb: 1001 })).toBe('A stop 11');
});

test('over the sum of all, the one that grows goes, and no innocent while it is still dying', () => {
  const look = looker();
  expect(look(0, { A: { 11: 700 }, B: { 111: 600 } })).toBe('A warning, B warning');
  expect(look(600, { A: { 11: 700 }, B: { 111: 600 }, C: { 211: 701 } })).toBe('C warning, C stop 211');
  // It still holds its memory, and grows: nobody else pays for that.
  expect(look(700, { A: { 11: 700 }, B: { 111: 600 }, C: { 211: 990 } })).toBe('');
  expect(look(800, { A: { 11: 700 }, B: { 111: 600 }, C: {} })).toBe('is gone');
  expect(look(900, { A: { 11: 700 }, B: { 111: 600 }, C: {} })).toBe('');
});

test('where the first one was not enough, the next goes after it is gone and measured', () => {
  const look = looker();
  const sizes = { A: { 11: 990, 12: 400 }, B: { 111: 980 } };
  expect(look(0, sizes)).toBe('A warning, B warning, A stop 11');
  expect(look(100, { A: { 12: 600 }, B: { 111: 990, 112: 420 } })).toBe('is gone, A warning, B stop 111');
});

test('an agent that is being stopped takes its tools with it: nobody else goes meanwhile', () => {
  const look = looker();
  const sizes = { A: { 11: 900 }, B: { 111: 900 }, C: { 211: 900 } };
  expect(look(0, sizes, { leaving: 'B' })).toBe('A warning, C warning');
  expect(look(100, { A: { 11: 900 }, B: {}, C: { 211: 900 } })).toBe('');
});

test('one that outlives KILL is told once and holds up nobody for ever', () => {
  const look = looker();
  expect(look(0, { A: { 11: 1001 } })).toBe('A stop 11');
  expect(look(14_999, { A: { 11: 1001 } })).toBe('');
  expect(look(15_000, { A: { 11: 1001 } })).toBe('outlives KILL');
  expect(look(15_100, { A: { 11: 1001, 12: 1001 } })).toBe('A stop 12');
});

test('where nothing may be stopped, each crossing is told once, the sum of all too', () => {
  const look = looker(false);
  const over = { A: { 11: 1001, 12: 990 }, B: { 111: 400 } };
  expect(look(0, over)).toBe('A stop 11, A warning, A stop 11');
  expect(look(100, over)).toBe('');
  expect(look(200, { A: { 11: 100 } })).toBe('');
  expect(look(300, over)).toContain('A stop 11');
});
