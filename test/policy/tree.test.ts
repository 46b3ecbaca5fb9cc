import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ProcessFacts } from '../../lib/model.ts';
import { planTrees, sumTree } from '../../lib/policy/tree.ts';
import { MIB } from '../../lib/units.ts';

type Change = Partial<ProcessFacts> & { pid: number };

function facts(change: Change): ProcessFacts {
  return {
    parentPid: 1,
    groupId: change.pid,
    sessionId: change.pid,
    startTicks: 1000 + change.pid,
    comm: 'worker',
    state: 'S',
    residentBytes: 10 * MIB,
    privateBytes: 8 * MIB,
    ...change,
  };
}

const tableOf = (...changes: Change[]) => new Map(changes.map((change) => [change.pid, facts(change)]));
const root = (id: string, pid: number, startTicks = 1000 + pid) => ({ id, pid, startTicks });

function plan(
  changes: Change[],
  roots: ReturnType<typeof root>[],
  tags: [number, string][] = [],
  formerly: [number, string][] = [],
) {
  const trees = planTrees(
    tableOf({ pid: 1, parentPid: 0 }, ...changes),
    roots,
    new Map(tags),
    new Map(formerly),
  );
  return Object.fromEntries([...trees].map(([id, members]) => [id, members.map(({ pid }) => pid)]));
}

describe('planTrees', () => {
  it('takes the root and its descendants, and nobody else', () => {
    const changes = [
      { pid: 10 },
      { pid: 11, parentPid: 10 },
      { pid: 12, parentPid: 11 },
      { pid: 20 },
      { pid: 21, parentPid: 20 },
    ];
    expect(plan(changes, [root('A', 10)])).toEqual({ A: [10, 11, 12] });
  });

  it('takes a child that has a smaller pid than its parent', () => {
    expect(plan([{ pid: 5, parentPid: 10 }, { pid: 3, parentPid: 5 }, { pid: 10 }], [root('A', 10)])).toEqual(
      { A: [5, 3, 10] },
    );
  });

  it('takes nothing where another process has the pid of the root', () => {
    const changes = [{ pid: 10 }, { pid: 11, parentPid: 10 }];
    expect(plan(changes, [root('A', 10, 7)])).toEqual({ A: [] });
    expect(plan(changes, [root('A', 10, Number.NaN)])).toEqual({ A: [] });
  });

  it('gives a nested root its own subtree', () => {
    const changes = [
      { pid: 10 },
      { pid: 11, parentPid: 10 },
      { pid: 12, parentPid: 11 },
      { pid: 13, parentPid: 12 },
    ];
    expect(plan(changes, [root('A', 10), root('B', 12)])).toEqual({ A: [10, 11], B: [12, 13] });
    expect(plan(changes, [root('B', 12), root('A', 10)])).toEqual({ A: [10, 11], B: [12, 13] });
  });

  it('gives a nested root its own subtree also where all carry the tag of the outer one', () => {
    const changes = [{ pid: 10 }, { pid: 12, parentPid: 10 }, { pid: 13, parentPid: 12 }];
    const tags: [number, string][] = [
      [10, 'A'],
      [12, 'A'],
      [13, 'A'],
    ];
    expect(plan(changes, [root('A', 10), root('B', 12)], tags)).toEqual({ A: [10], B: [12, 13] });
  });

  it('finds re-parented processes by their tag, and what they started since', () => {
    const changes = [{ pid: 10 }, { pid: 30 }, { pid: 31, parentPid: 30 }];
    expect(plan(changes, [root('A', 10)], [[30, 'A']])).toEqual({ A: [10, 30, 31] });
  });

  it('finds the tagged remains of a root that is gone', () => {
    const changes = [{ pid: 30 }, { pid: 31, parentPid: 30 }, { pid: 32 }];
    expect(
      plan(
        changes,
        [root('A', 10)],
        [
          [30, 'A'],
          [31, 'A'],
        ],
      ),
    ).toEqual({ A: [30, 31] });
  });

  it('leaves a process with a tag of somebody else alone', () => {
    expect(
      plan(
        [{ pid: 10 }, { pid: 30 }],
        [root('A', 10)],
        [
          [30, 'Z'],
          [10, 'A'],
        ],
      ),
    ).toEqual({ A: [10] });
  });

  it('gives the remains of a nested tree back to it when a member of the outer one adopts them', () => {
    const changes = [{ pid: 10 }, { pid: 40, parentPid: 10 }];
    const tags: [number, string][] = [
      [10, 'A'],
      [40, 'B'],
    ];
    expect(plan(changes, [root('A', 10), root('B', 20)], tags)).toEqual({ A: [10], B: [40] });
  });

  it('keeps a former member whose parent is a stranger now, whatever tag it carries, but not against its parent’s tree', () => {
    const changes = [{ pid: 10 }, { pid: 30 }, { pid: 31, parentPid: 30 }, { pid: 12, parentPid: 10 }];
    const formerly: [number, string][] = [
      [30, 'B'],
      [12, 'B'],
      [40, 'B'],
      [10, 'unknown'],
    ];
    expect(
      plan(
        changes,
        [root('A', 10), root('B', 20)],
        [
          [30, 'A'],
          [31, 'A'],
        ],
        formerly,
      ),
    ).toEqual({ A: [10, 12], B: [30, 31] });
  });

  it('takes who joined the session of a member that leads it, and their children', () => {
    const changes = [
      { pid: 10 },
      { pid: 11, parentPid: 10, sessionId: 11 },
      { pid: 30, sessionId: 11 },
      { pid: 31, parentPid: 30, sessionId: 31 },
      { pid: 32, sessionId: 31 },
      { pid: 33, sessionId: 99 },
    ];
    expect(plan(changes, [root('A', 10)])).toEqual({ A: [10, 11, 30, 31, 32] });
  });

  it('does not take who merely shares a session that nobody of the tree leads', () => {
    const changes = [{ pid: 9 }, { pid: 10, sessionId: 9 }, { pid: 11, sessionId: 9, groupId: 11 }];
    expect(plan(changes, [root('A', 10)])).toEqual({ A: [10] });
  });

  it('takes who is in the process group that the root leads, not in one that it only belongs to', () => {
    const changes = [
      { pid: 10, groupId: 10 },
      { pid: 30, groupId: 10 },
      { pid: 20, groupId: 19 },
      { pid: 21, groupId: 19 },
    ];
    expect(plan(changes, [root('A', 10), root('B', 20)])).toEqual({ A: [10, 30], B: [20] });
  });

  it('does not take kernel threads and others of session 0 and group 0', () => {
    const changes = [
      { pid: 10, sessionId: 0, groupId: 0 },
      { pid: 2, parentPid: 0, sessionId: 0, groupId: 0 },
    ];
    expect(plan(changes, [root('A', 10)])).toEqual({ A: [10] });
  });

  it('leaves zombies out but still follows the group that one leads', () => {
    const changes = [
      { pid: 10, state: 'Z' },
      { pid: 11, groupId: 10, sessionId: 5 },
    ];
    expect(plan(changes, [root('A', 10)])).toEqual({ A: [11] });
  });

  it('gives a pid that two roots name to the first', () => {
    expect(plan([{ pid: 10 }], [root('A', 10), root('B', 10)])).toEqual({ A: [10], B: [] });
  });

  it('comes to an end where parents run in a circle', () => {
    const changes = [
      { pid: 10, parentPid: 11 },
      { pid: 11, parentPid: 10 },
      { pid: 12, parentPid: 12 },
    ];
    const { A } = plan(changes, [root('A', 10)]);
    expect(A).toContain(10);
    expect(A).not.toContain(12);
  });
});

/** Up to 30 processes 2 … 31 with parents before them, some roots among them, some tags. */
const scene = fc
  .array(
    fc.record({
      parent: fc.nat({ max: 30 }),
      session: fc.nat({ max: 30 }),
      group: fc.nat({ max: 30 }),
      isZombie: fc.boolean(),
      role: fc.constantFrom('none', 'none', 'none', 'root', 'stale root', 'tagged', 'foreign tag'),
      pick: fc.nat({ max: 30 }),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((rows) => {
    const pidOf = (number: number) => number + 2;
    const changes = rows.map((row, at) => ({
      pid: pidOf(at),
      parentPid: at === 0 ? 1 : 1 + (row.parent % (at + 1)),
      sessionId: pidOf(row.session % (at + 1)),
      groupId: pidOf(row.group % (at + 1)),
      state: row.isZombie ? 'Z' : 'S',
    }));
    const roots = rows.flatMap((row, at) =>
      row.role.endsWith('root') ? [root(`T${at}`, pidOf(at), row.role === 'root' ? undefined : 5)] : [],
    );
    const tags = rows.flatMap((row, at): [number, string][] => {
      if (row.role === 'foreign tag') return [[pidOf(at), 'somebody']];
      const id = roots[row.pick % Math.max(1, roots.length)]?.id;
      return row.role === 'tagged' && id !== undefined ? [[pidOf(at), id]] : [];
    });
    return { changes, roots, tags };
  });

describe('planTrees, whatever the processes are', () => {
  it('puts no process into two trees, and answers for each root', () => {
    fc.assert(
      fc.property(scene, ({ changes, roots, tags }) => {
        const trees = plan(changes, roots, tags);
        const all = Object.values(trees).flat();
        expect(new Set(all).size).toBe(all.length);
        expect(Object.keys(trees).sort()).toEqual(roots.map(({ id }) => id).sort());
      }),
    );
  });

  it('is not changed by an unrelated process, nor by the order of the table', () => {
    fc.assert(
      fc.property(scene, ({ changes, roots, tags }) => {
        const before = plan(changes, roots, tags);
        expect(plan([...changes, { pid: 500 }, { pid: 501, parentPid: 500 }], roots, tags)).toEqual(before);
        const reversed = plan([...changes].reverse(), roots, tags);
        expect(
          Object.fromEntries(Object.entries(reversed).map(([id, pids]) => [id, pids.sort((a, b) => a - b)])),
        ).toEqual(before);
      }),
    );
  });

  it('still finds what carries the tag when the root has died', () => {
    fc.assert(
      fc.property(scene, ({ changes, roots, tags }) => {
        const withoutRoots = changes.filter(({ pid }) => !roots.some((dead) => dead.pid === pid));
        const trees = plan(withoutRoots, roots, tags);
        for (const [pid, id] of tags.filter(([, id]) => id in trees)) {
          const isThere = withoutRoots.some((change) => change.pid === pid && change.state !== 'Z');
          expect(trees[id]?.includes(pid)).toBe(isThere);
        }
      }),
    );
  });
});

describe('sumTree', () => {
  const parent = facts({ pid: 10, residentBytes: 537 * MIB, privateBytes: 490 * MIB });
  const child = (change: Partial<ProcessFacts> = {}) =>
    facts({ pid: 11, parentPid: 10, residentBytes: 428 * MIB, privateBytes: 428 * MIB, ...change });
  const seen = new Set([10]);

  it.each([
    ['just forked', {}, [10], 537],
    ['seen once before', {}, [10, 11], 965],
    ['another program by now', { comm: 'git' }, [10], 965],
    ['of somebody outside', { parentPid: 1 }, [10], 965],
    ['exactly half of what the parent holds alone', { residentBytes: 245 * MIB }, [10], 537],
    ['a little less than that', { residentBytes: 244 * MIB }, [10], 781],
    ['as large as the parent', { residentBytes: 537 * MIB }, [10], 537],
    ['much larger than the parent', { residentBytes: 600 * MIB }, [10], 1137],
    ['its own parent', { parentPid: 11 }, [10], 965],
  ])('a child that is %s', (_, change, previous, expectedMb) => {
    expect(sumTree([parent, child(change)], new Set(previous)).residentBytes).toBe(expectedMb * MIB);
  });

  it('leaves the private bytes out with it and names it', () => {
    expect(sumTree([parent, child()], seen)).toEqual({
      residentBytes: 537 * MIB,
      privateBytes: 490 * MIB,
      justForked: [11],
    });
  });

  it('counts a root that nobody has seen before, and nothing for nobody', () => {
    expect(sumTree([parent], new Set()).residentBytes).toBe(537 * MIB);
    expect(sumTree([], new Set())).toEqual({ residentBytes: 0, privateBytes: 0, justForked: [] });
  });

  it('is the whole sum at the second look, and never more at the first', () => {
    const member = fc.record({
      pid: fc.integer({ min: 2, max: 40 }),
      parentPid: fc.integer({ min: 1, max: 40 }),
      mb: fc.nat({ max: 900 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(member, { selector: ({ pid }) => pid }), (rows) => {
        const members = rows.map(({ mb, ...row }) => facts({ ...row, residentBytes: mb, privateBytes: mb }));
        const whole = members.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
        expect(sumTree(members, new Set(rows.map(({ pid }) => pid))).residentBytes).toBe(whole);
        expect(sumTree(members, new Set()).residentBytes).toBeLessThanOrEqual(whole);
      }),
    );
  });
});
