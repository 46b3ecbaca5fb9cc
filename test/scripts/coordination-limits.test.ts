/** Is memory promised before it is used, and is the one that takes more stopped as a whole, with the evidence written first? */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  eventsOf,
  isRunning,
  keyValues,
  makeLab,
  mostAtOnce,
  readJobs,
  ONCE,
  ROOMY,
  runLines,
  streamsFile,
  waitFor,
  type Lab,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const GRACE = ['--set', 'memory_management.cleanup_timeout=1'];
const STREAMS = ['--streams', 'streams.yaml', ...ROOMY, ...GRACE, ...ONCE];
const MIB = 1024 ** 2;

/** A program that grows by steps to so many MB above its start, then waits for `go` (or, with `end`, ends). */
const GROW = `
const [mb, ms, then] = process.argv.slice(2);
const held = [];
const steps = Math.ceil(mb / 5);
const grow = () => {
  if (held.length < steps) { held.push(Buffer.alloc(5 * 2 ** 20, 1)); setTimeout(grow, ms / steps); }
  else if (then !== 'end') setInterval(() => held.length, 1000);
};
grow();
`;

const residentBytes = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
  } catch {
    return 0;
  }
};

describe('twelve jobs that ramp up, with a budget for four', () => {
  it('are never more than four at once and never over the budget, though each looks small when the next could start', async () => {
    const lab = makeLab();
    lab.write('grow.cjs', GROW);
    const estimateMb = 200;
    const budgetMb = 4 * estimateMb;
    streamsFile(lab, Array.from({ length: 12 }, (_, n) => ({ id: `S${n}`, command: [process.execPath, 'grow.cjs', '100', '1500', 'end'], memory: `${estimateMb}MB`, limit: '400MB' }))); // prettier-ignore
    const run = lab.start(NAME, ['e', 'run', ...STREAMS, '--json', '--budget', `${budgetMb}MB`, '--set', 'memory_management.max_concurrent_agents=12']); // prettier-ignore
    let over = false;
    void run.ended.finally(() => (over = true));
    let highest = 0;
    await waitFor(
      () => {
        const pids = eventsOf(run.stdout(), 'start').map(({ pid }) => pid);
        const bytes = pids.map(residentBytes).reduce((sum, one) => sum + one, 0);
        highest = Math.max(highest, bytes);
        return over;
      },
      'the end of the run',
      50_000,
    );
    const ended = await run.ended;
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    const jobs = readJobs(lab, 'e');
    expect([jobs.length, mostAtOnce(jobs)]).toEqual([12, 4]);
    const [summary] = eventsOf(ended.stdout, 'summary');
    expect(summary?.summary.highestAgents).toBe(4);
    // They did ramp: together the four held far more than when the next ones could have started.
    expect(highest / MIB).toBeGreaterThan(4 * 100);
    expect(highest / MIB).toBeLessThanOrEqual(budgetMb);
    expect((summary?.summary.highestBytes ?? 0) / MIB).toBeLessThanOrEqual(budgetMb);
    const waits = eventsOf(ended.stdout, 'wait');
    expect(waits.length).toBeGreaterThan(0);
    for (const { binding, shortByBytes } of waits)
      expect([binding, shortByBytes]).toEqual(['budget', estimateMb * MIB]);
  }, 60_000);
});

describe('an agent over its limit', () => {
  /**
   * A parent that ignores TERM, with a child that is forked twice into a session of its own, ignores TERM as well, and takes
   * off our tag after it has been seen for longer than the time between two scans of all processes.
   */
  const STUBBORN = [
    "trap '' TERM INT HUP",
    `(setsid sh -c 'sleep 1.4; exec env -i PATH="$PATH" sh -c "echo \\$\\$ > stray; while :; do sleep 0.1; done"' < /dev/null > /dev/null 2>&1 &)`,
    'echo $$ > root',
    'while [ ! -s stray ]; do sleep 0.05; done',
    'sleep 0.5',
    'exec NODE grow.cjs 200 1500 stay',
  ].join('\n');

  it('is warned, then stopped with its whole tree, the evidence written before, and the run ends with 30', async () => {
    const lab = makeLab();
    // Node resets ignored signals only where it handles them: this one ignores TERM from its very start.
    lab.write('grow.cjs', `process.on('SIGTERM', () => undefined);${GROW}`);
    lab.write('stubborn.sh', STUBBORN.replace('NODE', process.execPath));
    endAfterwards(lab, 'stray');
    streamsFile(lab, [
      { id: 'BAD', command: ['sh', 'stubborn.sh'], memory: '50MB', limit: '150MB' },
      { id: 'GOOD', command: 'sleep 0.2; echo x >> good', memory: '10MB' },
      { id: 'AFTER', command: 'echo x >> after', depends_on: 'BAD' },
    ]);
    const started = lab.start(NAME, ['e', 'run', ...STREAMS, '--json']);
    let evidenceFirst: boolean | undefined;
    await waitFor(() => {
      // Seen by a stranger: when the first member is gone, the evidence must be there.
      const root = Number(lab.read('root'));
      if (root > 0 && evidenceFirst === undefined && (!isRunning(root) || hasEvidence(lab)))
        evidenceFirst = isRunning(root) && hasEvidence(lab);
      return started.child.exitCode !== null;
    }, 'the end of the run');
    const ended = await started.ended;

    expect([ended.status, ended.stderr, evidenceFirst]).toEqual([30, '', true]);
    const events = runLines(ended.stdout);
    const at = (event: string, key = 'e/0/BAD'): number =>
      events.findIndex(
        (line) =>
          line.event === event &&
          ('key' in line ? line.key : 'result' in line ? line.result.key : '') === key,
      );
    expect(at('level')).toBeGreaterThan(at('start'));
    expect(at('stopping')).toBeGreaterThan(at('level'));
    expect(at('end')).toBeGreaterThan(at('stopping'));
    const levels = eventsOf(ended.stdout, 'level');
    expect(levels.map(({ level }) => level)).toEqual(['warning', 'critical', 'over']);
    expect(levels[0]?.message).toMatch(/^WARNING: Memory exceeded 50MB at [\d.]+MB/);
    expect(levels[2]?.bytes).toBeGreaterThan(150 * MIB);
    // Stopped near its limit, not when it had taken everything.
    expect(levels[2]?.bytes).toBeLessThan(215 * MIB);

    const [stopping] = eventsOf(ended.stdout, 'stopping');
    const evidence = JSON.parse(readFileSync(stopping?.evidence ?? '', 'utf8')) as { key: string; members: { rssBytes: number; command: string }[]; samples: { bytes: number }[]; memory: { availableBytes: number } }; // prettier-ignore
    expect(evidence.key).toBe('e/0/BAD');
    expect(evidence.members[0]?.command).toContain('grow.cjs');
    expect(evidence.members[0]?.rssBytes).toBeGreaterThan(100 * MIB);
    expect(evidence.samples.length).toBeGreaterThan(1);
    expect(evidence.memory.availableBytes).toBeGreaterThan(0);

    // The whole tree, with the child that had left it, within the grace and a second.
    const [root, stray] = [Number(lab.read('root')), Number(lab.read('stray'))];
    expect([stray > 0, isRunning(root), isRunning(stray), lab.processes()]).toEqual([true, false, false, []]);
    expect((runLines(ended.stdout).at(-1) as { summary: { endedMs: number } }).summary.endedMs - (stopping?.atMs ?? 0)).toBeLessThan(1000 + 1000 + 1500); // prettier-ignore

    const job = readJobs(lab, 'e').find(({ key }) => key === 'e/0/BAD');
    expect([job?.outcome, job?.reason]).toEqual([
      'killed-limit',
      expect.stringContaining('evidence in evidence.json'),
    ]);
    expect([lab.read('good'), lab.read('after')]).toEqual(['x\n', '']);
    expect((await lab.run(NAME, ['e', 'log'])).stdout).toMatch(
      /e\/0\/BAD stopped: LIMIT: Memory exceeded 150MB/,
    );
    expect(lab.leases()).toEqual([]);
  });

  it('is seen though it grows at once and nothing else happens in the run', async () => {
    const lab = makeLab();
    // 150 MB within its first moments, then quiet for longer than the longest time between two looks.
    lab.write('grow.cjs', `const b = Buffer.alloc(150 * 2 ** 20, 1);setTimeout(() => b.length, 30000);`);
    streamsFile(lab, [{ id: 'A', command: [process.execPath, 'grow.cjs'], memory: '100MB', limit: '120MB' }]);
    const ended = await lab.run(NAME, ['e', 'run', ...STREAMS, '--json']);
    const [end] = eventsOf(ended.stdout, 'end');
    expect([ended.status, end?.result.outcome]).toEqual([30, 'killed-limit']);
    const [start] = eventsOf(ended.stdout, 'start');
    const [over] = eventsOf(ended.stdout, 'level').filter(({ level }) => level === 'over');
    // The longest interval is 2 s; a young agent is looked at much more often.
    expect((over?.atMs ?? Infinity) - (start?.atMs ?? 0)).toBeLessThan(1900);
  });

  it.each([
    ['thresholds.abort=false', 1],
    ['memory_management.monitoring_enabled=false', 0],
  ])('is let be with %s, and told of once and only where it is watched', async (setting, told) => {
    const lab = makeLab();
    lab.write('grow.cjs', `const b = Buffer.alloc(120 * 2 ** 20, 1);setTimeout(() => b.length, 600);`);
    streamsFile(lab, [{ id: 'A', command: [process.execPath, 'grow.cjs'], memory: '80MB', limit: '100MB' }]);
    const ended = await lab.run(NAME, ['e', 'run', ...STREAMS, '--json', '--set', setting]);
    expect([ended.status, readJobs(lab, 'e')[0]?.outcome]).toEqual([0, 'done']);
    expect(eventsOf(ended.stdout, 'level').filter(({ level }) => level === 'over').length).toBe(told);
    expect(eventsOf(ended.stdout, 'end')[0]?.result.peakBytes).toBeGreaterThan(120 * MIB);
  });

  it('leaves shared memory of many processes alone: nobody is stopped for pages that count once', async () => {
    const lab = makeLab();
    // Eight processes of one parent, 60 MB each by RSS, 60 MB together.
    lab.write(
      'share.py',
      'import os, time\ndata = bytearray(os.urandom(1) * (60 << 20))\nfor _ in range(7):\n  if os.fork() == 0:\n    time.sleep(1.5)\n    os._exit(0)\ntime.sleep(1.5)\n',
    );
    if (lab.shell('sh', 'command -v python3').status !== 0) return;
    streamsFile(lab, [{ id: 'A', command: ['python3', 'share.py'], memory: '100MB', limit: '200MB' }]);
    const ended = await lab.run(NAME, ['e', 'run', ...STREAMS, '--json']);
    expect([ended.status, readJobs(lab, 'e')[0]?.outcome]).toEqual([0, 'done']);
    const peakMb = (eventsOf(ended.stdout, 'end')[0]?.result.peakBytes ?? 0) / MIB;
    expect(peakMb).toBeGreaterThan(55);
    expect(peakMb).toBeLessThan(200);
  });
});

describe('what an ended agent left running', () => {
  it('is ended and reported, also where it is in a session of its own and took off our tag', async () => {
    const lab = makeLab();
    endAfterwards(lab, 'bare');
    streamsFile(lab, [
      {
        id: 'A',
        command: `(setsid sh -c 'echo $$ > tagged; exec sleep 1000' > /dev/null 2>&1 &) ; (setsid sh -c 'sleep 1.4; echo $$ > bare; exec env -i PATH="$PATH" sleep 1000' > /dev/null 2>&1 &); while [ ! -s tagged ] || [ ! -s bare ]; do sleep 0.05; done`,
        memory: '10MB',
      },
      { id: 'B', command: 'sleep 3', memory: '10MB' },
    ]);
    const ended = await lab.run(NAME, ['e', 'run', ...STREAMS, '--json']);
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    expect(eventsOf(ended.stdout, 'remains')).toEqual([
      expect.objectContaining({ key: 'e/0/A', processes: 2 }),
    ]);
    const left = ['tagged', 'bare'].map((name) => Number(lab.read(name)));
    expect(left.map((pid) => [pid > 0, isRunning(pid)])).toEqual([[true, false], [true, false]]); // prettier-ignore
    expect(keyValues((await lab.run(NAME, ['e', 'cleanup'])).stdout)).toMatchObject({ void_leases: '0', ended_processes: '0' }); // prettier-ignore
  });
});

const hasEvidence = (lab: Lab): boolean =>
  existsSync(join(lab.project, '.claude-pm', 'runs', 'e', '0-BAD', 'evidence.json'));

/** For a process that took off the mark by which the lab finds its own: its pid stands in this file. */
function endAfterwards(lab: Lab, file: string): void {
  onTestFinished(() => {
    const pid = Number(lab.read(file));
    if (pid > 0 && isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
}
