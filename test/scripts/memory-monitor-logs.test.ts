/** Do `alerts`, `stats` and `checkpoint` of memory-monitor answer real calls as they should? */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { openGuardLog } from '../../lib/state/guard-log.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someMemory } from '../support/nouns.ts';
import { keyValues, makeLab, waitFor, type Lab } from '../support/scripts.ts';

const HOUR_MS = 3_600_000;
let lab: Lab;
beforeEach(() => {
  lab = makeLab();
});

const call = (...args: string[]) => lab.call('memory-monitor', args);
const logs = (): string => join(lab.project, '.claude-pm', 'logs', 'memory');
const checkpoint = (name: string): string =>
  join(lab.project, '.claude', 'logs', 'checkpoints', `${name}.log`);

/** Three alerts, 3, 2 and 1 hours old, and a torn line; four runs of two subprocesses. */
function fillLogs(): void {
  const log = openGuardLog(logs(), { self: readSelf(), isAlive }, (text) => {
    throw new Error(text);
  });
  const nowMs = Date.now();
  for (const [hours, level, subprocessId] of [
    [3, 'warning', 'shop/1/A'],
    [2, 'over', 'shop/1/A'],
    [1, 'critical', 'npm test'],
  ] as const) {
    const message = `${level.toUpperCase()}: Memory exceeded 1024MB at 1156.3MB`;
    log.alert({
      atMs: nowMs - hours * HOUR_MS,
      level,
      subprocessId,
      message,
      memory: someMemory(512.3 * MIB, 4 * GIB),
    });
  }
  appendFileSync(join(logs(), 'memory-alerts.log'), '{"timestamp":"2026-');
  for (const [hours, subprocessId, peakMb, aborted] of [
    [3, 'shop/1/A', 400, true],
    [2, 'shop/1/A', 100, false],
    [1, 'npm test', 900, false],
  ] as const) {
    log.stats([
      {
        atMs: nowMs - hours * HOUR_MS,
        subprocessId,
        startBytes: MIB,
        peakBytes: peakMb * MIB,
        endBytes: undefined,
        durationMs: hours * 1000,
        warnings: aborted ? ['one'] : [],
        aborted,
      },
    ]);
  }
}

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [['alerts'], 0, /^alerts:0\nskipped_lines:0\n$/, /^$/],
    [['alerts', '--json'], 0, /^\{"alerts":\[\],"skipped_lines":0\}\n$/, /^$/],
    [['alerts', 'x'], 2, /^$/, /no use for `x`/],
    [['alerts', '--levle', 'warning'], 2, /^$/, /no flag `--levle`; did you mean --level\?/],
    [['alerts', '--level', 'critcal'], 2, /^$/, /--level `critcal`: one of warning, critical, over; did you mean critical\?/],
    [['alerts', '--level', 'toString'], 2, /^$/, /one of warning, critical, over/],
    [['alerts', '--limit', '0'], 2, /^$/, /--limit `0` is no whole number from 1/],
    [['alerts', '--since', 'yesterday'], 2, /^$/, /--since `yesterday` is neither a duration nor a time; write 2h or/],
    [['alerts', '--since', '2026-02-31T25:00'], 2, /^$/, /is neither a duration nor a time/],
    [['alerts', '--since'], 2, /^$/, /--since needs a value: TIME/],
    [['alerts', '--project', '/no/such'], 2, /^$/, /is no folder/],
    [['stats'], 0, /^subprocesses:0\nruns:0\nskipped_lines:0\n$/, /^$/],
    [['stats', '--limit', '1'], 2, /^$/, /no flag `--limit`/],
    [['stats', '--since', '-1h'], 2, /^$/, /--since needs a value/],
    [['checkpoint'], 2, /^$/, /checkpoint needs AGENT/],
    [['checkpoint', '../x', 'y'], 2, /^$/, /"\.\.\/x" is no stream key/],
    [['checkpoint', '..', 'y'], 2, /^$/, /"\.\." is no agent name/],
    [['checkpoint', 'a/b/../c', 'y'], 2, /^$/, /is no stream key/],
    [['checkpoint', 'a', 'y', '--project', '/no/such'], 2, /^$/, /is no folder/],
    [['chekpoint', 'a'], 2, /^$/, /did you mean checkpoint\?/],
  ])('%j ends with %i', (args, status, stdout, stderr) => {
    const ended = call(...args);
    expect(ended.stdout).toMatch(stdout);
    expect(ended.stderr).toMatch(stderr);
    expect(ended.status).toBe(status);
    expect(existsSync(join(lab.project, '.claude'))).toBe(false);
  }); // prettier-ignore
});

describe('alerts', () => {
  const levels = (stdout: string): string[] =>
    (keyValues(stdout)['alert'] ?? '').split('\n').flatMap((line) => line.split(' ')[1] ?? []);

  it('are shown oldest first, with the torn line counted', () => {
    fillLogs();
    const { stdout, status } = call('alerts');
    expect(status).toBe(0);
    expect(keyValues(stdout)).toMatchObject({ alerts: '3', skipped_lines: '1' });
    expect(levels(stdout)).toEqual(['warning', 'over', 'critical']);
    expect(stdout).toMatch(
      /^alert:\S+Z over shop\/1\/A available_mb=512\.3 OVER: Memory exceeded 1024MB at 1156\.3MB$/m,
    );
  });

  it.each<[string[], string[]]>([
    [
      ['--level', 'critical'],
      ['over', 'critical'],
    ],
    [['--level', 'over'], ['over']],
    [
      ['--level', 'warning', '--limit', '2'],
      ['over', 'critical'],
    ],
    [
      ['--since', '150m'],
      ['over', 'critical'],
    ],
    [['--since', '30m'], []],
    [
      ['--since', '2020-01-01'],
      ['warning', 'over', 'critical'],
    ],
    [['--since', new Date(Date.now() + HOUR_MS).toISOString()], []],
    [['--limit', '1'], ['critical']],
  ])('with %j are %j', (args, expected) => {
    fillLogs();
    expect(levels(call('alerts', ...args).stdout)).toEqual(expected);
  });

  it('as JSON are the lines of the log', () => {
    fillLogs();
    const lines = readFileSync(join(logs(), 'memory-alerts.log'), 'utf8').split('\n').slice(0, 3);
    const { alerts } = JSON.parse(call('alerts', '--json').stdout) as { alerts: unknown[] };
    expect(alerts.map((alert) => JSON.stringify(alert))).toEqual(lines);
  });

  it('of another writer cannot forge a line', () => {
    fillLogs();
    const path = join(logs(), 'memory-alerts.log');
    writeFileSync(path, readFileSync(path, 'utf8').replace('OVER: ', 'x\\nalerts:99\\u2028'));
    const { stdout } = call('alerts');
    expect(stdout.split(/\n|\u2028/).filter((line) => line.startsWith('alerts:'))).toEqual(['alerts:3']);
  });
});

describe('stats', () => {
  it('sum up each subprocess, the largest first', () => {
    fillLogs();
    expect(call('stats').stdout).toBe(
      [
        'subprocesses:2',
        'runs:3',
        'skipped_lines:0',
        'subprocess:npm test runs=1 peak_mb=900 average_seconds=1 aborted=0 warnings=0',
        'subprocess:shop/1/A runs=2 peak_mb=400 average_seconds=2.5 aborted=1 warnings=1',
        '',
      ].join('\n'),
    );
  });

  it('take the runs that ended since the time that was asked for', () => {
    fillLogs();
    const { stdout } = call('stats', '--since', '150m', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      runs: 2,
      subprocesses: [
        { subprocess_id: 'npm test', runs: 1 },
        { subprocess_id: 'shop/1/A', runs: 1, peak_mb: 100, aborted: 0 },
      ],
    });
  });
});

describe('checkpoint', () => {
  it('appends its words, words behind -- too, and says where', () => {
    const first = call('checkpoint', 'backend', 'step', '3 done');
    expect(keyValues(first.stdout)).toEqual({ checkpoint: checkpoint('backend'), appended_bytes: '12' });
    expect(call('checkpoint', 'backend', '--', '- item', '--json').status).toBe(0);
    expect(readFileSync(checkpoint('backend'), 'utf8')).toBe('step 3 done\n- item --json\n');
    expect(statSync(checkpoint('backend')).mode & 0o777).toBe(0o600);
  });

  it('appends stdin where no words are given', async () => {
    const { status } = await lab.run('memory-monitor', ['checkpoint', 'shop/1/A'], { input: 'one\ntwo' });
    expect(status).toBe(0);
    expect(readFileSync(checkpoint('shop~1~A'), 'utf8')).toBe('one\ntwo\n');
    expect(call('checkpoint', 'empty').stdout).toContain('appended_bytes:0');
    expect(existsSync(checkpoint('empty'))).toBe(false);
  });

  it('of an agent that names itself goes to the file of its environment, wherever it stands', () => {
    const own = join(lab.project, 'elsewhere', 'own.log');
    const env = { CLAUDE_PM_KEY: 'shop/1/A', CLAUDE_PM_CHECKPOINT: own };
    lab.call('memory-monitor', ['checkpoint', 'shop/1/A', 'mine', '--project', '/no/such'], env);
    lab.call('memory-monitor', ['checkpoint', 'shop/1/B', 'theirs'], env);
    expect(readFileSync(own, 'utf8')).toBe('mine\n');
    expect(readFileSync(checkpoint('shop~1~B'), 'utf8')).toBe('theirs\n');
  });

  it('works where the settings are broken, and says what is in the way where it cannot write', () => {
    lab.write('.claude-pm.yaml', 'thresholds: [');
    expect(call('checkpoint', 'a', 'x').status).toBe(0);
    mkdirSync(checkpoint('b'), { recursive: true });
    const { status, stderr } = call('checkpoint', 'b', 'x');
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('it is a folder') as string,
    });
  });

  it.skipIf(!existsSync('/proc/self/status'))('takes 50 MB of stdin without growing by as much', async () => {
    const line = `${'x'.repeat(1023)}\n`;
    const smallMb = await peakMbAfter('small', line, 64);
    const bigMb = await peakMbAfter('big', line.repeat(64), 800);
    expect(statSync(checkpoint('big')).size).toBe(800 * 64 * 1024);
    expect(bigMb - smallMb).toBeLessThan(40);
  });
});

/** Writes so many pieces to `checkpoint`, and answers the largest resident size that it had when all of it was on disk. */
async function peakMbAfter(agent: string, piece: string, count: number): Promise<number> {
  const [program = '', ...words] = lab.words('memory-monitor');
  const child = spawn(program, [...words, 'checkpoint', agent], {
    cwd: lab.project,
    env: lab.env,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  for (let number = 0; number < count; number += 1)
    if (!child.stdin.write(piece)) await new Promise((resolve) => child.stdin.once('drain', resolve));
  const size = (): number => (existsSync(checkpoint(agent)) ? statSync(checkpoint(agent)).size : 0);
  await waitFor(() => size() === piece.length * count, 'all lines in the file');
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  child.stdin.end();
  expect(await ended).toBe(0);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
