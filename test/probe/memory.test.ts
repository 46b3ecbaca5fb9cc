import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { Failure } from '../../lib/failure.ts';
import {
  openMemoryProbe,
  readMemory,
  readMemoryAnywhere,
  snapshotFromSystemInformation,
} from '../../lib/probe/memory.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { useFileTrees, writeFiles } from './file-tree.ts';
import type { Files } from './file-tree.ts';

const makeTree = useFileTrees();

const MEMINFO = `MemTotal:       16777216 kB
MemFree:         1048576 kB
MemAvailable:    8388608 kB
Buffers:               0 kB
Cached:          4194304 kB
SwapTotal:       2097152 kB
SwapFree:        1048576 kB
`;
const NO_LIMIT = '9223372036854771712\n';

const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const V1_MOUNT = '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n';
const OTHER_MOUNTS =
  '22 1 8:1 / / rw - ext4 /dev/sda1 rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n';

function v2(folder: string, limit: string, usage: number, inactive: number, high = 'max\n'): Files {
  return {
    [`${folder}/memory.max`]: limit,
    [`${folder}/memory.high`]: high,
    [`${folder}/memory.current`]: `${usage}\n`,
    [`${folder}/memory.stat`]: `anon 1\nfile 2\ninactive_anon 3\nactive_file 5\ninactive_file ${inactive}\n`,
  };
}

function v1(folder: string, limit: string, usage: number, inactive: number): Files {
  return {
    [`${folder}/memory.limit_in_bytes`]: limit,
    [`${folder}/memory.usage_in_bytes`]: `${usage}\n`,
    [`${folder}/memory.use_hierarchy`]: '1\n',
    [`${folder}/memory.stat`]: `cache 1\ninactive_file 77\ntotal_cache 2\ntotal_inactive_file ${inactive}\n`,
  };
}

function machine(cgroup: string, mounts: string, files: Files, meminfo = MEMINFO): Files {
  return {
    'proc/meminfo': meminfo,
    'proc/self/stat': '4242 (node) R 1 4242 4242 0 -1\n',
    'proc/self/cgroup': cgroup,
    'proc/self/mountinfo': OTHER_MOUNTS + mounts,
    ...files,
  };
}

const read = (files: Files) => readMemory(makeTree(files));
const groups = (files: Files) =>
  read(files)
    .bounds.slice(1)
    .map(({ name, totalBytes, availableBytes }) => [name, totalBytes, availableBytes]);

describe('the machine', () => {
  it('gives MemTotal, MemAvailable and swap in bytes, and is the bound where no cgroup is', () => {
    const snapshot = read({ 'proc/meminfo': MEMINFO });

    expect(snapshot).toMatchObject({ totalBytes: 16 * GIB, availableBytes: 8 * GIB });
    expect(snapshot).toMatchObject({ swapTotalBytes: 2 * GIB, swapFreeBytes: GIB, pressure: undefined });
    expect(snapshot.binding).toEqual({
      kind: 'machine',
      name: 'machine',
      totalBytes: 16 * GIB,
      availableBytes: 8 * GIB,
    });
    expect(snapshot.bounds).toEqual([snapshot.binding]);
  });

  it.each([
    ['a missing total', MEMINFO.replace('MemTotal', 'MemTotel'), 'MemTotal'],
    ['a zero total', MEMINFO.replace('16777216', '0'), 'MemTotal'],
    ['a missing MemAvailable', MEMINFO.replace('MemAvailable', 'Other'), 'MemAvailable'],
    ['a number that is none', MEMINFO.replace('8388608', '83886x8'), 'MemAvailable'],
    ['a negative number', MEMINFO.replace('8388608', '-1'), 'MemAvailable'],
    ['another unit', MEMINFO.replace('8388608 kB', '8388608 MB'), 'MemAvailable'],
    ['an empty file', '', 'MemTotal'],
  ])('refuses %s with a Failure that names file and field', (_, meminfo, field) => {
    const act = () => read({ 'proc/meminfo': meminfo });
    expect(act).toThrow(Failure);
    expect(act).toThrow(new RegExp(`/proc/meminfo .*${field}`));
  });

  it('refuses an absent and an unreadable meminfo', () => {
    expect(() => read({ 'proc/other': '' })).toThrow(/cannot read .*\/proc\/meminfo: ENOENT/);
    expect(() => read({ 'proc/meminfo/': '' })).toThrow(/cannot read .*\/proc\/meminfo: EISDIR/);
  });

  it('never has more available than in all', () => {
    expect(read({ 'proc/meminfo': MEMINFO.replace('8388608', '99999999') }).availableBytes).toBe(16 * GIB);
  });

  it('says undefined for swap that the kernel does not tell', () => {
    const snapshot = read({ 'proc/meminfo': MEMINFO.replace(/Swap.*\n/g, '') });
    expect([snapshot.swapTotalBytes, snapshot.swapFreeBytes]).toEqual([undefined, undefined]);
  });
});

describe('pressure', () => {
  const text =
    'some avg10=12.50 avg60=3.00 avg300=1.00 total=4200\nfull avg10=1.25 avg60=0.50 avg300=0.10 total=99\n';
  const pressureOf = (files: Files) => read({ 'proc/meminfo': MEMINFO, ...files }).pressure;

  it('is shares of time and microseconds', () => {
    expect(pressureOf({ 'proc/pressure/memory': text })).toEqual({
      some10Share: 0.125,
      some60Share: 0.03,
      full10Share: 0.0125,
      full60Share: 0.005,
      someTotalUs: 4200,
      fullTotalUs: 99,
    });
  });

  it.each([
    ['absent', {}],
    ['without the full line', { 'proc/pressure/memory': text.split('\n')[0] ?? '' }],
    ['more than all time', { 'proc/pressure/memory': text.replace('12.50', '112.50') }],
    ['no text of the kernel', { 'proc/pressure/memory': 'hello' }],
  ])('is undefined where it is %s', (_, files) => {
    expect(pressureOf(files)).toBeUndefined();
  });
});

describe('cgroup version 2', () => {
  const at = (limit: string, usage = 600 * MIB, inactive = 100 * MIB, high?: string) =>
    machine('0::/job\n', V2_MOUNT, v2('sys/fs/cgroup/job', limit, usage, inactive, high));

  it('counts inactive file pages as available', () => {
    const snapshot = read(at(`${GIB}\n`));
    expect(snapshot.binding).toEqual({
      kind: 'cgroup',
      name: '/job',
      totalBytes: GIB,
      availableBytes: 524 * MIB,
    });
    expect(snapshot).toMatchObject({ totalBytes: GIB, availableBytes: 524 * MIB });
  });

  it.each([
    ['no limit', 'max\n', undefined, []],
    ['a limit of the whole machine', `${16 * GIB}\n`, undefined, []],
    [
      'a limit one byte below it',
      `${16 * GIB - 1}\n`,
      undefined,
      [['/job', 16 * GIB - 1, 16 * GIB - 1 - 500 * MIB]],
    ],
    ['a lower memory.high', `${GIB}\n`, `${700 * MIB}\n`, [['/job', 700 * MIB, 200 * MIB]]],
    ['memory.high alone', 'max\n', `${700 * MIB}\n`, [['/job', 700 * MIB, 200 * MIB]]],
    ['a limit below the usage', `${100 * MIB}\n`, undefined, [['/job', 100 * MIB, 0]]],
  ])('with %s', (_, limit, high, expected) => {
    expect(groups(at(limit, 600 * MIB, 100 * MIB, high))).toEqual(expected);
  });

  it('never has more available than its limit when the statistics lag behind', () => {
    expect(groups(at(`${GIB}\n`, 50 * MIB, 90 * MIB))).toEqual([['/job', GIB, GIB]]);
  });

  it('is bound by the parent where that has less left, and names groups innermost first', () => {
    const snapshot = read(
      machine('0::/a/b/c\n', V2_MOUNT, {
        ...v2('sys/fs/cgroup/a', `${2 * GIB}\n`, 2 * GIB - 10 * MIB, 0),
        ...v2('sys/fs/cgroup/a/b', 'max\n', 0, 0),
        ...v2('sys/fs/cgroup/a/b/c', `${GIB}\n`, 100 * MIB, 0),
      }),
    );
    expect(snapshot.bounds.map(({ name }) => name)).toEqual(['machine', '/a/b/c', '/a']);
    expect(snapshot.binding.name).toBe('/a');
    expect(snapshot.availableBytes).toBe(10 * MIB);
    expect(snapshot.totalBytes).toBe(GIB);
  });

  it.each([
    ['a limit that is no number', { 'memory.max': 'lots\n' }, /memory\.max holds no number/],
    ['an empty limit', { 'memory.max': '' }, /memory\.max holds no number/],
    ['a negative limit', { 'memory.max': '-1\n' }, /memory\.max holds no number/],
    ['a limit of 0', { 'memory.max': '0\n' }, /memory\.max is 0/],
    ['an unreadable limit', { 'memory.max/': '' }, /cannot read .*job\/memory\.max: EISDIR/],
    ['an absent usage', { 'memory.current': undefined }, /cannot read .*job\/memory\.current: ENOENT/],
    ['a usage that is no number', { 'memory.current': '1 2\n' }, /memory\.current holds no number/],
    ['absent statistics', { 'memory.stat': undefined }, /cannot read .*job\/memory\.stat: ENOENT/],
    ['statistics without inactive_file', { 'memory.stat': 'anon 1\n' }, /memory\.stat has no line/],
  ])('refuses %s and names the file', (_, change, message) => {
    const files: Record<string, string> = { ...at(`${GIB}\n`) };
    for (const [name, text] of Object.entries(change)) {
      delete files[`sys/fs/cgroup/job/${name.replace('/', '')}`]; // eslint-disable-line @typescript-eslint/no-dynamic-delete
      if (text !== undefined) files[`sys/fs/cgroup/job/${name}`] = text;
    }
    expect(() => read(files)).toThrow(message);
    expect(() => read(files)).toThrow(Failure);
  });

  it('leaves a group without a limit file out but not its parent', () => {
    const files = machine('0::/a/b\n', V2_MOUNT, {
      ...v2('sys/fs/cgroup/a', `${GIB}\n`, 0, 0),
      'sys/fs/cgroup/a/b/cgroup.procs': '4242\n',
    });
    expect(groups(files)).toEqual([['/a', GIB, GIB]]);
  });
});

describe('cgroup version 1', () => {
  const own = '4:memory:/a/b\n1:cpu:/elsewhere\n';

  it('uses the totals of the hierarchy and the limits of all parents', () => {
    const files = machine(own, V1_MOUNT, {
      ...v1('sys/fs/cgroup/memory', NO_LIMIT, 9 * GIB, 0),
      ...v1('sys/fs/cgroup/memory/a', `${GIB}\n`, 900 * MIB, 300 * MIB),
      ...v1('sys/fs/cgroup/memory/a/b', `${2 * GIB}\n`, 100 * MIB, 50 * MIB),
    });
    expect(groups(files)).toEqual([
      ['/a/b', 2 * GIB, 2 * GIB - 50 * MIB],
      ['/a', GIB, GIB - 600 * MIB],
    ]);
    expect(read(files).binding.name).toBe('/a');
  });

  it.each([
    ['4 KiB pages', '9223372036854771712\n'],
    ['64 KiB pages', '9223372036854710272\n'],
    ['the bare number', '9223372036854775807\n'],
    ['more than the machine has', `${32 * GIB}\n`],
  ])('takes the sentinel of %s for no limit', (_, limit) => {
    const files = machine('4:memory:/a\n', V1_MOUNT, v1('sys/fs/cgroup/memory/a', limit, GIB, 0));
    expect(groups(files)).toEqual([]);
  });

  it('does not count a parent that does not count its children', () => {
    const files = machine(own, V1_MOUNT, {
      ...v1('sys/fs/cgroup/memory/a', `${GIB}\n`, GIB, 0),
      'sys/fs/cgroup/memory/a/memory.use_hierarchy': '0\n',
      ...v1('sys/fs/cgroup/memory/a/b', `${2 * GIB}\n`, 0, 0),
    });
    expect(groups(files)).toEqual([['/a/b', 2 * GIB, 2 * GIB]]);
  });

  it('finds the memory controller where it is mounted together with others, in a place with a space', () => {
    const mount = '35 31 0:32 / /my\\040groups/x rw - cgroup cgroup rw,cpu,memory\n';
    const files = machine('4:cpu,memory:/a\n', mount, v1('my groups/x/a', `${GIB}\n`, 0, 0));
    expect(groups(files)).toEqual([['/a', GIB, GIB]]);
  });

  it('is read beside version 2 on a hybrid machine, each with its own limits', () => {
    const hybridMount = V2_MOUNT.replaceAll('/sys/fs/cgroup', '/sys/fs/cgroup/unified');
    const files = machine('4:memory:/a\n0::/u\n', V1_MOUNT + hybridMount, {
      ...v1('sys/fs/cgroup/memory/a', `${2 * GIB}\n`, 0, 0),
      ...v2('sys/fs/cgroup/unified/u', `${GIB}\n`, 0, 0),
    });
    expect(groups(files)).toEqual([
      ['/a', 2 * GIB, 2 * GIB],
      ['/u', GIB, GIB],
    ]);
  });
});

describe('containers', () => {
  it('finds the group where only a part of the hierarchy is mounted', () => {
    const mount = '35 31 0:32 /docker/ID /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n';
    const files = machine('4:memory:/docker/ID/sub\n', mount, {
      ...v1('sys/fs/cgroup/memory', `${GIB}\n`, 24 * MIB, 0),
      ...v1('sys/fs/cgroup/memory/sub', NO_LIMIT, 0, 0),
    });
    expect(groups(files)).toEqual([['/docker/ID', GIB, 1000 * MIB]]);
  });

  it('finds the top of the mount in a cgroup namespace with its own mount', () => {
    const files = machine('0::/\n', V2_MOUNT, v2('sys/fs/cgroup', `${GIB}\n`, 24 * MIB, 0));
    expect(groups(files)).toEqual([['/', GIB, 1000 * MIB]]);
  });

  it('does not take a group whose name only begins like the top of the mount', () => {
    const mounts =
      '35 31 0:32 /docker/ID /wrong ro - cgroup cgroup rw,memory\n35 31 0:32 / /right ro - cgroup cgroup rw,memory\n';
    const files = machine('4:memory:/docker/IDENTICAL\n', mounts, {
      ...v1('wrong', `${MIB}\n`, 0, 0),
      ...v1('right/docker/IDENTICAL', `${GIB}\n`, 0, 0),
    });
    expect(groups(files)).toEqual([['/docker/IDENTICAL', GIB, GIB]]);
  });

  it('prefers the mount that shows the most parents', () => {
    const mounts =
      '35 31 0:32 /a/b /part ro - cgroup cgroup rw,memory\n36 31 0:32 / /whole ro - cgroup cgroup rw,memory\n';
    const files = machine('4:memory:/a/b\n', mounts, {
      ...v1('part', NO_LIMIT, 0, 0),
      ...v1('whole/a/b', NO_LIMIT, 0, 0),
      ...v1('whole/a', `${GIB}\n`, 0, 0),
    });
    expect(groups(files)).toEqual([['/a', GIB, GIB]]);
  });

  it('searches for our own group where the namespace kept mounts that reach above it', () => {
    const mount = V2_MOUNT.replace(' / /sys', ' /../.. /sys');
    const files = machine('0::/\n', mount, {
      'sys/fs/cgroup/cgroup.procs': '1\n42\n',
      ...v2('sys/fs/cgroup/other', `${MIB}\n`, MIB, 0),
      'sys/fs/cgroup/other/cgroup.procs': '424\n',
      ...v2('sys/fs/cgroup/pod', `${2 * GIB}\n`, GIB, 0),
      'sys/fs/cgroup/pod/cgroup.procs': '',
      ...v2('sys/fs/cgroup/pod/us', `${GIB}\n`, 0, 0),
      'sys/fs/cgroup/pod/us/cgroup.procs': '7\n4242\n',
    });
    expect(groups(files)).toEqual([
      ['/', GIB, GIB],
      ['/..', 2 * GIB, GIB],
    ]);
  });

  it('takes the top of the mount where our own group is nowhere in sight', () => {
    const files = machine('0::/../../init\n', V2_MOUNT, v2('sys/fs/cgroup', `${GIB}\n`, 0, 0));
    expect(groups(files)).toEqual([['/../../init', GIB, GIB]]);
  });

  it('has no bound from a hierarchy that is mounted nowhere', () => {
    expect(groups(machine('4:memory:/a\n0::/\n', '', {}))).toEqual([]);
  });

  it('refuses to guess where mounts cannot be read', () => {
    const act = () => read({ 'proc/meminfo': MEMINFO, 'proc/self/cgroup': '0::/\n' });
    expect(act).toThrow(/mountinfo/);
    expect(act).toThrow(Failure);
  });
});

describe('a kept probe', () => {
  it('sees new figures, a new limit and a new group without being opened again', () => {
    const root = makeTree(
      machine('0::/a\n', V2_MOUNT, {
        ...v2('sys/fs/cgroup/a', 'max\n', 0, 0),
        ...v2('sys/fs/cgroup/b', `${2 * GIB}\n`, 0, 0),
      }),
    );
    const probe = openMemoryProbe(root);
    onTestFinished(() => probe.close());
    expect(probe.read().availableBytes).toBe(8 * GIB);

    writeFiles(root, { 'proc/meminfo': MEMINFO.replace('8388608', '4194304') });
    expect(probe.read().availableBytes).toBe(4 * GIB);

    writeFiles(root, { 'sys/fs/cgroup/a/memory.max': `${GIB}\n` });
    expect(probe.read().binding).toMatchObject({ name: '/a', availableBytes: GIB });

    writeFiles(root, { 'proc/self/cgroup': '0::/b\n' });
    expect(probe.read().binding).toMatchObject({ name: '/b', availableBytes: 2 * GIB });
  });

  it('still works after a look that failed', () => {
    const root = makeTree({ 'proc/meminfo': MEMINFO });
    const probe = openMemoryProbe(root);
    onTestFinished(() => probe.close());
    writeFiles(root, { 'proc/meminfo': '' });
    expect(() => probe.read()).toThrow(Failure);
    writeFiles(root, { 'proc/meminfo': MEMINFO });
    expect(probe.read().availableBytes).toBe(8 * GIB);
  });
});

describe('systeminformation', () => {
  const figures = { total: 8 * GIB, available: 3 * GIB, swaptotal: GIB, swapfree: 512 * MIB };

  it('gives the machine as the only bound', () => {
    const snapshot = snapshotFromSystemInformation(figures, 17);
    expect(snapshot).toEqual({
      atMs: 17,
      totalBytes: 8 * GIB,
      availableBytes: 3 * GIB,
      binding: { kind: 'machine', name: 'machine', totalBytes: 8 * GIB, availableBytes: 3 * GIB },
      bounds: [{ kind: 'machine', name: 'machine', totalBytes: 8 * GIB, availableBytes: 3 * GIB }],
      swapTotalBytes: GIB,
      swapFreeBytes: 512 * MIB,
      pressure: undefined,
    });
  });

  it.each([{ total: 0 }, { total: Number.NaN }, { available: Number.NaN }, { available: -1 }])(
    'refuses %o',
    (change) => {
      expect(() => snapshotFromSystemInformation({ ...figures, ...change }, 0)).toThrow(Failure);
    },
  );
});

const isLinux = process.platform === 'linux';

describe.runIf(isLinux)('this machine', () => {
  it('has some memory, and no bound allows more than the snapshot says', async () => {
    const snapshot = await readMemoryAnywhere();
    expect(snapshot.availableBytes).toBeGreaterThan(0);
    expect(snapshot.availableBytes).toBeLessThanOrEqual(snapshot.totalBytes);
    expect(Math.min(...snapshot.bounds.map((bound) => bound.availableBytes))).toBe(snapshot.availableBytes);
  });

  const V1 = '/sys/fs/cgroup/memory';
  const mayMakeGroups = () => {
    try {
      accessSync(V1, constants.W_OK);
      return existsSync(`${V1}/memory.limit_in_bytes`) && process.getuid?.() === 0;
    } catch {
      return false;
    }
  };

  /** Groups outer (1 GiB) and outer/inner (no limit), in which `wrapper` runs the printing child. */
  function runInGroup(wrapper: string, ...words: string[]) {
    const outer = `${V1}/probe-test-${process.pid}-${Math.floor(performance.now())}`;
    mkdirSync(`${outer}/inner`, { recursive: true });
    mkdirSync(`${outer}/second`);
    const isRemoved = (group: string): boolean => {
      try {
        if (existsSync(group)) rmdirSync(group);
        return true;
      } catch {
        // A process of the group is still on its way out.
        return false;
      }
    };
    onTestFinished(async () => {
      for (const name of ['/inner', '/second', ''])
        await vi.waitUntil(() => isRemoved(outer + name), { timeout: 20_000 });
    });
    const script = `echo ${GIB} > "$0/memory.limit_in_bytes" && echo $$ > "$0/inner/cgroup.procs" && ${wrapper} "$@"`;
    const places = words.map((word) => word.replace('OUTER', outer));
    const child = ['--import', 'tsx', new URL('../fixtures/print-memory.ts', import.meta.url).pathname];
    const text = execFileSync('sh', ['-c', script, outer, process.execPath, ...child, ...places], {
      encoding: 'utf8',
    });
    const answer = JSON.parse(text) as Record<
      'first' | 'second',
      { name: string; totalBytes: number; availableBytes: number }[]
    >;
    return { answer, outerName: outer.slice(V1.length) };
  }

  it('shows a process the limit of the group above its own', (ctx) => {
    if (!mayMakeGroups()) ctx.skip('no version 1 memory cgroup that we may write');
    const { answer, outerName } = runInGroup('exec');
    const bound = answer.first.at(-1);
    expect(bound).toMatchObject({ totalBytes: GIB });
    expect(bound?.name.endsWith(outerName)).toBe(true);
    // The child itself, some 50 to 100 MB, is charged to it.
    expect(bound?.availableBytes).toBeLessThan(GIB - 10 * MIB);
    expect(bound?.availableBytes).toBeGreaterThan(GIB / 2);
  });

  it('shows it in a cgroup namespace that kept its mounts', (ctx) => {
    if (!mayMakeGroups()) ctx.skip('no version 1 memory cgroup that we may write');
    const { answer } = runInGroup('exec unshare --cgroup');
    expect(answer.first.at(-1)).toMatchObject({ name: '/..', totalBytes: GIB });
  });

  it('follows a move to another group when the old one is removed', (ctx) => {
    if (!mayMakeGroups()) ctx.skip('no version 1 memory cgroup that we may write');
    const { answer, outerName } = runInGroup('exec', 'OUTER/second', 'OUTER/inner');
    expect(answer.second.map(({ name }) => name)).toEqual(answer.first.map(({ name }) => name));
    expect(answer.second.at(-1)?.name.endsWith(outerName)).toBe(true);
  });
});
