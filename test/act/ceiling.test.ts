/** Does the kernel really stop an agent at its ceiling, and is every member found, ended and its group removed? */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, test, type TestContext } from 'vitest';
import {
  groupName,
  moveCeiling,
  openGroupHandle,
  sweepGroups,
  type GroupHandle,
} from '../../lib/act/ceiling-group.ts';
import { enteringWords, openCeilings, type Ceilings } from '../../lib/act/ceiling.ts';
import { raiseOomScore, readOomScore } from '../../lib/act/oom-score.ts';
import { scopeWords } from '../../lib/act/systemd-scope.ts';
import { makeGroup, tellKernel } from '../../lib/kernel-files.ts';
import { findEnclosingGroups } from '../../lib/probe/cgroup-path.ts';
import { findGroups } from '../../lib/probe/group-state.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { MIB } from '../../lib/units.ts';
import { useFileTrees } from '../probe/file-tree.ts';

const makeTree = useFileTrees();
const LIMIT = 64 * MIB;
const started: ChildProcess[] = [];
const made: GroupHandle[] = [];

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  for (const group of made.splice(0)) await until(() => (group.killAll(), group.remove()));
});

/** Groups of this very process: those of other runs on this machine are none of our business. */
function ourGroups(): string[] {
  const mark = `.${process.pid}.${readSelf().startTicks}`;
  return findGroups((name) => name.startsWith('claude-pm-') && name.endsWith(mark)).map(
    ({ folder }) => folder,
  );
}

async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; !holds();) {
    if (Date.now() > end) throw new Error('it did not come to pass in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function openHere(context: TestContext): Ceilings {
  const ceilings = openCeilings();
  if (ceilings.kind === 'none') context.skip(ceilings.reason);
  if (ceilings.kind === 'systemd-scope')
    context.skip('a scope of systemd’s is not a group that this test owns');
  return ceilings;
}

function start(
  ceilings: Ceilings,
  id: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = { PATH: process.env['PATH'] },
): { child: ChildProcess; group: GroupHandle } {
  const wrapped = ceilings.wrap(words, { id, limitBytes: LIMIT, env });
  const group = wrapped.group ?? expect.fail(wrapped.note ?? 'no group');
  made.push(group);
  const [program = '', ...rest] = wrapped.words;
  const child = spawn(program, rest, { env, detached: true, stdio: 'ignore' });
  started.push(child);
  return { child, group };
}

describe('a ceiling', () => {
  it('costs little to find, says which it is, and leaves nothing of the trial', () => {
    const ceilings = openCeilings();
    expect(['cgroup-v2', 'cgroup-v1', 'systemd-scope', 'none']).toContain(ceilings.kind);
    expect(ceilings.reason).not.toBe('');
    expect(ourGroups()).toEqual([]);
  });

  it('stops what grows past it by the kernel’s hand, counts that, and can be removed', async (context) => {
    const grow = 'const held = []; for (;;) held.push(Buffer.alloc(8 << 20, 1));';
    const { child, group } = start(openHere(context), 'grows', [process.execPath, '-e', grow]);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect([code, signal]).toEqual([null, 'SIGKILL']);
    expect(group.oomKills()).toBe(1);
    expect(group.peakBytes()).toBeLessThanOrEqual(group.ceilingBytes ?? 0);
    expect(group.peakBytes()).toBeGreaterThan(LIMIT);
    await until(() => group.remove());
    expect(existsSync(group.folder)).toBe(false);
    expect(group.oomKills()).toBe(1);
  });

  it('lets an agent live whose growing tool the kernel ends: it reads 137', async (context) => {
    const grow = 'const held = []; for (;;) held.push(Buffer.alloc(8 << 20, 1));';
    const line = '"$0" -e "$1"; test $? = 137 && exit 42';
    const words = ['/bin/sh', '-c', line, process.execPath, grow];
    const { child, group } = start(openHere(context), 'tool', words);
    expect(await once(child, 'exit')).toEqual([42, null]);
    expect(group.oomKills()).toBe(1);
  });

  it('counts nothing for an agent that stays below it and ends by itself', async (context) => {
    const { child, group } = start(openHere(context), 'modest', ['/bin/sh', '-c', 'exit 7']);
    expect(await once(child, 'exit')).toEqual([7, null]);
    expect(group.oomKills()).toBe(0);
    await until(() => group.remove());
    expect(ourGroups()).toEqual([]);
  });

  it('holds a process that left its session, its parents and its environment, until killAll', async (context) => {
    const hide = '(setsid env -i /bin/sh -c "trap \\"\\" TERM; (sleep 600 & sleep 601 &)" &) ; exit 0';
    const { child, group } = start(openHere(context), 'hides', ['/bin/sh', '-c', hide]);
    await once(child, 'exit');
    await until(() => group.procs().some((pid) => wordsOf(pid).includes('601')));
    const hidden = group.procs();
    expect(hidden).not.toContain(child.pid);
    expect(group.remove()).toBe(false);
    expect(group.killAll()).toBeGreaterThan(0);
    await until(() => group.procs().length === 0);
    expect(hidden.filter((pid) => wordsOf(pid).includes('60'))).toEqual([]);
    await until(() => group.remove());
  });

  it('keeps the pid: no process stays between us and the agent, and its oom score is raised', async (context) => {
    const ceilings = openHere(context);
    const { child, group } = start(ceilings, 'pid', ['sleep', '600']);
    const pid = child.pid ?? expect.fail('it did not start');
    await until(() => wordsOf(pid) === 'sleep 600');
    expect(group.procs()).toEqual([pid]);
    if (ceilings.oomScore !== undefined) expect(readOomScore(pid)).toBe(ceilings.oomScore);
  });

  it('starts an agent whose variables a shell would lose without one, and enters it afterwards', (context) => {
    const env = { PATH: process.env['PATH'], 'odd.name': 'kept' };
    const { child, group } = start(openHere(context), 'odd', ['sleep', '600'], env);
    const pid = child.pid ?? expect.fail('it did not start');
    expect(child.spawnargs[0]).toBe('sleep');
    expect(group.enter(pid)).toBe(true);
    expect(group.procs()).toEqual([pid]);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain('odd.name=kept');
  });

  it('is ended by one write where the kernel has cgroup.kill, groups below it included', async (context) => {
    const own = readFileSync('/proc/self/cgroup', 'utf8');
    const place = findEnclosingGroups('', own).find(({ version }) => version === 2);
    const folder = join(place?.folder ?? '', groupName('v2', readSelf()));
    if (place === undefined || makeGroup(folder) !== undefined)
      context.skip('no group of version 2 can be made here');
    const group = openGroupHandle({ version: 2, folder }, undefined);
    made.push(group);
    if (!existsSync(`${folder}/cgroup.kill`)) context.skip('this kernel has no cgroup.kill');
    const [program = '', ...rest] = enteringWords(folder, undefined, [
      '/bin/sh',
      '-c',
      'sleep 600 & sleep 601',
    ]);
    const child = spawn(program, rest, { stdio: 'ignore' });
    started.push(child);
    await until(() => group.procs().length === 3);
    const below = `${folder}/below`;
    expect(makeGroup(below)).toBeUndefined();
    const deep = group.procs().find((pid) => pid !== child.pid) ?? 0;
    expect(tellKernel(`${below}/cgroup.procs`, String(deep))).toBeUndefined();
    expect(group.procs()).toContain(deep);
    expect(group.killAll()).toBe(3);
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    await until(() => group.remove());
    expect(existsSync(folder)).toBe(false);
  });

  it('never lets killAll reach ourselves', (context) => {
    const ceilings = openHere(context);
    const { group } = start(ceilings, 'self', ['sleep', '600']);
    const parent = group.folder.slice(0, group.folder.lastIndexOf('/'));
    expect(
      openGroupHandle(
        { version: ceilings.kind === 'cgroup-v1' ? 1 : 2, folder: parent },
        undefined,
      ).killAll(),
    ).toBe(0);
  });

  it('is not given where the settings switch it off', () => {
    const off = openCeilings({ mode: 'off' });
    const words = ['true'];
    expect(off).toMatchObject({ kind: 'none', reason: 'switched off by the settings' });
    expect(off.wrap(words, { id: 'x', limitBytes: LIMIT, env: {} })).toEqual({
      words,
      group: undefined,
      note: undefined,
    });
  });

  it('is none on a machine without cgroups, and one whose group is not in sight', () => {
    const stat = '77 (node) R 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 100 999424 10 0\n';
    const boot = { 'proc/sys/kernel/random/boot_id': 'b\n', 'proc/self/stat': stat, 'proc/77/stat': stat };
    expect(openCeilings({ root: makeTree({}) })).toMatchObject({ kind: 'none', reason: /no cgroups/ });
    const mount = '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n';
    const root = makeTree({
      ...boot,
      'proc/self/cgroup': '4:memory:/a\n',
      'proc/self/mountinfo': mount,
      'sys/fs/cgroup/memory/a/cgroup.procs': '5\n0\n',
    });
    const here = openCeilings({ root, env: {}, uid: 4242 });
    expect(here.kind).toBe('none');
    expect(here.reason).toMatch(/cgroup v1 \/a: our own group is not in sight; no systemd user manager/);
  });
});

function wordsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '';
  }
}

describe('the words of an agent', () => {
  it('arrive unchanged through the shell that enters the group, also where it cannot', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0')),
      fc.constantFrom(
        '$(touch /tmp/x)',
        '`id`',
        "'",
        '"',
        '\\',
        '\n',
        '$0 $@ $$',
        '-n',
        '--',
        '; exit 1',
        '*',
        '',
        '~',
      ),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 6 }), (words) => {
        const wanted = ['/usr/bin/env', 'printf', '%s\\0', ...words];
        const [program = '', ...rest] = enteringWords('/no/such/group', undefined, wanted);
        const { stdout, status } = spawnSync(program, rest, { encoding: 'utf8' });
        expect([status, stdout]).toEqual([0, words.map((word) => `${word}\0`).join('')]);
      }),
      { numRuns: 40 },
    );
  });

  it('come last, after --, in a scope of systemd’s, whose limits are those of the watchdog and of the ceiling', () => {
    const words = scopeWords('--user', { expand: true, oomPolicy: true }, 'claude-pm-a.scope', 100 * MIB, [
      'a',
      '$b',
    ]);
    expect(words.slice(-3)).toEqual(['--', 'a', '$b']);
    expect(words).toEqual(
      expect.arrayContaining([
        '--expand-environment=no',
        '--unit=claude-pm-a.scope',
        `MemoryHigh=${100 * MIB}`,
        `MemoryMax=${174 * MIB}`,
        'MemorySwapMax=0',
        'OOMPolicy=continue',
      ]),
    );
    expect(scopeWords('--user', { expand: false, oomPolicy: false }, 'n', undefined, ['a']).join(' ')).toBe(
      'systemd-run --user --scope --quiet --collect --unit=n -- a',
    );
  });
});

describe('a plain user', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ceiling-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is told why there is no ceiling in root’s group, and leaves nothing behind', (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can become somebody else');
    if (spawnSync('setpriv', ['--version']).error) context.skip('setpriv is not installed here');
    chmodSync(dir, 0o755);
    const outfile = join(dir, 'ceiling.mjs');
    buildSync({
      entryPoints: ['lib/act/ceiling.ts'],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
    });
    writeFileSync(
      join(dir, 'ask.mjs'),
      'import { openCeilings } from "./ceiling.mjs"; const { kind, reason } = openCeilings({ env: {} }); console.log(`${kind}: ${reason}`);',
    );
    const words = [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      join(dir, 'ask.mjs'),
    ];
    const { stdout, stderr } = spawnSync('setpriv', words, { encoding: 'utf8', cwd: dir });
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^none: .*(EACCES|EPERM|EROFS|no memory controller|not in sight|in sight|no cgroups)/,
    );
    const groups = findGroups((name) => name.startsWith('claude-pm-try.'));
    expect(groups.filter(({ folder }) => !existsSync(`/proc/${folder.split('.').at(-2) ?? ''}`))).toEqual([]);
  });
});

describe('moveCeiling', () => {
  it('raises and lowers what the kernel allows an agent that lives on', (context) => {
    const ceilings = openHere(context);
    const { group } = start(ceilings, 'pooled', ['true']);
    const file = ceilings.kind === 'cgroup-v1' ? 'memory.limit_in_bytes' : 'memory.max';
    const limit = (): number => Number(readFileSync(join(group.folder, file), 'utf8'));
    const before = limit();
    moveCeiling('pooled', 4 * LIMIT);
    expect(limit()).toBeGreaterThan(2 * before);
    moveCeiling('pooled', LIMIT);
    expect(limit()).toBe(before);
  });
});

describe('sweepGroups', () => {
  /** A run that is dead: our own identity with another start. */
  const dead = (): ReturnType<typeof readSelf> => ({ ...readSelf(), startTicks: 1 });

  it('removes the empty groups of dead runs, and no group of a live one', async (context) => {
    const ceilings = openHere(context);
    const { child, group } = start(ceilings, 'alive', ['true']);
    await once(child, 'exit');
    const version = ceilings.kind === 'cgroup-v1' ? 1 : 2;
    const folder = join(group.folder, '..', groupName('left', dead()));
    spawnSync('mkdir', [folder]);
    made.push(openGroupHandle({ version, folder }, undefined));
    const swept = sweepGroups({ self: readSelf(), isAlive });
    expect(swept.removed).toContain(folder);
    expect(swept.removed).not.toContain(group.folder);
    expect([existsSync(folder), existsSync(group.folder)]).toEqual([false, true]);
  });

  it('ends what lives in a dead run’s group only where its lease is dead too', async (context) => {
    const ceilings = openHere(context);
    const { group } = start(ceilings, 'place', ['true']);
    const version = ceilings.kind === 'cgroup-v1' ? 1 : 2;
    const folder = join(group.folder, '..', groupName('survivor', dead()));
    spawnSync('mkdir', [folder]);
    const survivor = openGroupHandle({ version, folder }, undefined);
    made.push(survivor);
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    started.push(child);
    const pid = child.pid ?? expect.fail('it did not start');
    expect(survivor.enter(pid)).toBe(true);
    const world = { self: readSelf(), isAlive };
    const kept = sweepGroups({ ...world, endsMembersOf: (id) => id === 'another' });
    expect(kept.left).toContainEqual({ id: 'survivor', folder, processes: [pid] });
    sweepGroups({ ...world, endsMembersOf: (id) => id === 'survivor' });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    await until(() => {
      sweepGroups(world);
      return !existsSync(folder);
    });
  });
});

test('an oom score is raised, never lowered, and not for a process that is gone', async (context) => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  started.push(child);
  const pid = child.pid ?? expect.fail('it did not start');
  const inherited = readOomScore(pid);
  if (inherited === undefined || inherited > 900) context.skip('this kernel leaves nothing to raise');
  expect(raiseOomScore(pid, (inherited ?? 0) + 50)).toBe(true);
  expect(readOomScore(pid)).toBe((inherited ?? 0) + 50);
  expect(raiseOomScore(pid, inherited ?? 0)).toBe(false);
  expect(readOomScore(pid)).toBe((inherited ?? 0) + 50);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(raiseOomScore(pid, 1000)).toBe(false);
});
