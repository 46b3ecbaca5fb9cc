/** Is the kernel's count of kills read from the innermost cgroup that has one? */
import { expect, it } from 'vitest';
import { parseOomKills, readGroupOomKills } from '../../lib/probe/oom-count.ts';
import { useFileTrees } from './file-tree.ts';

const makeTree = useFileTrees();

const V2 = {
  '/proc/self/cgroup': '0::/a/b\n',
  '/proc/self/mountinfo': '30 1 0:26 / /cg rw - cgroup2 cgroup2 rw\n',
};
const V1 = {
  '/proc/self/cgroup': '4:memory:/a\n0::/\n',
  '/proc/self/mountinfo': '30 1 0:26 / /cg rw - cgroup cgroup rw,memory\n',
};
const EVENTS = 'low 0\nhigh 9\nmax 7\noom 5\noom_kill 3\noom_group_kill 0\n';

it.each([
  ['version 2', { ...V2, '/cg/a/b/memory.events': EVENTS }, { name: '/a/b', count: 3 }],
  [
    'version 2 with the controller above it',
    { ...V2, '/cg/a/b/cgroup.procs': '', '/cg/a/memory.events': EVENTS },
    { name: '/a', count: 3 },
  ],
  [
    'version 1',
    { ...V1, '/cg/a/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n' },
    { name: '/a', count: 2 },
  ],
  [
    'version 1 before Linux 4.13',
    { ...V1, '/cg/a/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\n' },
    undefined,
  ],
  ['no controller at all', { ...V2, '/cg/a/b/cgroup.procs': '' }, undefined],
  ['no cgroups', {}, undefined],
])('%s', (_what, files, wanted) => {
  expect(readGroupOomKills(makeTree(files))).toEqual(wanted);
});

it.each([
  ['oom_kill 12\n', 12],
  ['oom_kill_disable 1\n', undefined],
  ['oom_group_kill 4\n', undefined],
  ['', undefined],
])('%j tells %s', (text, count) => {
  expect(parseOomKills(text)).toBe(count);
});
