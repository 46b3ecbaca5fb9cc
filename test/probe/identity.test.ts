import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';

import { Failure } from '../../lib/failure.ts';
import { isAlive, parseDarwinBoot, parsePsStart, readIdentity, readSelf } from '../../lib/probe/identity.ts';
import { statLine, useFileTrees } from './file-tree.ts';

const makeTree = useFileTrees();
const BOOT = '11111111-2222-3333-4444-555555555555';

function tree(stat: string, { boot = `${BOOT}\n`, namespace = 'pid:[4026531836]' } = {}) {
  const files = { 'proc/70/stat': stat, 'proc/self/stat': stat, 'proc/sys/kernel/random/boot_id': boot };
  return makeTree(files, { 'proc/self/ns/pid': namespace });
}

const known = { bootId: BOOT, pidNamespace: '4026531836', pid: 70, startTicks: 100 };

describe('readIdentity', () => {
  it('is boot, pid namespace, pid and start time', () => {
    expect(readIdentity(70, tree(statLine({ pid: 70, start: 100 })))).toEqual(known);
    expect(readSelf(tree(statLine({ pid: 70, start: 100 })))).toEqual(known);
  });

  it.each([71, 0, -70, 70.5, Number.NaN])('is undefined for %s, which nobody has', (pid) => {
    expect(readIdentity(pid, tree(statLine({ pid: 70 })))).toBeUndefined();
  });

  it('has no pid namespace where the kernel has none', () => {
    const root = makeTree({ 'proc/70/stat': statLine({ pid: 70 }), 'proc/sys/kernel/random/boot_id': BOOT });
    expect(readIdentity(70, root)).toMatchObject({ pidNamespace: undefined });
  });

  it('fails rather than to leave the boot out', () => {
    const root = makeTree({ 'proc/70/stat': statLine({ pid: 70 }) }, { 'proc/self/ns/pid': 'pid:[1]' });
    expect(() => readIdentity(70, root)).toThrow(Failure);
    expect(() => readIdentity(70, root)).toThrow(/boot_id/);
    expect(() => readIdentity(70, tree(statLine({ pid: 70 }), { boot: '\n' }))).toThrow(/boot_id/);
  });
});

describe('isAlive', () => {
  it.each([
    ['the same process', {}, {}, true],
    ['a stopped one', { state: 'T' }, {}, true],
    ['one that is named like a zombie', { comm: 'foo) Z 1' }, {}, true],
    ['a zombie', { state: 'Z' }, {}, false],
    ['a dead one', { state: 'X' }, {}, false],
    ['another that got the pid', { start: 101 }, {}, false],
    ['one of another boot', {}, { boot: '99999999-2222-3333-4444-555555555555\n' }, false],
    ['one of another pid namespace', {}, { namespace: 'pid:[4026532999]' }, undefined],
    ['one of another boot and namespace', {}, { boot: 'other', namespace: 'pid:[4026532999]' }, false],
  ])('%s: %o %o -> %s', (_, stat, machine, expected) => {
    expect(isAlive(known, tree(statLine({ pid: 70, ...stat }), machine))).toBe(expected);
  });

  it('is false where nobody has the pid', () => {
    expect(isAlive({ ...known, pid: 71 }, tree(statLine({ pid: 70 })))).toBe(false);
  });
});

describe('macOS', () => {
  it('tells a boot by its UUID, else by its second', () => {
    const time = 'kern.boottime: { sec = 1700000000, usec = 123456 } Tue Nov 14 22:13:20 2023\n';
    expect(parseDarwinBoot(`kern.bootsessionuuid: 8A1D0C0E-6A5B-4C3D-9E8F-001122334455\n${time}`)).toBe(
      '8A1D0C0E-6A5B-4C3D-9E8F-001122334455',
    );
    expect(parseDarwinBoot(time)).toBe('boottime-1700000000');
    expect(parseDarwinBoot('')).toBeUndefined();
  });

  it.each([
    ['Ss   Tue Nov 14 22:13:20 2023    \n', { state: 'S', startTicks: 1700000000 }],
    ['Z+   Thu Jan  1 00:00:09 1970\n', { state: 'Z', startTicks: 9 }],
    ['', undefined],
    ['Ss   yesterday\n', undefined],
  ])('reads ps: %j', (text, expected) => {
    expect(parsePsStart(text)).toEqual(expected);
  });
});

describe('real processes', () => {
  it('a child lives, is dead once killed, and its successor is not it', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    const identity = readIdentity(child.pid ?? 0);
    if (!identity) throw new Error('a running child has an identity');
    expect(isAlive(identity)).toBe(true);
    expect(isAlive({ ...identity, startTicks: identity.startTicks - 1 })).toBe(false);

    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(identity)).toBe(false);
  });

  it('we are alive, and process 1 can be asked for by any user', () => {
    expect(readSelf().pid).toBe(process.pid);
    expect(isAlive(readSelf())).toBe(true);
    const first = readIdentity(1);
    if (first) expect(isAlive(first)).not.toBe(false);
  });
});
