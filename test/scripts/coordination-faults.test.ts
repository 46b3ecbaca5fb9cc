/** Does a damaged, foreign, read-only or full place for our state end in one clear line, with nothing lost or written over? */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, type TestContext } from 'vitest';
import {
  expectFault,
  isRunning,
  keyValues,
  makeLab,
  mountSpace,
  readJobs,
  ROOMY,
  streamsFile,
  tempDir,
  type Ended,
  type Lab,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const STREAMS = ['--streams', 'streams.yaml', ...ROOMY];
const NEED = ['--memory', '10MB', ...ROOMY];

/** A lab with a stream that would leave the file `ran`. */
function ranLab(): Lab {
  const lab = makeLab();
  streamsFile(lab, [{ id: 'A', command: 'echo x >> ran', memory: '10MB' }]);
  return lab;
}

/** Every call that needs the ledger. */
const calls = (pid: number): [string, string[]][] => [
  ['assess', ['e', 'assess', ...NEED]],
  ['plan', ['e', 'plan', ...STREAMS]],
  ['run', ['e', 'run', ...STREAMS]],
  ['spawn', ['e', 'spawn', 'A', '--pid', String(pid), ...NEED]],
  ['complete', ['e', 'complete', 'A']],
  ['monitor', ['e', 'monitor']],
  ['kill', ['e', 'kill', 'A']],
  ['cleanup', ['e', 'cleanup']],
];

describe('a ledger that cannot be taken as it is', () => {
  const ONE = '{"version":1,"leases":[{"id":"x","role":"agent"';
  it.each<[string, string | undefined, RegExp]>([
    ['was torn', ONE, /ledger\.json is damaged \(.*\): `memory-monitor cleanup` puts it aside/],
    ['is empty', '', /ledger\.json is damaged/],
    ['is no object', '[1]', /ledger\.json is damaged \(it holds no object\)/],
    ['holds a lease without an owner’s word', '{"version":1,"leases":[{"id":7}]}', /damaged \(lease 1, /],
    ['begins with an escape sequence', '\u001b]0;x\u0007{}', /ledger\.json is damaged \(/],
    ['comes from a newer version', '{"version":2,"leases":{"of":"tomorrow"}}', /written by a newer version \(2, this one knows 1\)/],
    ['is a folder', undefined, /cannot read .*ledger\.json: it is a folder/],
  ])('because it %s: every call says so in one line, and nothing starts or is written', async (what, text, message) => {
    const lab = ranLab();
    const path = join(lab.state, 'ledger.json');
    mkdirSync(lab.state, { mode: 0o700 });
    if (text === undefined) mkdirSync(path);
    else writeFileSync(path, text);
    // All of them read it by one function: what they make of its two kinds of failure is asked of each, the rest of three.
    const isWhole = /torn|newer/.test(what);
    for (const [name, args] of calls(lab.hold().pid)) {
      if (!isWhole && !['plan', 'run', 'spawn'].includes(name)) continue;
      const ended = await lab.run(NAME, args);
      expectFault(ended, 2, message);
      expect(ended.stderr).toMatch(/^[\u0020-\u007e…\n]*$/);
    }
    expect(lab.read('ran')).toBe('');
    expect(readdirSync(lab.state)).toEqual(['ledger.json']);
    if (text !== undefined) expect(readFileSync(path, 'utf8')).toBe(text);
  }); // prettier-ignore

  it('is kept aside by memory-monitor cleanup where it is damaged, and left alone where it is newer', async () => {
    const lab = ranLab();
    mkdirSync(lab.state, { mode: 0o700 });
    const path = join(lab.state, 'ledger.json');
    writeFileSync(path, ONE);
    const ended = await lab.run('memory-monitor', ['cleanup']);
    expect(ended.status).toBe(0);
    const aside = keyValues(ended.stdout)['damaged_ledger'] ?? '';
    expect(readFileSync(aside, 'utf8')).toBe(ONE);
    expect((await lab.run(NAME, ['e', 'run', ...STREAMS])).status).toBe(0);

    writeFileSync(path, '{"version":2}');
    expectFault(await lab.run('memory-monitor', ['cleanup']), 2, /newer version/);
    expect(readFileSync(path, 'utf8')).toBe('{"version":2}');
  });
});

describe('records of a run', () => {
  it('with another header are not ours: the run does not start and leaves them as they are', async () => {
    const lab = ranLab();
    const path = lab.write('.claude-pm/runs/e/joblog.tsv', 'my own notes\nabout this epic\n');
    for (const words of [[], ['--resume']]) {
      expectFault(
        await lab.run(NAME, ['e', 'run', ...STREAMS, ...words]),
        2,
        /is no joblog of ours .*it was left as it is/,
      );
      expect([lab.read('ran'), readFileSync(path, 'utf8')]).toEqual(['', 'my own notes\nabout this epic\n']);
    }
  });

  it('with a torn last line go on behind it, and only that stream runs again', async () => {
    const lab = makeLab();
    const ids = ['A', 'B', 'C'];
    streamsFile(
      lab,
      ids.map((id) => ({ id, command: `echo ${id} >> ran`, memory: '10MB' })),
    );
    expect((await lab.run(NAME, ['e', 'run', ...STREAMS])).status).toBe(0);
    const path = join(lab.project, '.claude-pm', 'runs', 'e', 'joblog.tsv');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.slice(0, -30));
    const lost = text.trimEnd().split('\n').at(-1)?.split('\t')[9]?.slice('e/0/'.length) ?? '';
    expect((await lab.run(NAME, ['e', 'run', ...STREAMS, '--resume'])).status).toBe(0);
    expect(lab.read('ran').trimEnd().split('\n').toSorted()).toEqual([...ids, lost].toSorted());
    expect(readJobs(lab, 'e').map(({ key }) => key).toSorted()).toEqual(ids.map((id) => `e/0/${id}`)); // prettier-ignore
  });
});

describe('a place that is none', () => {
  it.each<[string, NodeJS.ProcessEnv, RegExp]>([
    ['a relative state folder', { CLAUDE_PM_STATE_DIR: 'state' }, /CLAUDE_PM_STATE_DIR="state" is a relative path/],
    ['a state folder in a file', { CLAUDE_PM_STATE_DIR: '/dev/null/x' }, /a part of this path is a file/],
    ['a state folder in a loop', { CLAUDE_PM_STATE_DIR: '/proc/self/cwd/loop/x' }, /too many links/],
    ['a name too long', { CLAUDE_PM_STATE_DIR: `/tmp/${'x'.repeat(300)}` }, /too long/],
    ['a relative XDG folder', { CLAUDE_PM_STATE_DIR: '', XDG_STATE_HOME: 'x' }, /XDG_STATE_HOME="x" is a relative path/],
    ['a relative home', { CLAUDE_PM_STATE_DIR: '', HOME: 'home' }, /no home folder/],
    ['no home for a ~', { CLAUDE_PM_STATE_DIR: '~/x', HOME: 'home' }, /relative|home folder/],
  ])('%s: one line, exit 2, nothing started', async (_, env, message) => {
    const lab = ranLab();
    lab.shell('sh', 'ln -s loop loop');
    for (const [, args] of calls(lab.hold().pid).slice(0, 4))
      expectFault(await lab.run(NAME, args, { env: { XDG_STATE_HOME: '', ...env } }), 2, message);
    expect(lab.read('ran')).toBe('');
  }); // prettier-ignore

  it('no HOME: the home of the password file is taken, and who has none there is told', async (context) => {
    const lab = makeLab();
    const env = { CLAUDE_PM_STATE_DIR: undefined, HOME: undefined };
    const ended = await lab.run(NAME, ['e', 'assess', ...NEED], { env });
    if (hasHome()) expect([ended.status, ended.stderr]).toEqual([0, '']);
    else expectFault(ended, 2, /no home folder to keep state in/);

    if (process.getuid?.() !== 0) return context.skip('only root can be somebody without a home');
    const bundle = tempDir();
    cpSync(inject('bundleDir'), bundle, { recursive: true });
    chmodSync(bundle, 0o755);
    const words = [join(bundle, `${NAME}.mjs`), 'e', 'assess', ...NEED];
    const nobody = spawnSync(process.execPath, words, { cwd: '/', env: { PATH: lab.env['PATH'] }, uid: 54_321, gid: 54_321, encoding: 'utf8' }); // prettier-ignore
    if (nobody.error) return context.skip('node is not executable for others');
    expectFault(nobody, 2, /no home folder to keep state in: set HOME or CLAUDE_PM_STATE_DIR/);
  });

  it('a project that we may not write: told in one line, and no agent starts', async () => {
    const lab = ranLab();
    lab.write('.claude-pm', 'a file in our place');
    expectFault(await lab.run(NAME, ['e', 'run', ...STREAMS]), 2, /a part of this path is a file|is a file/);
    expect([lab.read('ran'), lab.read('.claude-pm')]).toEqual(['', 'a file in our place']);
    expect(lab.leases()).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('a project whose folder is not ours to write', async () => {
    const lab = ranLab();
    chmodSync(lab.project, 0o500);
    const ended = await lab.run(NAME, ['e', 'run', ...STREAMS]);
    chmodSync(lab.project, 0o700);
    expectFault(ended, 2, /give this user the right/);
    expect(lab.read('ran')).toBe('');
  });
});

/** Whether the password file knows us: in a container under a foreign number it does not. */
function hasHome(): boolean {
  try {
    return userInfo().homedir !== '';
  } catch {
    return false;
  }
}

/** Runs a line of sh in a mount namespace of its own; `$CM` is our command. */
function inMountSpace(context: TestContext, lab: Lab, line: string): Ended {
  const words = mountSpace() ?? context.skip('no mount namespace can be made here');
  const [node = '', script = ''] = lab.words(NAME);
  const [program, ...rest] = [...words, 'sh', '-c', line];
  const { status, signal, stdout, stderr } = spawnSync(program, rest, { cwd: lab.project, env: { ...lab.env, CM: `${node} ${script}`, STATE: lab.state }, encoding: 'utf8', timeout: 50_000 }); // prettier-ignore
  return { status, signal, stdout, stderr };
}

describe('a state folder on a read-only disk', () => {
  it('answers what needs no writing, refuses the rest in one line, and starts nothing', (context) => {
    const lab = ranLab();
    mkdirSync(lab.state);
    const { pid } = lab.hold();
    const mount = 'mount -t tmpfs tmpfs "$STATE" && echo \'{"version":1,"leases":[]}\' > "$STATE/ledger.json" && mount -o remount,bind,ro "$STATE"'; // prettier-ignore
    const inside = (args: readonly string[]): Ended => inMountSpace(context, lab, `${mount} && exec $CM ${args.join(' ')}`); // prettier-ignore
    for (const [name, args] of calls(pid)) {
      const ended = inside(args);
      if (['assess', 'plan', 'monitor'].includes(name))
        expect([name, ended.status, ended.stderr]).toEqual([name, 0, '']); // prettier-ignore
      else if (name !== 'kill') expectFault(ended, 2, /read-only/);
    }
    expect(lab.read('ran')).toBe('');
  });
});

describe('a full disk', () => {
  const FILL = 'head -c 10000000 /dev/zero > "$STATE/fill" 2> /dev/null; true';
  it('under the state folder: no share is given, what the ledger holds stays, and it works again with room', (context) => {
    const lab = makeLab();
    mkdirSync(lab.state);
    const { pid } = lab.hold();
    const spawn = (name: string): string => `$CM e spawn ${name} --pid ${pid} ${NEED.join(' ')}`;
    const ended = inMountSpace(
      context,
      lab,
      `mount -t tmpfs -o size=64k tmpfs "$STATE" && ${spawn('A')} > /dev/null && cp "$STATE/ledger.json" before
      ${FILL}
      ${spawn('B')} > out 2> err; echo "full $?"
      cmp before "$STATE/ledger.json" && echo same; ls -A "$STATE" | tr '\\n' ' '; echo
      rm "$STATE/fill"; ${spawn('B')} > /dev/null; echo "room $?"; grep -o '"key":"[^"]*"' "$STATE/ledger.json"`,
    );
    expect(ended.stdout).toBe('full 2\nsame\nfill ledger.json \nroom 0\n"key":"e/0/A"\n"key":"e/0/B"\n');
    expectFault(
      { status: 2, stderr: lab.read('err') },
      2,
      /the disk is full: free some space and call again \(ENOSPC\)/,
    );
  });

  it('under the project: kill ends the agent all the same, and says that nothing of it was written down', (context) => {
    const lab = makeLab();
    mkdirSync(join(lab.project, 'small'));
    const { pid } = lab.hold();
    const ended = inMountSpace(
      context,
      lab,
      `mount -t tmpfs -o size=64k tmpfs small && cd small && $CM e spawn A --pid ${pid} ${NEED.join(' ')} > /dev/null
      head -c 10000000 /dev/zero > fill 2> /dev/null; $CM e kill A --set memory_management.cleanup_timeout=1; echo "code $?"`,
    );
    expect(ended.stdout).toMatch(/^stream:e\/0\/A\nended:1\nleft:0\n[^]*code 0\n$/);
    expect(ended.stderr).toMatch(
      /^coordination-memory: not written down: cannot append to .*: the disk is full: .*\n$/,
    );
    expect([isRunning(pid), lab.leases()]).toEqual([false, []]);
  });

  it.each([
    ['the project', 'mount -t tmpfs -o size=512k tmpfs small && cd small && cp ../streams.yaml .', 'fill'],
    ['the state folder', 'mkdir -p "$STATE" && mount -t tmpfs -o size=64k tmpfs "$STATE" && cd small && cp ../streams.yaml .', '"$STATE/fill"'],
  ])('under %s during a run ends its agents, exits 2, and the record so far stands', (_, mount, fill, context?: unknown) => {
    const lab = makeLab();
    mkdirSync(join(lab.project, 'small'));
    streamsFile(lab, [
      { id: 'FIRST', command: 'echo x', memory: '10MB' },
      { id: 'LONG', command: 'sleep 1000', memory: '10MB' },
      { id: 'FULL', command: `head -c 10000000 /dev/zero > ${fill}; sleep 0.2`, memory: '10MB', depends_on: 'FIRST' },
      { id: 'AFTER', command: 'echo x >> ../after', memory: '10MB', depends_on: 'FULL' },
    ]);
    const ended = inMountSpace(
      context as TestContext,
      lab,
      `${mount} && $CM e run ${STREAMS.join(' ')} --set memory_management.cleanup_timeout=2 > ../out 2> ../err; echo "code $?"; ls -A "$STATE" > ../state; cut -f 10,12 .claude-pm/runs/e/joblog.tsv`,
    );
    expect(ended.stdout).toMatch(/^code 2\nKey\tOutcome\ne\/0\/FIRST\tdone\n/);
    expectFault({ status: 2, stderr: lab.read('err') }, 2, /the disk is full: free some space and call again/);
    expect([lab.read('after'), lab.processes(), lab.leases()]).toEqual(['', [], []]);
    expect(lab.read('state')).not.toMatch(/lock|tmp/);
    expect(existsSync(join(lab.project, '.claude-pm'))).toBe(false);
  }); // prettier-ignore
});
