/** Are the faults gone that every ancestor of this program had? Each of these tests fails on what one of them did. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Lease } from '../../lib/model.ts';
import {
  eventsOf,
  isRunning,
  keyValues,
  makeLab,
  ONCE,
  readJobs,
  ROOMY,
  streamsFile,
  waitFor,
  type Lab,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const MIB = 1024 ** 2;

/** A Node program of somebody else's, with "claude" in its command line; it writes down every signal that it gets. */
async function startStranger(lab: Lab, mb = 1): Promise<number> {
  const program = `
    const { appendFileSync } = require('node:fs');
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGCONT'])
      process.on(signal, () => appendFileSync('signals', signal + ' '));
    const held = Buffer.alloc(${mb} * 2 ** 20, 1);
    appendFileSync('stranger', 'up');
    setInterval(() => held.length, 1000);`;
  const child = spawn(process.execPath, ['-e', program, 'claude', 'agent', 'coordination-memory'], { cwd: lab.project, env: { PATH: process.env['PATH'] }, stdio: 'ignore' }); // prettier-ignore
  onTestFinished(() => void child.kill('SIGKILL'));
  await waitFor(() => lab.read('stranger') === 'up', 'the stranger');
  return child.pid ?? 0;
}

/** A process of this boot that has ended. */
function deadOne(): NonNullable<Lease['owner']> {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const pidNamespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
  return { bootId, pidNamespace, pid: 4_194_303, startTicks: 1 };
}

/** Writes leases by hand, as a run that died long ago could have left them. */
function leaveLeases(lab: Lab, leases: readonly Partial<Lease>[]): void {
  const dead = deadOne();
  const whole = leases.map((lease, n) => ({
    id: `lease${n}`,
    role: 'agent',
    owner: dead,
    runner: dead,
    project: lab.project,
    epic: 'e',
    key: `e/0/S${n}`,
    kind: 'shell',
    estimateBytes: MIB,
    baseBytes: 0,
    sinceMs: 1,
    renewedMs: Date.now(),
    state: 'running',
    ...lease,
  }));
  mkdirSync(lab.state, { recursive: true, mode: 0o700 });
  writeFileSync(join(lab.state, 'ledger.json'), JSON.stringify({ version: 1, leases: whole }));
}

/** The boot, namespace and start of a living process, as a lease names them. */
async function identityOf(lab: Lab, pid: number): Promise<NonNullable<Lease['owner']>> {
  await lab.run(NAME, ['probe', 'spawn', 'X', '--pid', String(pid), '--memory', '1MB', ...ROOMY]);
  const owner = lab.leases().at(-1)?.owner;
  if (owner === undefined) throw new Error('no lease was given');
  return owner;
}

describe('clean-up, which once sent SIGUSR2 and then killed every Node process', () => {
  it('leaves strangers alone, also one whose pid a dead agent had', async () => {
    const lab = makeLab();
    const pid = await startStranger(lab);
    const now = await identityOf(lab, pid);
    const elsewhere = { ...deadOne(), pidNamespace: '1' };
    // The agent had this pid before the stranger; another died on another boot; a third one is an announced sub-agent; a
    // fourth one ran in a container of which nothing was heard for long.
    leaveLeases(lab, [
      { owner: { ...now, startTicks: now.startTicks - 1 } },
      { owner: { ...now, bootId: '00000000-0000-0000-0000-000000000000' } },
      { owner: now, role: 'subagent', runner: undefined, expiresMs: 1 },
      { owner: elsewhere, runner: elsewhere, renewedMs: 1 },
    ]);
    for (const [script, args] of [
      [NAME, ['e', 'kill', 'S0']],
      [NAME, ['e', 'cleanup']],
      ['memory-monitor', ['cleanup']],
    ] as const) {
      const ended = await lab.run(script, args);
      expect([script, ended.status, ended.stderr]).toEqual([script, 0, '']);
    }
    expect([isRunning(pid), lab.read('signals'), lab.leases()]).toEqual([true, '', []]);
  });

  it('does not end a process that only asked for a share, when that share is given back', async () => {
    const lab = makeLab();
    const pid = await startStranger(lab);
    const words = ['e', 'spawn', 'A', '--memory', '1MB', ...ROOMY];
    await lab.run(NAME, words, { env: { CLAUDE_PID: String(pid) } });
    expect(lab.leases()).toHaveLength(1);
    expect((await lab.run(NAME, ['e', 'complete', 'A'])).status).toBe(0);
    await lab.run(NAME, words, { env: { CLAUDE_PID: String(pid) } });
    const kill = await lab.run(NAME, ['e', 'kill', 'A']);
    expect([kill.status, kill.stderr]).toEqual([0, expect.stringContaining('only its share was given back')]);
    expect([isRunning(pid), lab.read('signals'), lab.leases()]).toEqual([true, '', []]);
  });
});

describe('counting, which once went by a pattern and subtracted what runs twice', () => {
  it('takes no editor with "claude" in its command line for an agent', async () => {
    const lab = makeLab();
    await startStranger(lab);
    expect(keyValues((await lab.run(NAME, ['e', 'assess'])).stdout)['running_agents']).toBe('0');
    expect(keyValues((await lab.run(NAME, ['e', 'monitor'])).stdout)).toEqual({ epic: 'e', agents: '0' });
  });

  it('holds back for a running agent only what it has not taken yet', async () => {
    const lab = makeLab();
    const pid = await startStranger(lab, 120);
    const assess = async (): Promise<Record<string, string>> =>
      keyValues((await lab.run(NAME, ['e', 'assess', '8', '--memory', '200MB', '--budget', '1400MB', ...ROOMY])).stdout); // prettier-ignore
    expect(await assess()).toMatchObject({ running_agents: '0', promised_mb: '0', spawn_capacity: '7' });
    await lab.run(NAME, ['e', 'spawn', 'A', '--pid', String(pid), '--memory', '200MB', ...ROOMY]);
    const after = await assess();
    // It has 120 MB and its own 10 of the 200: the rest of some 70 is promised, and one place of seven is taken, not two.
    expect(after).toMatchObject({ running_agents: '1', spawn_capacity: '6' });
    expect(Number(after['promised_mb'])).toBeGreaterThan(30);
    expect(Number(after['promised_mb'])).toBeLessThan(80);
  });
});

describe('the monitor, which once measured itself', () => {
  it('records what each agent holds: more than us for a large one, less for a small one', async () => {
    const lab = makeLab();
    lab.write('hold.cjs', 'const held = Buffer.alloc(150 * 2 ** 20, 1); setTimeout(() => held.length, 800);');
    streamsFile(lab, [
      { id: 'LARGE', command: [process.execPath, 'hold.cjs'], memory: '250MB' },
      { id: 'SMALL', command: 'sleep 0.8', memory: '10MB' },
    ]);
    const ended = await lab.run(NAME, ['e', 'run', '--streams', 'streams.yaml', ...ROOMY, '--json']);
    expect(ended.status).toBe(0);
    const peakMb = Object.fromEntries(eventsOf(ended.stdout, 'end').map(({ result }) => [result.key, (result.peakBytes ?? NaN) / MIB])); // prettier-ignore
    expect(peakMb['e/0/LARGE']).toBeGreaterThan(150);
    expect(peakMb['e/0/LARGE']).toBeLessThan(250);
    expect(peakMb['e/0/SMALL']).toBeGreaterThan(0);
    expect(peakMb['e/0/SMALL']).toBeLessThan(10);
  });

  it('really stops one that is over its limit, where an abort once only set a flag', async () => {
    const lab = makeLab();
    lab.write('hold.cjs', 'const held = Buffer.alloc(150 * 2 ** 20, 1); setTimeout(() => { require("fs").writeFileSync("survived", held.subarray(0, 1)); }, 5000);'); // prettier-ignore
    streamsFile(lab, [{ id: 'A', command: [process.execPath, 'hold.cjs'], memory: '50MB', limit: '100MB' }]);
    const ended = await lab.run(NAME, ['e', 'run', '--streams', 'streams.yaml', ...ROOMY, ...ONCE]);
    expect([ended.status, lab.read('survived'), lab.processes()]).toEqual([30, '', []]);
    expect(readJobs(lab, 'e')[0]?.outcome).toBe('killed-limit');
  });
});

describe('a command substitution, which once never returned', () => {
  it.each<[string, RegExp]>([
    ['e run --streams streams.yaml --dry-run', /^epic:e\nstreams:1\n/],
    ['e spawn A --memory 1MB', /^decision:admit\n/],
    ['e spawn A --pid $PPID --memory 1MB', /^decision:admit\n/],
    // Its agent leaves a process behind that would hold the pipe, were it the run's own.
    ['e run --streams streams.yaml --set memory_management.cleanup_timeout=1', /exit_code:0$/],
  ])('of `%s` returns with the answer', (words, answer) => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: '(setsid sleep 1000 &) ; exit 0', memory: '1MB' }]);
    const [node = '', script = ''] = lab.words(NAME);
    const ended = lab.shell('sh', `x=$('${node}' '${script}' ${words} ${ROOMY.join(' ')}); echo "$x"`);
    expect([ended.status, ended.signal, ended.stderr]).toEqual([0, null, '']);
    expect(ended.stdout.trimEnd()).toMatch(answer);
  });
});

describe('no room, which once was answered with batch_size:0', () => {
  it('is exit 75 without a batch size, and with nothing running there is room for one', async () => {
    const lab = makeLab();
    const batch = ['e', 'batch', '3', '--memory', '50MB', '--budget', '20MB', ...ROOMY];
    const alone = await lab.run(NAME, batch);
    expect([alone.status, keyValues(alone.stdout)]).toEqual([0, expect.objectContaining({ batch_size: '1', batches: '3', strategy: 'sequential' })]); // prettier-ignore

    await lab.run(NAME, ['e', 'spawn', 'A', '--pid', String(lab.hold().pid), '--memory', '20MB', ...ROOMY]);
    const none = await lab.run(NAME, batch);
    expect(none.status).toBe(75);
    expect(none.stdout).not.toMatch(/batch_size/);
    expect(keyValues(none.stdout)).toMatchObject({ spawn_capacity: '0', limited_by: 'budget' });
    const json = JSON.parse((await lab.run(NAME, [...batch, '--json'])).stdout) as Record<string, unknown>;
    expect(json).not.toHaveProperty('batchSize');
  });
});
