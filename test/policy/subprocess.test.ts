/** What counts as a tool of an agent, and which of all tools is the one too many? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TreeProcess } from '../../lib/policy/culprit.ts';
import { chooseTool, sumTools, toolName, toolsOf, type Tool } from '../../lib/policy/subprocess.ts';
import { MIB } from '../../lib/units.ts';

/** `[pid, parent, MB]` */
type Row = readonly [number, number, number];
const processes = (rows: readonly Row[]): TreeProcess[] =>
  rows.map(([pid, parentPid, mb]) => ({ pid, parentPid, startTicks: pid * 7, residentBytes: mb * MIB }));

describe('toolsOf', () => {
  it.each<[string, Row[], string]>([
    ['an agent alone has none', [[1, 0, 100]], ''],
    ['a child', [[1, 0, 100], [2, 1, 50]], '2:50'],
    ['a child with all below it, whatever the order', [[4, 3, 7], [3, 2, 5], [1, 0, 100], [2, 1, 50]], '2:62'],
    ['two children', [[1, 0, 100], [2, 1, 50], [3, 1, 60], [4, 3, 1]], '2:50 3:61'],
    ['one that made itself independent', [[1, 0, 100], [9, 77, 30], [10, 9, 3]], '9:33'],
    ['an agent that is gone has no tools', [[2, 1, 50]], ''],
  ])('%s', (_what, rows, tools) => {
    const found = toolsOf('e/1/A', 1, processes(rows));
    expect(found.map(({ pid, bytes }) => `${pid}:${bytes / MIB}`).join(' ')).toBe(tools);
  }); // prettier-ignore

  it('counts each process below or beside the agent exactly once, and the agent never', () => {
    const tree = fc.array(fc.tuple(fc.nat(12), fc.integer({ min: 0, max: 900 })), { maxLength: 12 });
    fc.assert(
      fc.property(tree, (list) => {
        // Each one's parent came before it, or is a stranger (pid 0).
        const rows = list.map(([parent, mb], at): Row => [at + 2, parent <= at + 1 ? parent : 0, mb]);
        const tools = toolsOf('e/1/A', 1, processes([[1, 0, 50], ...rows]));
        const pids = tools.flatMap((tool) => [...tool.pids]);
        expect(pids.sort((a, b) => a - b)).toEqual(rows.map(([pid]) => pid));
        expect(sumTools(tools)).toBe(rows.reduce((sum, [, , mb]) => sum + mb * MIB, 0));
      }),
    );
  });
});

const tool = (pid: number, mb: number): Tool =>
  ({ key: 'e/1/A', pid, startTicks: pid * 7, comm: undefined, pids: new Set([pid]), bytes: mb * MIB }); // prettier-ignore

describe('chooseTool', () => {
  /** `[pid, MB now, MB before]` */
  const choose = (...rows: readonly (readonly [number, number, number?])[]) =>
    chooseTool(
      rows.map(([pid, mb]) => tool(pid, mb)),
      new Map(rows.flatMap(([pid, mb, before]) => (before === undefined ? [] : [[toolName(tool(pid, mb)), before * MIB] as const]))),
      2000 * MIB,
    ); // prettier-ignore
  it.each<[string, (readonly [number, number, number?])[], number | undefined, string]>([
    ['no tool', [], undefined, ''],
    ['the only one', [[2, 2001, 2001]], 2, 'is 1.0MB over its share of 2.0GB'],
    ['the one that grows, though it is the smallest', [[2, 1200, 1200], [3, 801, 100]], 3, 'grew by 701.0MB of 701.0MB since there was room'],
    ['a new one that took all', [[2, 1200, 1200], [3, 810]], 3, 'grew by 810.0MB of 810.0MB since there was room'],
    ['one with seven tenths of the growth', [[2, 1300, 1000], [3, 800, 100]], 3, 'grew by 700.0MB of 1000.0MB since there was room'],
    ['a little less: nobody in particular, so the largest', [[2, 1301, 1000], [3, 800, 101]], 2, 'is 301.0MB over its share of 1000.0MB'],
    ['nobody grew', [[2, 900, 900], [3, 1101, 1101]], 3, 'is 101.0MB over its share of 1000.0MB'],
    ['the largest of three alike', [[2, 700, 600], [3, 701, 601], [4, 699, 599]], 3, 'is 34.3MB over its share of 666.7MB'],
  ])('%s', (_what, rows, pid, reason) => {
    const chosen = choose(...rows);
    expect([chosen?.tool.pid, chosen?.reason ?? '']).toEqual([pid, reason]);
  }); // prettier-ignore

  it('is never one that neither grew nor holds more than its share', () => {
    const row = fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 900 }));
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
        const tools = rows.map(([mb], at) => tool(at + 2, mb));
        const before = new Map(rows.map(([, mb], at) => [toolName(tools[at]!), mb * MIB]));
        const aggregateBytes = Math.max(0, sumTools(tools) - 1);
        const chosen = chooseTool(tools, before, aggregateBytes);
        const share = aggregateBytes / tools.length;
        expect(chosen && (chosen.grewBytes > 0 || chosen.tool.bytes >= share)).toBe(true);
      }),
    );
  });
});
