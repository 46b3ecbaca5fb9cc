/** Is a family of processes found without looking at all processes, on a tree of files and on the kernel's own? */
import { spawn } from 'node:child_process';
import { expect, it, onTestFinished } from 'vitest';
import { readFamilies } from '../../lib/probe/families.ts';
import { readProcessTable } from '../../lib/probe/processes.ts';
import { waitFor } from '../support/scripts.ts';
import { statLine, useFileTrees } from './file-tree.ts';

const fileTree = useFileTrees();

it('children of every thread are followed, a child that is gone is left out', () => {
  const root = fileTree({
    'proc/5/stat': statLine({ pid: 5, parent: 1 }),
    'proc/5/statm': '20 10 4 0 0 0 0\n',
    'proc/5/task/5/children': '6 ',
    'proc/5/task/51/children': '7 8 ',
    'proc/6/stat': statLine({ pid: 6, parent: 5 }),
    'proc/6/task/6/children': '',
    'proc/7/stat': statLine({ pid: 7, parent: 5 }),
    'proc/7/task/7/children': '5 ',
    'proc/9/stat': statLine({ pid: 9, parent: 1 }),
    'proc/9/task/9/children': '',
  });
  expect([...readFamilies([5, 5, 99], root).keys()].sort()).toEqual([5, 6, 7]);
  expect(readFamilies([], root).size).toBe(0);
});

it('a kernel that keeps no lists of children gives the whole table', () => {
  const root = fileTree({
    'proc/5/stat': statLine({ pid: 5, parent: 1 }),
    'proc/5/task/5/comm': 'a',
    'proc/9/stat': statLine({ pid: 9, parent: 1 }),
  });
  expect([...readFamilies([5], root).keys()].sort()).toEqual([5, 9]);
});

it('the kernel’s own tree is the same as in the table of all processes', async () => {
  const child = spawn('sh', ['-c', 'sleep 100 & sleep 100'], { stdio: 'ignore', detached: true });
  const pid = child.pid ?? 0;
  onTestFinished(() => void process.kill(-pid, 'SIGKILL'));
  await waitFor(() => readFamilies([pid]).size === 3, 'both sleeps');
  const all = readProcessTable();
  for (const facts of readFamilies([pid]).values()) {
    const other = all.get(facts.pid);
    expect([facts.pid, facts.parentPid, facts.startTicks]).toEqual([
      other?.pid,
      other?.parentPid,
      other?.startTicks,
    ]);
  }
});
