/** Does a signal reach nobody but the very processes that were seen, also when a pid has gone to somebody else meanwhile? */
import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTreeStop, signalMembers, type Target } from '../../lib/act/signal-tree.ts';
import { planTrees, sumTree } from '../../lib/policy/tree.ts';
import { readIdentity } from '../../lib/probe/identity.ts';
import { openTreeSampler } from '../../lib/probe/sampler.ts';
import { statLine, useFileTrees, writeFiles, type Files } from '../probe/file-tree.ts';

const makeTree = useFileTrees();
const START = 100;

function processFiles(pid: number, parent: number, start = START): Files {
  return {
    [`proc/${pid}/stat`]: statLine({ pid, parent, start }),
    [`proc/${pid}/statm`]: '50 10 1 1 0 5 0\n',
    [`proc/${pid}/environ`]: 'X=1\0',
    [`proc/${pid}/cmdline`]: 'worker\0',
    [`proc/${pid}/task/${pid}/children`]: '',
  };
}

/** A /proc with an agent, 10, and two children, watched; and what was sent to whom. */
function watched(): {
  root: string;
  members: () => readonly Target[];
  startTicksOf: (pid: number) => number | undefined;
  sent: string[];
  kill: (pid: number, signal: NodeJS.Signals) => void;
} {
  const root = makeTree({
    'proc/sys/kernel/random/boot_id': 'a-boot\n',
    'proc/self/stat': statLine({ pid: 1 }),
    ...processFiles(10, 1),
    ...processFiles(11, 10),
    ...processFiles(12, 10),
    'proc/10/task/10/children': '11 12 ',
  });
  const sampler = openTreeSampler({ tagName: 'TAG', rules: { planTrees, sumTree }, root });
  sampler.add('A', 10);
  const sent: string[] = [];
  return {
    root,
    members: () => sampler.survey('A'),
    startTicksOf: (pid) => readIdentity(pid, root)?.startTicks,
    sent,
    kill: (pid, signal) => void sent.push(`${signal} ${pid}`),
  };
}

/** The process dies, and another one gets its pid. */
function reuse(root: string, pid: number): void {
  rmSync(`${root}/proc/${pid}`, { recursive: true });
  writeFiles(root, processFiles(pid, 1, START + 1));
}

describe('a pid that went to somebody else', () => {
  it('between the look and the signal gets none, neither TERM nor KILL', () => {
    const { root, members, startTicksOf, sent, kill } = watched();
    const seen = members();
    expect(seen.map(({ pid }) => pid)).toEqual([10, 11, 12]);
    const stop = openTreeStop(() => seen, startTicksOf, 1000, 0, kill);
    reuse(root, 11);
    expect(stop.step(0)).toBe(2);
    expect(stop.step(1000)).toBe(2);
    expect(sent).toEqual([
      'SIGTERM 10',
      'SIGCONT 10',
      'SIGTERM 12',
      'SIGCONT 12',
      'SIGKILL 10',
      'SIGKILL 12',
    ]);
  });

  it('between TERM and KILL is no member any more', () => {
    const { root, members, startTicksOf, sent, kill } = watched();
    const stop = openTreeStop(members, startTicksOf, 1000, 0, kill);
    expect(stop.step(0)).toBe(3);
    reuse(root, 12);
    // A survey is good for others for some milliseconds; the start time is what protects the stranger until then.
    expect(stop.step(1000)).toBe(2);
    expect(sent.filter((one) => one.endsWith(' 12'))).toEqual(['SIGTERM 12', 'SIGCONT 12']);
  });

  it('is not halted either', () => {
    const { root, members, startTicksOf, sent, kill } = watched();
    const seen = members();
    reuse(root, 10);
    expect(signalMembers(seen, startTicksOf, 'SIGSTOP', kill)).toBe(2);
    expect(sent).toEqual(['SIGSTOP 11', 'SIGSTOP 12']);
  });
});

it('whatever happens between looks and signals, only processes with the start time that was seen are signalled', () => {
  const target = fc.record({ pid: fc.integer({ min: 1, max: 6 }), startTicks: fc.integer({ min: 1, max: 3 }) });
  const world = fc.dictionary(fc.constantFrom('1', '2', '3', '4', '5', '6'), fc.integer({ min: 1, max: 3 }));
  fc.assert(
    fc.property(fc.array(target), fc.array(world, { minLength: 1 }), fc.integer({ min: 0, max: 5 }), (seen, worlds, grace) => {
      let now: Readonly<Record<string, number>> = {};
      const ours = new Set(seen.map(({ pid, startTicks }) => `${pid} ${startTicks}`));
      const kill = (pid: number): void => {
        if (!ours.has(`${pid} ${now[pid] ?? 'nobody'}`)) throw new Error(`a stranger, ${pid}, was signalled`);
      };
      const stop = openTreeStop(() => seen, (pid) => now[pid], grace, 0, kill);
      for (const [atMs, one] of worlds.entries()) {
        now = one;
        stop.step(atMs);
      }
    }),
  );
}); // prettier-ignore
