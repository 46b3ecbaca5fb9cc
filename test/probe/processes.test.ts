import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';

import { Failure } from '../../lib/failure.ts';
import {
  parsePsTable,
  readCommandWords,
  readProcessTable,
  readPss,
  readTag,
} from '../../lib/probe/processes.ts';
import { pageBytes, pageBytesFromAuxv, parseStat, parseStatm } from '../../lib/probe/stat.ts';
import { MIB } from '../../lib/units.ts';
import { statLine, useFileTrees } from './file-tree.ts';

const makeTree = useFileTrees();
const PAGE = pageBytes();

describe('parseStat', () => {
  it('reads parent, group, session, start and resident bytes', () => {
    const line = statLine({
      pid: 7,
      comm: 'node',
      state: 'R',
      parent: 3,
      group: 4,
      session: 5,
      start: 987654321,
      pages: 12,
    });
    expect(parseStat(line)).toEqual({
      pid: 7,
      parentPid: 3,
      groupId: 4,
      sessionId: 5,
      startTicks: 987654321,
      comm: 'node',
      state: 'R',
      residentBytes: 12 * PAGE,
    });
  });

  it.each(['foo) Z 1', 'a b c', ') (', '))))', '', '(', 'ünï', '7 (x) S 1'])(
    'takes the name %j as it is',
    (comm) => {
      expect(parseStat(statLine({ pid: 7, comm, state: 'S', parent: 3 }))).toMatchObject({
        comm,
        state: 'S',
        parentPid: 3,
      });
    },
  );

  it.each([
    '',
    '7',
    '7 (x)',
    '7 (x) S 1 2 3',
    'x (x) S',
    statLine({ pid: 7 }).replace(' 100 ', ' 1x0 '),
    statLine({ pid: 0 }),
  ])('is undefined for %j', (text) => {
    expect(parseStat(text)).toBeUndefined();
  });
});

describe('parseStatm', () => {
  it.each([
    ['1000 300 100 1 0 5 0\n', 300, 200, true],
    ['1000 100 100 1 0 5 0\n', 100, 0, true],
    ['1000 100 130 1 0 5 0\n', 100, 0, true],
    ['0 0 0 0 0 0 0\n', 0, 0, false],
  ])('%j -> %i pages, %i of them private', (text, resident, alone, hasMemory) => {
    expect(parseStatm(text)).toEqual({
      residentBytes: resident * PAGE,
      privateBytes: alone * PAGE,
      hasMemory,
    });
  });

  it.each(['', '1 2', 'a b c', '1 2 x'])('is undefined for %j', (text) => {
    expect(parseStatm(text)).toBeUndefined();
  });
});

describe('the size of a page', () => {
  const auxv = (order: 'LE' | 'BE', ...words: number[]) => {
    const buffer = Buffer.alloc(words.length * 8);
    for (const [at, word] of words.entries()) buffer[`writeBigUInt64${order}`](BigInt(word), at * 8);
    return buffer;
  };

  it.each([
    ['LE', [33, 4097, 6, 4096, 0, 0], 4096],
    ['LE', [6, 65536, 0, 0], 65536],
    ['BE', [3, 1, 6, 16384], 16384],
    ['LE', [6, 5000, 0, 0], undefined],
    ['LE', [6, 0], undefined],
    ['LE', [3, 6, 0, 0], undefined],
    ['LE', [6], undefined],
    ['LE', [], undefined],
  ] as const)('%s %j -> %s', (order, words, expected) => {
    expect(pageBytesFromAuxv(auxv(order, ...words), order)).toBe(expected);
  });
});

describe('readProcessTable', () => {
  it('takes processes only, leaves out those that are half gone, and needs no statm', () => {
    const root = makeTree({
      'proc/7/stat': statLine({ pid: 7, pages: 50 }),
      'proc/7/statm': '1000 50 20 1 0 5 0\n',
      'proc/8/stat': statLine({ pid: 8, pages: 60 }),
      'proc/9/cmdline': 'gone\0',
      'proc/10/stat': '',
      'proc/uptime': '1 1',
      'proc/12x/stat': statLine({ pid: 12 }),
    });
    const table = readProcessTable(root);
    expect([...table.keys()]).toEqual([7, 8]);
    expect(table.get(7)).toMatchObject({ residentBytes: 50 * PAGE, privateBytes: 30 * PAGE });
    expect(table.get(8)).toMatchObject({ residentBytes: 60 * PAGE, privateBytes: 60 * PAGE });
  });

  it('fails where nothing is listed and where a line is not the kernel’s', () => {
    expect(() => readProcessTable(makeTree({ 'proc/uptime': '' }))).toThrow(Failure);
    expect(() => readProcessTable(makeTree({}))).toThrow(Failure);
    expect(() => readProcessTable(makeTree({ 'proc/7/stat': 'hello' }))).toThrow(
      /proc\/7\/stat can't be understood/,
    );
    expect(() => readProcessTable(makeTree({ 'proc/7/stat': statLine({ pid: 8 }) }))).toThrow(Failure);
  });

  it('reads what ps prints on macOS', () => {
    const text = `    1     0     1 Ss    21504 Tue Nov 14 22:13:20 2023     /sbin/launchd
  510   200   510 S+   204800 Thu Jan  1 00:00:09 1970     /Applications/My App.app/Contents/MacOS/My App
  511   510   510 Z         0 Thu Jan  1 00:00:10 1970     (node)
garbage
`;
    const table = parsePsTable(text);
    expect([...table.keys()]).toEqual([1, 510, 511]);
    expect(table.get(510)).toEqual({
      pid: 510,
      parentPid: 200,
      groupId: 510,
      sessionId: 0,
      startTicks: 9,
      comm: 'My App',
      state: 'S',
      residentBytes: 200 * MIB,
      privateBytes: 200 * MIB,
    });
    expect(table.get(511)?.state).toBe('Z');
    expect(() => parsePsTable('')).toThrow(Failure);
  });
});

describe('readTag', () => {
  const root = () =>
    makeTree({
      'proc/7/environ': 'TAG=first\0OTHER_TAG=x\0EMPTY=\0TAG=second\0LAST=a=b c',
      'proc/8/environ': 'OTHER_TAG=x\0NOTAG=y TAG=inside\0',
      'proc/9/environ': '',
    });

  it.each([
    [7, 'TAG', 'first'],
    [7, 'OTHER_TAG', 'x'],
    [7, 'EMPTY', ''],
    [7, 'LAST', 'a=b c'],
    [8, 'TAG', undefined],
    [9, 'TAG', undefined],
    [10, 'TAG', undefined],
  ])('%i %s -> %j', (pid, name, expected) => {
    expect(readTag(pid, name, root())).toBe(expected);
  });
});

describe.runIf(process.platform === 'linux')('a real child', () => {
  it('shows its size, its parent, its tag and its words', async () => {
    const script =
      'globalThis.b = Buffer.alloc(100 * 2 ** 20, 1); process.stdout.write("up"); setInterval(() => {}, 1000)';
    const child = spawn(process.execPath, ['-e', script, 'a b', ''], {
      env: { ...process.env, PROBE_TAG: 'epic/1/A' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;

    const facts = readProcessTable().get(pid);
    expect(facts).toMatchObject({ parentPid: process.pid });
    expect(facts?.comm).toMatch(/^(node|MainThread)$/);
    expect(facts?.residentBytes).toBeGreaterThan(100 * MIB);
    expect(facts?.residentBytes).toBeLessThan(400 * MIB);
    expect(facts?.privateBytes).toBeGreaterThan(100 * MIB);
    expect(facts?.privateBytes).toBeLessThan(facts?.residentBytes ?? 0);
    expect(readPss(pid)).toBeGreaterThan(100 * MIB);
    expect(readTag(pid, 'PROBE_TAG')).toBe('epic/1/A');
    expect(readCommandWords(pid)).toEqual([process.execPath, '-e', script, 'a b', '']);

    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(readProcessTable().has(pid)).toBe(false);
    expect([readPss(pid), readTag(pid, 'PROBE_TAG'), readCommandWords(pid)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
