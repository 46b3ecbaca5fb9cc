/** Is it the agent that grows, or a tool it started? Only a subtree that is the growth, and whose end is enough, goes alone. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findCulprit, type TreeProcess } from '../../lib/policy/culprit.ts';
import { MIB } from '../../lib/units.ts';

const LIMIT = 1000 * MIB;

/** `[pid, parent, MB now, MB before]` */
type Row = readonly [number, number, number, number?];

function find(rows: readonly Row[]): number | undefined {
  const processes: TreeProcess[] = rows.map(([pid, parentPid, mb]) => ({
    pid,
    parentPid,
    startTicks: pid * 7,
    residentBytes: mb * MIB,
  }));
  const before = new Map(
    rows.flatMap(([pid, , , mb]) => (mb === undefined ? [] : [[pid, mb * MIB] as const])),
  );
  return findCulprit(1, processes, before, LIMIT)?.pid;
}

test.each<[string, Row[], number | undefined]>([
  ['a lone agent is itself', [[1, 0, 1100, 100]], undefined],
  [
    'a new child that took all',
    [
      [1, 0, 100, 100],
      [2, 1, 1000],
    ],
    2,
  ],
  [
    'an old child that grew',
    [
      [1, 0, 100, 100],
      [2, 1, 1000, 50],
    ],
    2,
  ],
  [
    'the agent grew, its child did not',
    [
      [1, 0, 950, 100],
      [2, 1, 150, 150],
    ],
    undefined,
  ],
  [
    'a big child that was big before',
    [
      [1, 0, 600, 50],
      [2, 1, 500, 500],
    ],
    undefined,
  ],
  [
    'the deepest subtree that is the growth',
    [
      [1, 0, 100, 100],
      [2, 1, 5, 5],
      [3, 2, 10, 10],
      [4, 3, 950],
    ],
    4,
  ],
  [
    'the shell above four workers that share the growth',
    [
      [1, 0, 100, 100],
      [2, 1, 5],
      [3, 2, 240],
      [4, 2, 240],
      [5, 2, 240],
      [6, 2, 240],
    ],
    2,
  ],
  [
    'two tools share the growth: neither alone',
    [
      [1, 0, 100, 100],
      [2, 1, 500],
      [3, 1, 500],
    ],
    undefined,
  ],
  [
    'its end would not be enough',
    [
      [1, 0, 950, 900],
      [2, 1, 150],
    ],
    undefined,
  ],
  [
    'just under the share of the growth',
    [
      [1, 0, 400, 100],
      [2, 1, 690],
    ],
    undefined,
  ],
  [
    'just at the share of the growth',
    [
      [1, 0, 400, 100],
      [2, 1, 700],
    ],
    2,
  ],
  [
    'nobody grew',
    [
      [1, 0, 600, 600],
      [2, 1, 500, 500],
    ],
    undefined,
  ],
  [
    're-parented growth is not below the agent',
    [
      [1, 0, 100, 100],
      [2, 77, 1000],
    ],
    undefined,
  ],
])('%s', (_, rows, expected) => {
  expect(find(rows)).toBe(expected);
});

test('whatever the tree, a culprit is below the root, and without it the tree is under its limit', () => {
  const row = fc.record({
    parent: fc.nat(7),
    mb: fc.nat(900),
    before: fc.option(fc.nat(900), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 8 }), (rows) => {
      const processes: TreeProcess[] = [
        { pid: 1, parentPid: 0, startTicks: 1, residentBytes: 100 * MIB },
        ...rows.map(({ parent, mb }, at) => ({
          pid: at + 2,
          parentPid: Math.min(parent + 1, at + 1),
          startTicks: 1,
          residentBytes: mb * MIB,
        })),
      ];
      const before = new Map(
        rows.flatMap(({ before: mb }, at) => (mb === undefined ? [] : [[at + 2, mb * MIB] as const])),
      );
      const culprit = findCulprit(1, processes, before, LIMIT);
      if (culprit === undefined) return;
      const total = processes.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
      expect(culprit.pid).not.toBe(1);
      expect(total - culprit.subtreeBytes).toBeLessThanOrEqual(LIMIT);
    }),
  );
});
