/** Does start-coordinator prepare a shell with nothing but code, and run a coordinator as if it were in its place? */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Lease } from '../../lib/model.ts';
import { callSource, hasShell, makeWorld, type World } from '../support/call-script.ts';

let world: World;
let children: ChildProcess[] = [];
beforeEach(() => {
  world = makeWorld("it's a project");
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  world.remove();
});

const SET = ['--set', 'node_options.coordinator_heap_size=1024'];
const start = (args: readonly string[], env?: NodeJS.ProcessEnv) =>
  world.call('start-coordinator', args, env);

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['--shel=sh'], 2, /^$/, /no flag `--shel`; did you mean --shell\?/],
    [['--shell=csh'], 2, /^$/, /one of sh, bash, zsh, fish/],
    [['--set', 'node_options.coordinator_heap_size=9x'], 2, /^$/, /coordinator_heap_size/],
    [['--project', '/no/such'], 2, /^$/, /is no folder/],
    [['--', 'no-such-program', '--help'], 127, /^$/, /`no-such-program`: not found in PATH/],
    [['--', './nothing'], 127, /^$/, /not found/],
    [['--', '/'], 126, /^$/, /not a file/],
    [['--help'], 0, /-- CMD ARGS/, /^$/],
    [['--', 'sh', '-c', 'exit 7'], 7, /^$/, /native binary/],
    [['--', 'sh', '-c', 'kill -9 $$'], 137, /^$/, /native binary/],
    [['--', 'sh', '-c', 'echo "$1 $2"', 'x', '--help', 'a  b'], 0, /^--help a {2}b\n$/, /native binary/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    // A folder of PATH that may not be read would count as a program that may not be executed.
    const run = start(args, { PATH: '/usr/bin:/bin' });
    expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
    expect(run.stdout).toMatch(stdout);
  });

  it('answers the same from its sources', () => {
    expect(callSource(world, 'start-coordinator', SET).stdout).toBe(start(SET).stdout);
  });

  it('tells a file that may not be executed from one that is not there', () => {
    const file = join(world.project, 'tool');
    writeFileSync(file, '#!/bin/sh\n');
    chmodSync(file, 0o644);
    expect(start(['--', './tool']).status).toBe(126);
  });
});

describe('for eval', () => {
  it.for(['dash', 'bash', 'zsh'])(
    'sets the environment in %s and prints nothing but code',
    (shell, context) => {
      if (!hasShell(shell)) context.skip(`${shell} is not installed here`);
      const [node = '', script = ''] = world.words('start-coordinator');
      const line = `eval "$('${node}' '${script}' --shell=sh ${SET.join(' ')})"; '${node}' -p 'process.env.CLAUDE_PM_ENV + v8.getHeapStatistics().heap_size_limit / 2 ** 20'`;
      const run = world.shell(shell, line);
      expect([run.status, run.stderr]).toEqual([0, '']);
      expect(Number(/^coordinator(\d+)\n$/.exec(run.stdout)?.[1])).toBeLessThan(1024 + 250);
      for (const code of start(SET).stdout.trimEnd().split('\n'))
        expect(code).toMatch(/^export [A-Z_]+='[^']*'$/);
    },
  );

  it('returns at once and leaves no process that holds the pipe', () => {
    // A command substitution waits for everybody who has the pipe: a process left behind would hang this until the limit.
    const [node = '', script = ''] = world.words('start-coordinator');
    const run = world.shell('sh', `x=$('${node}' '${script}'); echo "$x" | grep -c NODE_OPTIONS=`);
    expect([run.status, run.signal, run.stdout]).toEqual([0, null, '2\n']);
  });

  it('prints nothing on stdout where the settings are damaged', () => {
    writeFileSync(
      join(world.project, '.claude-pm.yaml'),
      'node_options:\n  coordinator_heap_size: "$(touch executed)"\n',
    );
    const run = start([]);
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain('.claude-pm.yaml:2 node_options.coordinator_heap_size');
    expect(existsSync(join(world.project, 'executed'))).toBe(false);
  });
});

describe('in the foreground', () => {
  it('gives the coordinator its environment', () => {
    const print = 'console.log(process.env.CLAUDE_PM_ENV, process.env.CLAUDE_PM_HEAP_MB, typeof gc)';
    const run = start([...SET, '--', process.execPath, '-e', print], { NODE_OPTIONS: '--no-warnings' });
    expect([run.stdout, run.stderr]).toEqual(['coordinator 1024 function\n', '']);
  });

  /** Starts in the background and waits until the coordinator has made its file `ready`. */
  async function background(script: string): Promise<{ child: ChildProcess; ended: Promise<number | null> }> {
    const [node = '', ...words] = world.words('start-coordinator');
    const child = spawn(node, [...words, '--', 'sh', '-c', script], {
      cwd: world.project,
      env: world.env,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    children.push(child);
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    await until(() => existsSync(join(world.project, 'ready')));
    return { child, ended };
  }

  async function until(isSo: () => boolean): Promise<void> {
    for (let tries = 0; tries < 1000; tries += 1) {
      if (isSo()) return;
      await wait(20);
    }
    throw new Error('it never came to be');
  }

  const leases = (): Lease[] => {
    const path = join(world.state, 'ledger.json');
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { leases: Lease[] }).leases : [];
  };

  const SLEEP = 'while :; do sleep 0.05; done';

  it.each([
    ['SIGTERM', 'TERM', 41],
    ['SIGINT', 'INT', 42],
    ['SIGHUP', 'HUP', 43],
    ['SIGQUIT', 'QUIT', 44],
    ['SIGUSR1', 'USR1', 45],
    ['SIGUSR2', 'USR2', 46],
  ] as const)('hands %s on and ends with the coordinator’s own code', async (signal, name, code) => {
    const { child, ended } = await background(`trap 'exit ${code}' ${name}; echo > ready; ${SLEEP}`);
    child.kill(signal);
    expect(await ended).toBe(code);
  });

  it('ends with 128 + n where the coordinator lets the signal kill it', async () => {
    const { child, ended } = await background(`echo > ready; ${SLEEP}`);
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
  });

  it('has a lease for the coordinator’s own process, for as long as it lives', async () => {
    const { child, ended } = await background(`trap 'exit 0' TERM; echo $$ > pid; echo > ready; ${SLEEP}`);
    await until(() => leases().length === 1);
    expect(leases()[0]).toMatchObject({
      role: 'coordinator',
      project: world.project,
      state: 'running',
      owner: { pid: Number(readFileSync(join(world.project, 'pid'), 'utf8')) },
      runner: { pid: child.pid },
    });
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(leases()).toEqual([]);
  });

  it('leaves the lease to a coordinator that outlives it', async () => {
    const { child, ended } = await background(`echo $$ > pid; echo > ready; ${SLEEP}`);
    await until(() => leases().length === 1);
    child.kill('SIGKILL');
    await ended;
    const pid = Number(readFileSync(join(world.project, 'pid'), 'utf8'));
    try {
      expect(leases().map(({ owner }) => owner?.pid)).toEqual([pid]);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  it('does not start beside a ledger that it cannot read, and leaves that as it is', () => {
    mkdirSync(world.state);
    writeFileSync(join(world.state, 'ledger.json'), '{"torn');
    const run = start(['--', 'sh', '-c', 'echo started']);
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(/is damaged/);
    expect(readFileSync(join(world.state, 'ledger.json'), 'utf8')).toBe('{"torn');
  });
});
