import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import * as rules from '../../lib/policy/tree.ts';
import { openTreeSampler } from '../../lib/probe/sampler.ts';
import type { SamplerOptions } from '../../lib/probe/sampler.ts';
import { pageBytes } from '../../lib/probe/stat.ts';
import { MIB } from '../../lib/units.ts';
import { statLine, useFileTrees, writeFiles } from './file-tree.ts';
import type { Files } from './file-tree.ts';

const makeTree = useFileTrees();
const PAGE = pageBytes();

function open(options: Partial<SamplerOptions> = {}) {
  const sampler = openTreeSampler({ tagName: 'PROBE_TAG', rules, ...options });
  onTestFinished(() => sampler.close());
  return sampler;
}

type Shown = Parameters<typeof statLine>[0] & { children?: string; environ?: string };

function processFiles({ children = '', environ = '', ...facts }: Shown): Files {
  const { pid, pages = 10 } = facts;
  return {
    [`proc/${pid}/stat`]: statLine(facts),
    [`proc/${pid}/statm`]: `1000 ${pages} 2 1 0 5 0\n`,
    [`proc/${pid}/environ`]: environ,
    [`proc/${pid}/cmdline`]: `run\0--token\0hunter2\0`,
    [`proc/${pid}/task/${pid}/children`]: children,
  };
}

function treeOf(...shown: Shown[]) {
  return makeTree(Object.assign({ 'proc/thread-self/children': '' }, ...shown.map(processFiles)) as Files);
}

const pidsOf = (sample: { members: readonly { pid: number }[] } | undefined) =>
  sample?.members.map(({ pid }) => pid);

describe('the sampler on a file tree', () => {
  it('sums members, tells private memory, and sees growth through the files that it keeps', () => {
    const root = treeOf(
      { pid: 10, comm: 'a', pages: 100 },
      { pid: 11, comm: 'b', parent: 10, pages: 50 },
      { pid: 20, pages: 999 },
    );
    const sampler = open({ root });
    expect(sampler.add('A', 10)).toBe(true);

    expect(sampler.sample(0).get('A')).toEqual({
      rssBytes: 150 * PAGE,
      privateBytes: 146 * PAGE,
      members: [
        { pid: 10, parentPid: 1, startTicks: 100, comm: 'a', rssBytes: 100 * PAGE },
        { pid: 11, parentPid: 10, startTicks: 100, comm: 'b', rssBytes: 50 * PAGE },
      ],
      rootAlive: true,
    });
    writeFiles(root, { 'proc/11/statm': '1000 70 2 1 0 5 0\n' });
    expect(sampler.sample(1).get('A')?.rssBytes).toBe(170 * PAGE);
  });

  it('finds children of children between scans through the children files', () => {
    const root = treeOf({ pid: 10, comm: 'a', pages: 100 });
    const sampler = open({ root });
    sampler.add('A', 10);
    expect(pidsOf(sampler.sample(0).get('A'))).toEqual([10]);

    writeFiles(root, {
      ...processFiles({ pid: 11, comm: 'b', parent: 10, children: '12 ' }),
      ...processFiles({ pid: 12, comm: 'c', parent: 11 }),
      'proc/10/task/10/children': '11 13 ',
    });
    expect(pidsOf(sampler.sample(1).get('A'))).toEqual([10, 11, 12]);
  });

  it('looks at all processes only when that is due, is asked for, or there are no children files', () => {
    const late = processFiles({ pid: 30, environ: 'PROBE_TAG=A\0' });
    const begin = (files: Files = {}) => {
      const root = treeOf({ pid: 10 });
      writeFiles(root, files);
      const sampler = open({ root, scanIntervalMs: 1000 });
      sampler.add('A', 10);
      sampler.sample(5000);
      writeFiles(root, late);
      return sampler;
    };
    expect(pidsOf(begin().sample(5999).get('A'))).toEqual([10]);
    expect(pidsOf(begin().sample(6000).get('A'))).toEqual([10, 30]);
    expect(pidsOf(begin().sample(4999).get('A'))).toEqual([10, 30]);
    expect(pidsOf(begin().sample(5001, { full: true }).get('A'))).toEqual([10, 30]);

    const root = treeOf({ pid: 10 });
    rmSync(`${root}/proc/thread-self`, { recursive: true });
    const sampler = open({ root, scanIntervalMs: 1000 });
    sampler.add('A', 10);
    sampler.sample(5000);
    writeFiles(root, late);
    expect(pidsOf(sampler.sample(5001).get('A'))).toEqual([10, 30]);
  });

  it('counts a just-forked child from its second look on', () => {
    const root = treeOf({ pid: 10, comm: 'node', pages: 1000 });
    const sampler = open({ root });
    sampler.add('A', 10);
    sampler.sample(0);
    writeFiles(root, {
      ...processFiles({ pid: 11, comm: 'node', parent: 10, pages: 900 }),
      'proc/10/task/10/children': '11 ',
    });
    expect(sampler.sample(1).get('A')).toMatchObject({
      rssBytes: 1000 * PAGE,
      members: [{ pid: 10 }, { pid: 11 }],
    });
    expect(sampler.sample(2).get('A')?.rssBytes).toBe(1900 * PAGE);
  });

  it('keeps a member that got another parent, session and environment', () => {
    const root = treeOf({ pid: 10 }, { pid: 11, parent: 10 });
    const sampler = open({ root });
    sampler.add('A', 10);
    sampler.sample(0);
    rmSync(`${root}/proc/10`, { recursive: true });
    writeFiles(root, {
      ...processFiles({ pid: 11, parent: 1, group: 11, session: 11 }),
      'proc/10/statm': '0 0 0 0',
    });
    expect(pidsOf(sampler.sample(0, { full: true }).get('A'))).toEqual([11]);
    expect(pidsOf(sampler.sample(0, { full: true }).get('A'))).toEqual([11]);
  });

  it('drops a member whose pid went to another process', () => {
    const root = treeOf({ pid: 10 }, { pid: 11, parent: 10 });
    const sampler = open({ root });
    sampler.add('A', 10);
    sampler.sample(0);
    rmSync(`${root}/proc/11`, { recursive: true });
    writeFiles(root, processFiles({ pid: 11, parent: 1, start: 500 }));
    expect(pidsOf(sampler.sample(0, { full: true }).get('A'))).toEqual([10]);
  });

  it('says that a zombie root is not alive', () => {
    const root = treeOf({ pid: 10 });
    const sampler = open({ root });
    sampler.add('A', 10);
    expect(sampler.sample(0).get('A')?.rootAlive).toBe(true);
    writeFiles(root, { 'proc/10/statm': '0 0 0 0 0 0 0\n' });
    expect(sampler.sample(1).get('A')).toMatchObject({ rootAlive: false, members: [], rssBytes: 0 });
  });

  it('does not take up a root with another start time, but still what carries its tag', () => {
    const root = treeOf({ pid: 10, start: 100 }, { pid: 30, environ: 'X=1\0PROBE_TAG=A\0' });
    const sampler = open({ root });
    expect(sampler.add('A', 10, 99)).toBe(false);
    expect(sampler.add('B', 99)).toBe(false);
    expect(sampler.sample(0).get('A')).toMatchObject({ rootAlive: false, members: [{ pid: 30 }] });
    expect(sampler.sample(0).get('B')).toMatchObject({ rootAlive: false, members: [] });
  });

  it('finds by a survey what a dead member left, also right after a survey of another tree', () => {
    const root = treeOf({ pid: 10 }, { pid: 20 });
    const sampler = open({ root });
    sampler.add('A', 10);
    sampler.add('B', 20);
    expect(sampler.survey('A').map(({ pid }) => pid)).toEqual([10]);
    const die = (pid: number): void => {
      // Through the descriptor that is kept, too.
      writeFiles(root, { [`proc/${pid}/statm`]: '0 0 0 0 0 0 0\n' });
      rmSync(`${root}/proc/${pid}`, { recursive: true });
    };
    die(20);
    writeFiles(root, processFiles({ pid: 30, environ: 'X=1\0PROBE_TAG=B\0' }));
    expect(sampler.survey('B').map(({ pid }) => pid)).toEqual([30]);
    die(30);
    expect([sampler.survey('B'), sampler.survey('B'), sampler.survey('C')]).toEqual([[], [], []]);
  });

  it('reads a stranger’s environment once for each program that it executes', () => {
    const root = treeOf({ pid: 10 }, { pid: 30, comm: 'sh', environ: 'X=1\0' });
    const sampler = open({ root });
    sampler.add('A', 10);
    const look = () => pidsOf(sampler.sample(0, { full: true }).get('A'));
    expect(look()).toEqual([10]);
    writeFiles(root, { 'proc/30/environ': 'PROBE_TAG=A\0' });
    expect(look()).toEqual([10]);
    writeFiles(root, { 'proc/30/stat': statLine({ pid: 30, comm: 'agent' }) });
    expect(look()).toEqual([10, 30]);
  });

  it('reads an environment again that was empty, as it is for a moment while a program is executed', () => {
    const root = treeOf({ pid: 10 }, { pid: 30, environ: '' });
    const sampler = open({ root });
    sampler.add('A', 10);
    expect(pidsOf(sampler.sample(0, { full: true }).get('A'))).toEqual([10]);
    writeFiles(root, { 'proc/30/environ': 'PROBE_TAG=A\0' });
    expect(pidsOf(sampler.sample(0, { full: true }).get('A'))).toEqual([10, 30]);
  });

  it('gives a root that was inside another tree its own subtree at the next look', () => {
    const root = treeOf({ pid: 10 }, { pid: 11, parent: 10 }, { pid: 12, parent: 11 });
    const sampler = open({ root });
    sampler.add('A', 10);
    expect(pidsOf(sampler.sample(0).get('A'))).toEqual([10, 11, 12]);
    sampler.add('B', 11);
    const trees = sampler.sample(1);
    expect([pidsOf(trees.get('A')), pidsOf(trees.get('B'))]).toEqual([[10], [11, 12]]);
  });

  it('keeps the remains of an adopted subtree apart, although they carry the tag of the outer tree', () => {
    const environ = 'PROBE_TAG=A\0';
    const root = treeOf(
      { pid: 10, environ },
      { pid: 11, parent: 10, environ },
      { pid: 12, parent: 11, environ },
    );
    const sampler = open({ root });
    sampler.add('A', 10);
    sampler.add('B', 11);
    expect(pidsOf(sampler.sample(0).get('B'))).toEqual([11, 12]);
    rmSync(`${root}/proc/11`, { recursive: true });
    writeFiles(root, processFiles({ pid: 12, parent: 1, environ }));
    expect(pidsOf(sampler.sample(0, { full: true }).get('B'))).toEqual([12]);
  });

  it('does not take up a zombie', () => {
    const root = treeOf({ pid: 10, children: '11 ' }, { pid: 11, parent: 10, state: 'Z' });
    const sampler = open({ root });
    sampler.add('A', 10);
    expect(sampler.add('B', 11)).toBe(false);
    expect(pidsOf(sampler.sample(0).get('A'))).toEqual([10]);
    expect(pidsOf(sampler.sample(1).get('A'))).toEqual([10]);
  });

  it('works without smaps and surveys with masked command lines', () => {
    const root = treeOf({ pid: 10, comm: 'a' }, { pid: 30, comm: 'b', environ: 'PROBE_TAG=A\0' });
    writeFiles(root, { 'proc/30/cmdline': '' });
    const sampler = open({ root });
    sampler.add('A', 10);
    sampler.sample(0);
    expect(sampler.pss('A')).toBeUndefined();
    writeFiles(root, {
      'proc/10/smaps_rollup': 'Rss: 9 kB\nPss:    30 kB\nPss_Anon: 8 kB\n',
      'proc/30/smaps_rollup': 'Pss: 12 kB\n',
    });
    expect(sampler.pss('A')).toBe(42 * 1024);
    expect(sampler.survey('A')).toEqual([
      { pid: 10, startTicks: 100, comm: 'a', command: 'run --token ***' },
      { pid: 30, startTicks: 100, comm: 'b', command: '[b]' },
    ]);
    expect(sampler.survey('unknown')).toEqual([]);
  });

  it('has nothing to say without trees, also without /proc', () => {
    const sampler = open({ root: makeTree({}) });
    expect(sampler.sample(0).size).toBe(0);
    sampler.remove('never there');
  });
});

const openFiles = () => readdirSync('/proc/self/fd').length;

/** A script of Node that runs until it is killed, with our tag; resolves when it has printed a line. */
async function start(script: string, tag = 'A'): Promise<{ child: ChildProcess; pid: number; line: string }> {
  const child = spawn(process.execPath, ['-e', script], {
    detached: true,
    env: { ...process.env, PROBE_TAG: tag },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = child.pid ?? 0;
  onTestFinished(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Its group is gone already.
    }
  });
  const [data] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, pid, line: data.toString().trim() };
}

const STAY = 'setInterval(() => {}, 1000);';

describe.runIf(process.platform === 'linux')('the sampler on real processes', () => {
  it('measures a child that holds 150 MB, in total, alone and proportionally', async () => {
    const { pid } = await start(`globalThis.b = Buffer.alloc(150 * 2 ** 20, 1); console.log('up'); ${STAY}`);
    const sampler = open();
    sampler.add('A', pid);
    const sample = sampler.sample(Date.now()).get('A');
    expect(sample?.rssBytes).toBeGreaterThan(150 * MIB);
    expect(sample?.rssBytes).toBeLessThan(400 * MIB);
    expect(sample?.privateBytes).toBeGreaterThan(150 * MIB);
    expect(sampler.pss('A')).toBeGreaterThan(150 * MIB);
    expect(sampler.pss('A')).toBeLessThan(sample?.rssBytes ?? 0);
  });

  it('finds 30 children between two scans, and gives every descriptor back', async () => {
    const before = openFiles();
    const script = `process.on('SIGUSR2', () => {
      for (let i = 0; i < 30; i++) require('node:child_process').spawn('sleep', ['600'], { stdio: 'ignore' });
      console.log('spawned');
    }); console.log('up'); ${STAY}`;
    const { child, pid } = await start(script);
    const sampler = open({ scanIntervalMs: 1e9 });
    sampler.add('A', pid);
    expect(sampler.sample(0).get('A')?.members).toHaveLength(1);
    child.kill('SIGUSR2');
    if (child.stdout) await once(child.stdout, 'data');
    expect(sampler.sample(1).get('A')?.members).toHaveLength(31);
    expect(openFiles()).toBeGreaterThan(before + 30);

    process.kill(-pid, 'SIGKILL');
    await once(child, 'exit');
    await vi.waitUntil(() => sampler.sample(2).get('A')?.members.length === 0, { timeout: 20_000 });
    expect(sampler.sample(3).get('A')).toMatchObject({ rootAlive: false, rssBytes: 0 });
    // Its pipe goes with the child, on its own time.
    await vi.waitUntil(() => openFiles() <= before, { timeout: 20_000 });
  });

  it('finds a double-forked member in a session of its own after its parents are dead, by its tag alone', async () => {
    const { child, pid, line } = await start(
      `const sh = 'setsid sleep 600 > /dev/null 2>&1 & echo $!';
       const pid = require('node:child_process').execFileSync('sh', ['-c', sh], { encoding: 'utf8' });
       console.log(pid.trim()); ${STAY}`,
    );
    const remains = Number(line);
    onTestFinished(() => void process.kill(remains, 'SIGKILL'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    // Until setsid has executed sleep it is a shell's copy, whose environment is the shell's: with the tag all the same.
    const sampler = open();
    sampler.add('A', pid);
    expect(sampler.sample(Date.now()).get('A')).toMatchObject({
      rootAlive: false,
      members: [{ pid: remains }],
    });
    expect(sampler.survey('A').map((member) => member.pid)).toEqual([remains]);
    expect(open().survey('A')).toEqual([]);
  });

  it('measures all of a tree with fewer descriptors than it would keep', async () => {
    const script = `for (let i = 0; i < 40; i++) require('node:child_process').spawn('sleep', ['600'], { stdio: 'ignore' });
      console.log('up'); ${STAY}`;
    const { pid } = await start(script);
    const fixture = new URL('../fixtures/sample-tree.ts', import.meta.url).pathname;
    const words = [process.execPath, '--import', 'tsx', fixture, String(pid)];
    // Each member keeps two: the last ones run out at its first file, its second one, or where nothing but a look is left.
    for (const most of ['63', '64']) {
      const limited = `ulimit -n ${most} && exec "$0" "$@"`;
      const text = execFileSync('sh', ['-c', limited, ...words], { encoding: 'utf8' });
      const answer = JSON.parse(text) as { members: number; rssBytes: number; openFiles: number };
      expect([most, answer.members]).toEqual([most, 41]);
      expect(answer.rssBytes).toBeGreaterThan(60 * MIB);
      expect(answer.openFiles).toBeLessThan(Number(most));
    }
  });
});
