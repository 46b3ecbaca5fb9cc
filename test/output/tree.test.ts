/** Does a tree of processes show each of them once, below its parent, and never what a process calls itself to a terminal? */
import { describe, expect, it } from 'vitest';
import type { ProcessFacts } from '../../lib/model.ts';
import { treeLines } from '../../lib/output/tree.ts';
import { MIB } from '../../lib/units.ts';

const member = (pid: number, parentPid: number, change: Partial<ProcessFacts> = {}): ProcessFacts => ({
  pid,
  parentPid,
  groupId: 1,
  sessionId: 1,
  startTicks: pid,
  comm: 'node',
  state: 'S',
  residentBytes: MIB,
  privateBytes: MIB,
  ...change,
});

describe('treeLines', () => {
  it.each<[string, ProcessFacts[], string[]]>([
    ['nothing', [], []],
    ['one', [member(5, 1)], ['  5 node 1.0MB']],
    ['a child before its parent', [member(6, 5), member(5, 1)], ['  5 node 1.0MB', '    6 node 1.0MB']],
    ['one that was re-parented', [member(5, 1), member(9, 1), member(6, 5)], ['  5 node 1.0MB', '    6 node 1.0MB', '  9 node 1.0MB']],
    ['one that is halted', [member(5, 1, { state: 'T' })], ['  5 node 1.0MB halted']],
    ['a name with line breaks and orders', [member(5, 1, { comm: 'a\n6 b\x1b[2Jé' })], ['  5 a?6 b?[2J? 1.0MB']],
  ])('%s', (_what, members, lines) => {
    expect(treeLines(members)).toEqual(lines);
  }); // prettier-ignore

  it('ends where processes claim to be each other’s parents', () => {
    expect(treeLines([member(5, 6), member(6, 5), member(7, 7)])).toEqual([]);
  });
});
