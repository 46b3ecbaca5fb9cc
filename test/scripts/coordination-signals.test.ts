/** Is nothing left behind, lost or done twice when a run is interrupted, ended or killed? */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  eventsOf,
  isRunning,
  keyValues,
  makeLab,
  notesOf,
  readJobs,
  ROOMY,
  streamsFile,
  waitFor,
  type Lab,
  type Started,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const STREAMS = ['--streams', 'streams.yaml', ...ROOMY];
const grace = (seconds: number): string[] => ['--set', `memory_management.cleanup_timeout=${seconds}`];
const outcomes = (lab: Lab): Record<string, string> =>
  Object.fromEntries(readJobs(lab, 'e').map(({ key, outcome }) => [key.slice('e/0/'.length), outcome]));

/** Every agent of the run is up when each has made its file. */
async function up(lab: Lab, run: Started, ...ids: string[]): Promise<void> {
  await waitFor(
    () => {
      if (run.child.exitCode !== null) throw new Error(`the run ended: ${run.stdout()}${run.stderr()}`);
      return ids.every((id) => lab.read(`up-${id}`) !== '');
    },
    `the agents ${ids.join(' ')}`,
  );
}

describe('Ctrl-C', () => {
  it('starts nothing more, gives agents TERM and the grace, ends what ignores it, and exits 130', async () => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'MEEK', command: 'echo $$ > up-MEEK; sleep 1000', memory: '10MB' },
      { id: 'TIDY', command: "trap 'echo bye > bye; exit 0' TERM; echo $$ > up-TIDY; while :; do sleep 0.02; done", memory: '10MB' }, // prettier-ignore
      { id: 'DEAF', command: "trap '' TERM INT; (setsid sleep 1000 &); echo $$ > up-DEAF; while :; do sleep 0.05; done", memory: '10MB' }, // prettier-ignore
      { id: 'NEXT', command: 'echo x >> next', memory: '10MB' },
    ]);
    const run = lab.start(NAME, ['e', 'run', ...STREAMS, ...grace(1), '--json', '--budget', '30MB']);
    await up(lab, run, 'MEEK', 'TIDY', 'DEAF');
    run.child.kill('SIGINT');
    const ended = await run.ended;

    expect([ended.status, ended.signal, ended.stderr]).toEqual([130, null, '']);
    expect(eventsOf(ended.stdout, 'interrupt')).toEqual([
      expect.objectContaining({ signal: 'SIGINT', running: 3 }),
    ]);
    // Stopped, not done, also where it obeyed with exit 0: a resumed run must do it again.
    expect(outcomes(lab)).toEqual({ MEEK: 'stopped', TIDY: 'stopped', DEAF: 'stopped' });
    expect([lab.read('bye'), lab.read('next')]).toEqual(['bye\n', '']);
    expect([lab.processes(), lab.leases()]).toEqual([[], []]);

    streamsFile(lab, ['MEEK', 'TIDY', 'DEAF', 'NEXT'].map((id) => ({ id, command: `echo ${id} >> again`, memory: '10MB' }))); // prettier-ignore
    expect((await lab.run(NAME, ['e', 'run', ...STREAMS, '--resume'])).status).toBe(0);
    expect(lab.read('again').split('\n').sort()).toEqual(['', 'DEAF', 'MEEK', 'NEXT', 'TIDY']);
  });

  it('a second time ends everything at once, and twice within a moment is one wish', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'DEAF', command: "trap '' TERM; echo $$ > up-DEAF; while :; do sleep 0.05; done", memory: '10MB' }]); // prettier-ignore
    const run = lab.start(NAME, ['e', 'run', ...STREAMS, ...grace(300), '--json']);
    await up(lab, run, 'DEAF');
    const pid = Number(lab.read('up-DEAF'));
    run.child.kill('SIGINT');
    await waitFor(() => eventsOf(run.stdout(), 'interrupt').length === 1, 'the first wish');
    run.child.kill('SIGINT');
    await sleep(600);
    expect([run.child.exitCode, isRunning(pid)]).toEqual([null, true]);
    run.child.kill('SIGINT');
    expect((await run.ended).status).toBe(130);
    expect([isRunning(pid), lab.processes(), lab.leases(), outcomes(lab)]).toEqual([
      false,
      [],
      [],
      { DEAF: 'stopped' },
    ]);
  });

  it('wakes and ends an agent that is paused', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: "trap 'echo bye > bye; exit 0' TERM; echo $$ > up-A; while :; do sleep 0.02; done", memory: '10MB' }]); // prettier-ignore
    const run = lab.start(NAME, ['e', 'run', ...STREAMS, ...grace(20)]);
    await up(lab, run, 'A');
    expect((await lab.run(NAME, ['e', 'pause', 'A'])).status).toBe(0);
    run.child.kill('SIGINT');
    expect((await run.ended).status).toBe(130);
    expect([lab.read('bye'), lab.processes()]).toEqual(['bye\n', []]);
  });

  it('in a terminal reaches the run alone, which ends its agents in order', async (context) => {
    const lab = makeLab();
    if (lab.shell('sh', 'script --version').status !== 0) return context.skip('no script(1)');
    streamsFile(lab, [{ id: 'A', command: "trap 'echo int > bye' INT; trap 'echo term > bye; exit 0' TERM; echo $$ > up-A; while :; do sleep 0.02; done", memory: '10MB' }]); // prettier-ignore
    const [node = '', script = ''] = lab.words(NAME);
    const line = `trap : INT; ${node} ${script} e run ${[...STREAMS, ...grace(20)].join(' ')}; echo "code $?"`;
    const child = spawn('script', ['-qefc', line, '/dev/null'], { cwd: lab.project, env: { ...lab.env, TERM: 'xterm' }, stdio: ['pipe', 'pipe', 'ignore'] }); // prettier-ignore
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (shown += text));
    await waitFor(() => lab.read('up-A') !== '', 'the agent');
    child.stdin.write('\x03');
    await waitFor(() => shown.includes('code '), 'the end of the run');
    expect(/code (\d+)/.exec(shown)?.[1]).toBe('130');
    child.stdin.end();
    await waitFor(() => child.exitCode !== null, 'the end of the terminal');
    expect([lab.read('bye'), lab.processes()]).toEqual(['term\n', []]);
    // The cursor that a live table hides is shown again.
    expect(shown.lastIndexOf('\x1b[?25h')).toBeGreaterThanOrEqual(shown.lastIndexOf('\x1b[?25l'));
  });
});

describe('the end of the run from outside', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)('%s ends its agents and exits %d', async (signal, code) => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'echo $$ > up-A; sleep 1000', memory: '10MB' }]);
    const run = lab.start(NAME, ['e', 'run', ...STREAMS, ...grace(5)]);
    await up(lab, run, 'A');
    run.child.kill(signal);
    expect((await run.ended).status).toBe(code);
    expect([lab.processes(), lab.leases(), outcomes(lab)]).toEqual([[], [], { A: 'stopped' }]);
  });

  it('kill -9: the next run says what still works, does not start it twice, and finishes', async () => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'A', command: 'mkdir lock || echo twice >> twice; (setsid sleep 1000 &); echo $$ >> up-A; while [ ! -e go ]; do sleep 0.05; done; rmdir lock', memory: '10MB' }, // prettier-ignore
      { id: 'B', command: 'echo x >> up-B', memory: '10MB' },
    ]);
    // At once after the start, and later: the ledger may not know the agent's process yet.
    for (const ms of [0, 400]) {
      lab.shell('sh', 'rm -rf go lock up-A up-B .claude-pm');
      const run = lab.start(NAME, ['e', 'run', ...STREAMS]);
      await up(lab, run, 'A');
      await sleep(ms);
      const pid = Number(lab.read('up-A'));
      // The later one is halted, as its run does where memory gets short: it must not stand still for ever.
      if (ms > 0) process.kill(pid, 'SIGSTOP');
      run.child.kill('SIGKILL');
      await run.ended;
      expect([isRunning(pid), lab.leases().length]).toEqual([true, expect.any(Number)]);

      // A live agent is nothing to clean up.
      expect((await lab.run(NAME, ['e', 'cleanup'])).status).toBe(0);
      expect([isRunning(pid), lab.leases().map(({ key, owner, state }) => [key, owner?.pid, state])]).toEqual([true, [['e/0/A', pid, 'running']]]); // prettier-ignore

      const next = lab.start(NAME, ['e', 'run', ...STREAMS, '--resume', '--json']);
      const said = `e/0/A is still at work since an earlier run that was killed (pid ${pid})`;
      await waitFor(() => notesOf(next.stdout()).some((text) => text.startsWith(said)), 'what it says');
      expect(lab.read('up-A').trim().split('\n')).toEqual([String(pid)]);
      lab.write('go', '');
      expect((await next.ended).status).toBe(0);
      expect([lab.read('up-A').trim().split('\n').length, lab.read('twice'), outcomes(lab)]).toEqual([2, '', { A: 'done', B: 'done' }]); // prettier-ignore
      // What the survivor left is nobody's but the next run's.
      expect([lab.processes(), lab.leases()]).toEqual([[], []]);
    }
  });

  it('kill -9 of the run and of its agent: cleanup ends what that left, and the next run does so by itself', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: '(setsid sleep 1000 &); sleep 2000 & echo $$ > up-A; test -e go || wait', memory: '10MB' }]); // prettier-ignore
    for (const how of ['cleanup', 'run']) {
      lab.shell('sh', 'rm -rf up-A');
      const run = lab.start(NAME, ['e', 'run', ...STREAMS]);
      await up(lab, run, 'A');
      // Once before its lease names the agent's process, once after that.
      if (how === 'run') await waitFor(() => lab.leases()[0]?.state === 'running', 'the lease');
      run.child.kill('SIGKILL');
      await run.ended;
      process.kill(Number(lab.read('up-A')), 'SIGKILL');
      const left = (): string[] => lab.processes().map(({ words }) => words).filter((words) => words.startsWith('sleep')); // prettier-ignore
      await waitFor(() => left().length === 2 && lab.processes().length === 2, 'the death of the agent');
      if (how === 'cleanup') {
        const ended = await lab.run(NAME, ['e', 'cleanup', ...grace(5)]);
        expect([ended.status, keyValues(ended.stdout)]).toEqual([0, expect.objectContaining({ void_leases: '1', ended_processes: '2' })]); // prettier-ignore
      } else {
        lab.write('go', '');
        const ended = await lab.run(NAME, ['e', 'run', ...STREAMS, '--resume', '--json', ...grace(5)]);
        expect(notesOf(ended.stdout)).toContain('2 processes that dead agents of an earlier run had left were ended'); // prettier-ignore
        expect([ended.status, outcomes(lab)]).toEqual([0, { A: 'done' }]);
      }
      expect([left(), lab.leases()]).toEqual([[], []]);
    }
  });

  it('kill -9: memory-monitor cleanup leaves no lock and no ticket of the dead, and those of a live run alone', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'echo $$ > up-A; exec sleep 1000', memory: '10MB' }]);
    const run = lab.start(NAME, ['e', 'run', ...STREAMS]);
    await up(lab, run, 'A');
    await waitFor(() => lab.leases()[0]?.state === 'running', 'the lease');
    const files = (): string[] => [
      ...readdirSync(lab.state).filter((name) => name.includes('.lock')),
      ...readdirSync(join(lab.project, '.claude-pm/runs/e')).filter((name) => name.includes('.lock')),
    ];
    const held = files();
    expect(held).toContain('run.lock');
    expect((await lab.run('memory-monitor', ['cleanup'])).status).toBe(0);
    expect(files()).toEqual(held);
    run.child.kill('SIGKILL');
    await run.ended;
    process.kill(Number(lab.read('up-A')), 'SIGKILL');
    await waitFor(() => lab.processes().length === 0, 'the death of the agent');
    expect((await lab.run('memory-monitor', ['cleanup'])).status).toBe(0);
    expect([files(), lab.leases()]).toEqual([[], []]);
  });

  it('kill -9 at ten random instants loses no stream, and does none twice that the record shows as done', async () => {
    const lab = makeLab();
    const ids = Array.from({ length: 30 }, (_, n) => `S${n}`);
    streamsFile(
      lab,
      ids.map((id) => ({
        id,
        command: `mkdir lock-${id} || echo ${id} >> twice; echo ${id} >> started; sleep 0.4; echo ${id} >> finished; rmdir lock-${id}`,
        memory: '10MB',
      })),
    );
    const words = ['e', 'run', ...STREAMS, '--resume', '--budget', '40MB'];
    const count = (file: string, id: string): number =>
      lab
        .read(file)
        .split('\n')
        .filter((line) => line === id).length;
    const doneNow = (): string[] => readJobs(lab, 'e').flatMap(({ key, outcome }) => outcome === 'done' ? [key.slice('e/0/'.length)] : []); // prettier-ignore

    for (let round = 0; round < 10; round += 1) {
      const run = lab.start(NAME, words);
      await waitFor(() => run.stdout().includes(' start ') || run.child.exitCode !== null, 'the first start');
      await sleep(Math.random() * 500);
      run.child.kill('SIGKILL');
      await run.ended;
      const done = doneNow();
      for (const id of done) expect(count('finished', id)).toBeGreaterThan(0);
    }
    const before = new Map(doneNow().map((id) => [id, count('started', id)]));
    const last = await lab.run(NAME, words);
    // Now and then all were done before the tenth kill; what a killed run did not note comes from its joblog.
    const said = last.stderr
      .split('\n')
      .filter((line) => !/^$|nothing to do|added to the history from/.test(line));
    expect([last.status, said]).toEqual([0, []]);

    const done = doneNow();
    expect(done.toSorted()).toEqual(ids.toSorted());
    expect(ids.filter((id) => count('finished', id) === 0)).toEqual([]);
    expect(lab.read('twice')).toBe('');
    for (const [id, starts] of before) expect(count('started', id)).toBe(starts);
    expect((await lab.run(NAME, words)).stderr).toContain('nothing to do: all 30 streams were done earlier');
    await lab.run(NAME, ['e', 'cleanup']);
    expect([lab.leases(), lab.processes()]).toEqual([[], []]);
  }, 90_000);
});
