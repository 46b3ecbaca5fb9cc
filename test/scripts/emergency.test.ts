/** Does memory-monitor emergency end all that the ledger owns, and nothing else, whatever state it finds? */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  isRunning,
  keyValues,
  makeLab,
  readJobs,
  ROOMY,
  streamsFile,
  waitFor,
  type Lab,
} from '../support/scripts.ts';

/** Sleeps in a grandchild that left the session, too; `stubborn` ignores TERM. */
const AGENT = ['sh', '-c', 'setsid sleep 1000 & sleep 1000'];
const STUBBORN = ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'];

const emergency = (lab: Lab, ...words: string[]) =>
  lab.run('memory-monitor', ['emergency', '--reason', 'the disk burns', '--grace', '300ms', ...words]);

describe('the table of calls', () => {
  it.each<[string[], number, RegExp]>([
    [['emergency'], 2, /needs --reason TEXT/],
    [['emergency', '--reason', 'x'.repeat(501)], 2, /--reason has 501 characters/],
    [['emergency', '--reason', 'x', '--grace', 'long'], 2, /--grace `long` is no duration/],
    [['emergency', '--raeson', 'x'], 2, /did you mean --reason\?/],
  ])('%j ends with %d', async (args, status, stderr) => {
    const run = await makeLab().run('memory-monitor', args);
    expect([run.status, run.stdout, run.stderr]).toEqual([status, '', expect.stringMatching(stderr)]);
  });

  it('opens the breaker also where nothing runs', async () => {
    const lab = makeLab();
    const run = await emergency(lab);
    expect([run.status, keyValues(run.stdout)]).toEqual([0, expect.objectContaining({ decision: 'nothing-ran', breaker: 'open', agents: '0' })]);
    const status = await lab.run('circuit-breaker', ['status']);
    expect([status.status, keyValues(status.stdout)['reason']]).toEqual([75, expect.stringMatching(/was opened by .*: emergency: the disk burns$/)]);
  }); // prettier-ignore
});

describe('with agents at work', () => {
  it('ends their whole trees, keeps evidence, and leaves clients, runs and strangers alone', async () => {
    const lab = makeLab();
    const stranger = lab.hold();
    const client = lab.hold();
    const claimed = lab.hold();
    const dead = lab.hold();
    const run = lab.start('coordination-memory', ['e', 'run', '--streams', streamsFile(lab, [{ id: 'A', issue: 1, command: AGENT }, { id: 'B', issue: 1, command: AGENT }]), '--json', ...ROOMY]);
    const spawn = (key: string, pid: number) => lab.run('coordination-memory', ['other', 'spawn', key, '--pid', String(pid), '--memory', '1MB', ...ROOMY]);
    expect((await spawn('1/C', claimed.pid)).status).toBe(0);
    expect((await spawn('1/D', dead.pid)).status).toBe(0);
    const inside = await lab.run('coordination-memory', ['other', 'spawn', '1/E', '--memory', '1MB', ...ROOMY], { env: { CLAUDE_PID: String(client.pid) } });
    expect(inside.status).toBe(0);
    dead.kill('SIGKILL');
    const ofRun = (): { pid: number }[] => lab.processes().filter(({ words }) => words === 'sleep 1000');
    await waitFor(() => ofRun().length === 4, 'both trees');

    const dry = await emergency(lab, '--dry-run');
    expect([dry.status, keyValues(dry.stdout)['would_stop']?.split('\n')]).toEqual([0, expect.objectContaining({ length: 3 })]);
    expect(ofRun()).toHaveLength(4);

    const ended = await emergency(lab);
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    const told = keyValues(ended.stdout);
    expect(told).toMatchObject({ decision: 'ended', breaker: 'open', left_processes: '0', agents: '3' });
    expect(told['stopped']?.split('\n').map((line) => line.split(' ')[0]).sort()).toEqual(['e/1/A', 'e/1/B', 'other/1/C']);
    expect(told['not_ended']).toBe(`other/1/E pid=${client.pid} it lives inside its client`);
    expect(told['run']).toMatch(new RegExp(`^pid=${run.pid} epic=e `));
    expect(ofRun()).toEqual([]);
    expect([stranger, client, claimed].map(({ pid }) => isRunning(pid))).toEqual([true, true, false]);

    const evidence = JSON.parse(readFileSync(told['evidence'] ?? '', 'utf8')) as { reason: string; agents: { lease: { key: string }; members: { command: string }[] }[] };
    expect(evidence.reason).toBe('the disk burns');
    const kept = evidence.agents.find(({ lease }) => lease.key === 'e/1/A');
    expect(kept?.members.map(({ command }) => command)).toContain('sleep 1000');
    await run.ended;
    const killed = ['killed-user', expect.stringMatching(/emergency: the disk burns/) as string];
    expect(readJobs(lab, 'e').map(({ outcome, reason }) => [outcome, reason])).toEqual([killed, killed]);
    expect(lab.leases().map(({ key }) => key)).toEqual(['other/1/E']);
    // Nothing starts any more, and a second emergency finds nothing to do.
    expect((await spawn('1/F', stranger.pid)).status).toBe(75);
    expect(keyValues((await emergency(lab)).stdout)['decision']).toBe('nothing-ran');
  }); // prettier-ignore

  it('gives way to an emergency that is under way, and ends also what ignores TERM', async () => {
    const lab = makeLab();
    const run = lab.start('coordination-memory', ['e', 'run', '--streams', streamsFile(lab, [{ id: 'A', issue: 1, command: STUBBORN }]), '--json', ...ROOMY]);
    await waitFor(() => lab.read('.claude-pm/runs/e/1-A/stdout.log') === 'ready\n', 'the stubborn agent');
    const both = await Promise.all([emergency(lab), emergency(lab)]);
    expect(both.map(({ status }) => status).sort()).toEqual([0, 75]);
    expect(both.find(({ status }) => status === 75)?.stderr).toMatch(/^memory-monitor: process \d+ is ending everything at this moment\n$/);
    await run.ended;
    expect(lab.processes()).toEqual([]);
  }); // prettier-ignore

  it('ends them also where nothing can be written, and does not claim that the breaker is open', async () => {
    const lab = makeLab();
    const claimed = lab.hold();
    expect((await lab.run('coordination-memory', ['e', 'spawn', '1/A', '--pid', String(claimed.pid), '--memory', '1MB', ...ROOMY])).status).toBe(0);
    // No file may grow by a byte: as on a full disk, and for root, too.
    const full = ['sh', '-c', 'ulimit -f 0; exec "$@"', 'sh', ...lab.words('memory-monitor')];
    const run = await lab.startFile([...full, 'emergency', '--reason', 'no space', '--grace', '300ms']).ended;
    expect([run.status, keyValues(run.stdout), isRunning(claimed.pid)]).toEqual([0, expect.objectContaining({ decision: 'ended', breaker: 'could-not-be-opened', agents: '1', left_processes: '0' }), false]);
    expect(run.stderr).toMatch(/cannot lock .*breaker\.lock: .*(.*\n)*.*cannot lock .*ledger\.lock/);
  }); // prettier-ignore

  it('opens the breaker and says so where the ledger is damaged, and signals nobody', async () => {
    const lab = makeLab();
    const held = lab.hold();
    expect((await lab.run('coordination-memory', ['e', 'spawn', '1/A', '--pid', String(held.pid), '--memory', '1MB', ...ROOMY])).status).toBe(0);
    writeFileSync(join(lab.state, 'ledger.json'), '{"version":1,');
    const run = await emergency(lab);
    expect([run.status, run.stderr]).toEqual([2, expect.stringMatching(/ledger\.json is damaged/)]);
    expect(isRunning(held.pid)).toBe(true);
    expect((await lab.run('circuit-breaker', ['status'])).status).toBe(75);
  }); // prettier-ignore
});
