/** Does circuit-breaker say what the machine lets start, hold by hand what it is told to, and start a command as if it were not there? */
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { BreakerState } from '../../lib/model.ts';
import { CLOSED } from '../../lib/policy/breaker.ts';
import { breakerText } from '../../lib/state/breaker.ts';
import { breakerPath } from '../../lib/state/paths.ts';
import { callSource } from '../support/call-script.ts';
import { ROOMY, keyValues, makeLab, waitFor, type Lab } from '../support/scripts.ts';

/** A breaker without a floor, however little memory the machine has. */
const NO_FLOOR = ['--set', 'circuit_breaker.available_mb=0'];
const DUE: BreakerState = { ...CLOSED, phase: 'open', sinceMs: 5, openMs: 7, rounds: 1, reason: 'r' };

function put(lab: Lab, state: BreakerState): void {
  mkdirSync(lab.state, { recursive: true });
  writeFileSync(breakerPath(lab.state), breakerText(state));
}
const call = (lab: Lab, ...args: string[]) =>
  lab.call('circuit-breaker', [...args.slice(0, 1), ...NO_FLOOR, ...args.slice(1)]);
const state = (lab: Lab): string | undefined => keyValues(call(lab, 'status').stdout)['state'];

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: status, open, close, run/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['statsu'], 2, /^$/, /did you mean status\?/],
    [['--help'], 0, /status[^]*open[^]*close[^]*run/, /^$/],
    [['--version'], 0, /^circuit-breaker \d/, /^$/],
    [['status', 'x'], 2, /^$/, /has no use for `x`/],
    [['status', '--', 'x'], 2, /^$/, /takes nothing behind `--`/],
    [['status'], 0, /^state:closed\nfailure_count:0\nfailures_to_open:3\nopenings_in_a_row:0\n$/, /^$/],
    [['open', '--for', 'soon'], 2, /^$/, /is no duration/],
    [['open', '--for', '0'], 2, /^$/, /--for must be more than 0/],
    [['open', '--for', '9999d'], 2, /^$/, /at most 366d/],
    [['open', '--until', '9'], 2, /^$/, /no flag `--until`/],
    [['open', '--reason', 'x'.repeat(501)], 2, /^$/, /501 characters/],
    [['open'], 0, /^state:open\nreason:the circuit breaker was opened by .+@.+, until it is closed\n/, /^$/],
    [['close'], 0, /^state:closed\n/, /^$/],
    [['run'], 2, /^$/, /needs a command behind `--`/],
    [['run', 'true'], 2, /^$/, /has no use for `true`/],
    [['run', '--', 'true'], 0, /^$/, /^$/],
    [['run', '--', 'sh', '-c', 'exit 7'], 7, /^$/, /^$/],
    [['run', '--', 'sh', '-c', 'kill -9 $$'], 137, /^$/, /^$/],
    [['run', '--', 'no-such-program'], 127, /^$/, /ENOENT/],
    [['run', '--', 'sh', '-c', 'echo "$1 $2"; echo bad >&2', 'x', '--help', 'a  b'], 0, /^--help a {2}b\n$/, /^bad\n$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const ended = makeLab().call('circuit-breaker', args, { PATH: '/usr/bin:/bin', CLAUDE_PM_CIRCUIT_BREAKER_AVAILABLE_MB: '0' });
    expect([ended.status, ended.stderr]).toEqual([status, expect.stringMatching(stderr)]);
    expect(ended.stdout).toMatch(stdout);
  }); // prettier-ignore

  it('answers the same from its sources', () => {
    const lab = makeLab();
    call(lab, 'open', '--reason', 'restore');
    const cut = (text: string): string => text.replace(/[\d.]+(ms|s) ago/, '');
    expect(cut(callSource(lab, 'circuit-breaker', ['status', ...NO_FLOOR]).stdout)).toBe(
      cut(call(lab, 'status').stdout),
    );
  });
});

describe('opened by hand', () => {
  it('refuses commands, spawns and checks with 75, and says who, why and when to ask again, until it is closed', () => {
    const lab = makeLab();
    expect(call(lab, 'open', '--for', '10m', '--reason', 'restore\nof: the\u001b[2J shop').status).toBe(0);

    const run = call(lab, 'run', '--', 'touch', 'started');
    expect(run.status).toBe(75);
    const said = keyValues(run.stdout);
    expect(said).toMatchObject({ decision: 'wait', limited_by: 'breaker', state: 'open' });
    expect(said['reason']).toMatch(
      /^the circuit breaker was opened by \S.*@\S+ .*: restore of: the \[2J shop$/,
    );
    expect(Number(said['retry_after_seconds'])).toBeGreaterThan(500);
    expect(run.stderr).toContain('the circuit breaker was opened by');
    expect(existsSync(join(lab.project, 'started'))).toBe(false);

    const spawn = lab.call('coordination-memory', ['shop', 'spawn', '1/A', ...ROOMY, '--memory', '1MB']);
    expect([spawn.status, keyValues(spawn.stdout)]).toMatchObject([
      75,
      { decision: 'wait', limited_by: 'breaker' },
    ]);
    expect(Number(keyValues(spawn.stdout)['retry_after_seconds'])).toBeGreaterThan(500);
    expect(lab.leases()).toEqual([]);

    const check = lab.call('memory-monitor', ['check']);
    expect([check.status, keyValues(check.stdout)['circuit_breaker']]).toEqual([75, 'open']);
    const health = JSON.parse(lab.call('memory-monitor', ['health', '--json']).stdout) as object;
    expect(health).toMatchObject({ circuit_breaker: { state: 'open', failure_count: 0 } });

    expect(call(lab, 'close').status).toBe(0);
    expect(existsSync(breakerPath(lab.state))).toBe(false);
    expect(call(lab, 'run', '--', 'touch', 'started').status).toBe(0);
    expect(existsSync(join(lab.project, 'started'))).toBe(true);
  });

  it('is as it was when its time is over', () => {
    const lab = makeLab();
    call(lab, 'open', '--for', '1ms');
    expect(state(lab)).toBe('closed');
    expect(call(lab, 'run', '--', 'true').status).toBe(0);
    expect(existsSync(breakerPath(lab.state))).toBe(false);
  });

  it('prints what it decided as one JSON document', () => {
    const lab = makeLab();
    call(lab, 'open');
    const run = call(lab, 'run', '--json', '--', 'true');
    expect(JSON.parse(run.stdout)).toMatchObject({ decision: 'wait', limited_by: 'breaker', state: 'open' });
    expect(JSON.parse(call(lab, 'status', '--json').stdout)).toMatchObject({
      state: 'open',
      failure_count: 0,
    });
  });
});

describe('the probe', () => {
  it.each<[string, string[], string]>([
    ['closes it when it ended well', ['true'], 'closed'],
    ['closes it when it failed by its own error: the machine bore it', ['false'], 'closed'],
    ['tells nothing when it was killed and nobody knows why', ['sh', '-c', 'kill -9 $$'], 'half-open'],
    ['tells nothing when it could not be started', ['no-such-program'], 'half-open'],
  ])('%s', (_, words, after) => {
    const lab = makeLab();
    put(lab, DUE);
    expect(call(lab, 'status').status).toBe(20);
    call(lab, 'run', '--', ...words);
    expect(state(lab)).toBe(after);
  });

  it('is the only one while it runs, gets its signals, and one of a killed runner frees the place', async () => {
    const lab = makeLab();
    put(lab, DUE);
    const words = [
      'run',
      ...NO_FLOOR,
      '--',
      'sh',
      '-c',
      'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done',
    ];
    const first = lab.start('circuit-breaker', words);
    await waitFor(() => first.stdout() === 'up\n', 'the probe');
    const status = call(lab, 'status');
    expect([status.status, keyValues(status.stdout)]).toMatchObject([
      75,
      { state: 'half-open', probe_pid: String(first.pid) },
    ]);
    expect(call(lab, 'run', '--', 'true').status).toBe(75);
    process.kill(first.pid, 'SIGTERM');
    expect((await first.ended).status).toBe(9);
    expect(state(lab)).toBe('closed');

    put(lab, DUE);
    const second = lab.start('circuit-breaker', words);
    await waitFor(() => second.stdout() === 'up\n', 'the probe');
    expect(call(lab, 'run', '--', 'true').status).toBe(75);
    second.child.kill('SIGKILL');
    await waitFor(() => state(lab) === 'half-open' && call(lab, 'status').status === 20, 'the free place');
    expect(call(lab, 'run', '--', 'true').status).toBe(0);
  });

  it('is given back by a spawn that admission refuses, and stays with the process of one that it admits', () => {
    const lab = makeLab();
    put(lab, DUE);
    const spawn = (...args: string[]) =>
      lab.call('coordination-memory', ['shop', 'spawn', ...args, ...ROOMY, ...NO_FLOOR]);
    expect(spawn('1/A', '--memory', '900GB').status).toBe(30);
    expect(call(lab, 'status').status).toBe(20);

    const holder = lab.hold();
    expect(spawn('1/A', '--memory', '1MB', '--pid', String(holder.pid)).status).toBe(0);
    expect(keyValues(call(lab, 'status').stdout)).toMatchObject({
      state: 'half-open',
      probe: lab.leases()[0]?.id,
      probe_pid: String(holder.pid),
    });
    const second = spawn('1/B', '--memory', '1MB');
    expect([second.status, keyValues(second.stdout)['limited_by']]).toEqual([75, 'breaker']);
  });
});

test('below its floor it opens at the next start, and says so before', () => {
  const lab = makeLab();
  const low = ['--set', 'circuit_breaker.available_mb=1048576'];
  const status = lab.call('circuit-breaker', ['status', ...low]);
  expect([status.status, keyValues(status.stdout)['below_floor']]).toEqual([
    0,
    expect.stringMatching(/^only .* available/),
  ]);
  expect(lab.call('circuit-breaker', ['run', ...low, '--', 'true']).status).toBe(75);
  expect(state(lab)).toBe('open');
  expect(lab.call('circuit-breaker', ['close', ...low]).stderr).toMatch(/will open it again/);
});

test('a damaged state file refuses work for the recovery time, and is kept', () => {
  const lab = makeLab();
  put(lab, CLOSED);
  writeFileSync(breakerPath(lab.state), 'garbage');
  const run = call(lab, 'run', '--', 'true');
  expect(run.status).toBe(75);
  const kept = /kept as (\S+)$/m.exec(keyValues(run.stdout)['reason'] ?? '')?.[1] ?? '';
  expect(readFileSync(kept, 'utf8')).toBe('garbage');
  expect(Number(keyValues(run.stdout)['retry_after_seconds'])).toBeLessThanOrEqual(36);
});

test('a state file of a newer version is refused with 2 and left alone', () => {
  const lab = makeLab();
  put(lab, CLOSED);
  writeFileSync(breakerPath(lab.state), '{"version":9}');
  const run = call(lab, 'run', '--', 'true');
  expect([run.status, run.stderr]).toEqual([2, expect.stringMatching(/newer version/)]);
  expect(readFileSync(breakerPath(lab.state), 'utf8')).toBe('{"version":9}');
});

test('a command that the kernel kills for want of memory counts, and the wrapped code passes through', (context) => {
  const group = makeGroup(64 * 1024 ** 2);
  if (group === undefined) {
    context.skip('no memory controller (cgroup v1 or v2) that this user may use');
    return;
  }
  const lab = makeLab();
  try {
    const eat = 'const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))';
    const line = `echo $$ > '${group}/cgroup.procs' && exec '${process.execPath}' -e '${eat}'`;
    const run = call(lab, 'run', '--set', 'circuit_breaker.failures=1', '--', 'sh', '-c', line);
    expect([run.status, run.stderr]).toEqual([
      137,
      expect.stringMatching(/the kernel killed for want of memory/),
    ]);
    expect(state(lab)).toBe('open');
  } finally {
    rmdirSync(group);
  }
});

/** A cgroup that may hold this much; undefined where we may make none. */
function makeGroup(bytes: number): string | undefined {
  const name = `breaker-test-${process.pid}`;
  const places = [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ] as const;
  for (const [root, limit] of places) {
    const dir = join(root, name);
    try {
      accessSync(root, constants.W_OK);
      mkdirSync(dir);
    } catch {
      continue;
    }
    try {
      if (!existsSync(join(dir, limit))) throw new Error('no memory controller');
      writeFileSync(join(dir, limit), String(bytes));
      execFileSync('sh', ['-c', 'echo $$ > "$1/cgroup.procs"', 'sh', dir], { stdio: 'ignore' });
      return dir;
    } catch {
      rmdirSync(dir);
    }
  }
  return undefined;
}
