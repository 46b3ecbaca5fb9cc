/** Does a run honour order, dependencies and conflicts, keep to its budget, and do as it is told from outside? */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  eventsOf,
  isRunning,
  keyValues,
  makeLab,
  mostAtOnce,
  notesOf,
  readJobs,
  ROOMY,
  stateOf,
  streamsFile,
  waitFor,
  type Ended,
  type JobLine,
  type Lab,
  type Started,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const STREAMS = ['--streams', 'streams.yaml', ...ROOMY];

const runAll = (lab: Lab, ...words: string[]): Promise<Ended> =>
  lab.run(NAME, ['e', 'run', ...STREAMS, ...words]);
const startAll = (lab: Lab, ...words: string[]): Started =>
  lab.start(NAME, ['e', 'run', ...STREAMS, ...words]);

function jobOf(lab: Lab, id: string): JobLine {
  const found = readJobs(lab, 'e').filter(({ key }) => key === `e/0/${id}`);
  expect(found).toHaveLength(1);
  return found[0] as JobLine;
}

const outcomes = (lab: Lab): Record<string, string> =>
  Object.fromEntries(readJobs(lab, 'e').map(({ key, outcome }) => [key.slice('e/0/'.length), outcome]));

/** CAP_SYS_NICE among the capabilities of this process. */
function mayRaise(): boolean {
  const held = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  return (BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(held)?.[1] ?? '0'}`) & (1n << 23n)) !== 0n;
}

const output = (lab: Lab, id: string, name = 'stdout.log'): string =>
  lab.read(`.claude-pm/runs/e/0-${id}/${name}`);

describe('the order', () => {
  it('waits for dependencies, keeps conflicting streams apart, and runs the others side by side', async () => {
    const lab = makeLab();
    const nap = { command: 'sleep 0.4', memory: '10MB' };
    streamsFile(lab, [
      { id: 'A', ...nap },
      { id: 'B', ...nap, depends_on: 'A' },
      { id: 'C', ...nap, depends_on: ['A', 'B'] },
      { id: 'X', ...nap, conflicts_with: 'Y' },
      { id: 'Y', ...nap },
      { id: 'Z', ...nap, conflicts_with: ['X', 'Y'] },
      { id: 'F', ...nap },
    ]);
    const ended = await runAll(lab);
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    const [a, b, c, x, y, z, f] = ['A', 'B', 'C', 'X', 'Y', 'Z', 'F'].map((id) => jobOf(lab, id)) as [JobLine, JobLine, JobLine, JobLine, JobLine, JobLine, JobLine]; // prettier-ignore
    expect(b.startMs).toBeGreaterThanOrEqual(a.endMs);
    expect(c.startMs).toBeGreaterThanOrEqual(b.endMs);
    expect(mostAtOnce([x, y, z])).toBe(1);
    expect(mostAtOnce([a, f])).toBe(2);
    expect(keyValues(ended.stdout)).toMatchObject({
      streams_done: '7',
      streams_not_done: '0',
      exit_code: '0',
    });
  });

  it('leaves out what depends on a failure, tells why, runs the rest, and ends with 30', async () => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'A', command: 'exit 3', memory: '10MB' },
      { id: 'B', command: 'echo B >> wrong', depends_on: 'A' },
      { id: 'C', command: 'echo C >> wrong', depends_on: 'B' },
      { id: 'D', command: 'echo D >> right', memory: '10MB' },
    ]);
    const ended = await runAll(lab, '--json');
    expect(ended.status).toBe(30);
    expect(eventsOf(ended.stdout, 'skip').map(({ key, reason }) => [key, reason])).toEqual([
      ['e/0/B', 'e/0/A, which it depends on, was not done'],
      ['e/0/C', 'e/0/B, which it depends on, was not done'],
    ]);
    expect(outcomes(lab)).toEqual({ A: 'failed', D: 'done' });
    expect([jobOf(lab, 'A').exitval, lab.read('wrong'), lab.read('right')]).toEqual([3, '', 'D\n']);
  });

  it('lets small streams overtake a big one that does not fit, and the big one runs in the end', async () => {
    const lab = makeLab();
    const small = (id: string): Record<string, string> => ({ id, command: 'sleep 0.6', memory: '60MB' });
    streamsFile(lab, [small('S1'), { id: 'BIG', command: 'sleep 0.1', memory: '90MB' }, ...['S2', 'S3', 'S4'].map(small)]); // prettier-ignore
    const ended = await runAll(lab, '--budget', '120MB', '--json');
    expect(ended.status).toBe(0);
    // BIG does not fit beside S1; S2 does, and goes first.
    expect(mostAtOnce([jobOf(lab, 'S1'), jobOf(lab, 'S2')])).toBe(2);
    expect(jobOf(lab, 'BIG').startMs).toBeGreaterThan(jobOf(lab, 'S2').startMs);
    const [wait] = eventsOf(ended.stdout, 'wait');
    expect(wait).toMatchObject({ key: 'e/0/BIG', binding: 'budget' });
    expect(wait?.shortByBytes).toBeGreaterThan(0);
  });

  it('keeps the promises of the running ones within the budget at every instant', async () => {
    const lab = makeLab();
    const sizes = [30, 70, 50, 20, 90, 40, 60, 10, 80, 30];
    streamsFile(lab, sizes.map((mb, n) => ({ id: `S${n}`, command: `sleep 0.${1 + (n % 4)}`, memory: `${mb}MB` }))); // prettier-ignore
    expect((await runAll(lab, '--budget', '100MB')).status).toBe(0);
    const jobs = sizes.map((mb, n) => ({ mb, ...jobOf(lab, `S${n}`) }));
    for (const { startMs } of jobs) {
      const there = jobs.filter((job) => job.startMs <= startMs && startMs < job.endMs);
      expect(there.reduce((sum, { mb }) => sum + mb, 0)).toBeLessThanOrEqual(100);
    }
  });
});

describe('before anything starts', () => {
  it('--dry-run shows the plan of the real run and starts nothing', async () => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'A', command: 'echo x >> ran', memory: '60MB' },
      { id: 'B', command: 'echo x >> ran', memory: '60MB' },
    ]);
    const ended = await runAll(lab, '--dry-run', '--budget', '100MB');
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    expect(keyValues(ended.stdout)).toMatchObject({ streams: '2', batches: '2', strategy: 'sequential', batch_1: 'e/0/A (60.0MB)', batch_2: 'e/0/B (60.0MB)' }); // prettier-ignore
    expect([lab.read('ran'), existsSync(lab.state), existsSync(join(lab.project, '.claude-pm'))]).toEqual(['', false, false]); // prettier-ignore
  });

  it('a stream that can never fit is refused with its figures, and the others run', async () => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'A', command: 'echo x >> wrong', memory: '900MB' },
      { id: 'B', command: 'echo x >> right', memory: '10MB' },
    ]);
    const plan = await lab.run(NAME, ['e', 'plan', ...STREAMS, '--budget', '500MB']);
    const refused = 'e/0/A can never fit: it needs 900.0MB, and at most 500.0MB can be had here';
    expect([plan.status, keyValues(plan.stdout)['refused']]).toEqual([30, expect.stringContaining(refused)]);
    const ended = await runAll(lab, '--budget', '500MB', '--json');
    expect(ended.status).toBe(30);
    expect(eventsOf(ended.stdout, 'skip')).toEqual([expect.objectContaining({ key: 'e/0/A', reason: expect.stringContaining('can never fit') as string })]); // prettier-ignore
    expect([lab.read('wrong'), lab.read('right')]).toEqual(['', 'x\n']);
  });

  it('a program that is not there, may not be executed or has no folder is not started, and the reason names it', async () => {
    const lab = makeLab();
    lab.write('plain.txt', 'no program');
    streamsFile(lab, [
      { id: 'A', command: ['no-such-program', 'x'], memory: '10MB' },
      { id: 'B', command: ['./plain.txt'], memory: '10MB' },
      { id: 'C', command: ['true'], cwd: 'nowhere', memory: '10MB' },
      { id: 'D', command: 'echo x >> right', memory: '10MB' },
    ]);
    const ended = await runAll(lab);
    expect([ended.status, ended.stderr]).toEqual([30, '']);
    expect(outcomes(lab)).toEqual({ A: 'not-started', B: 'not-started', C: 'not-started', D: 'done' });
    expect(jobOf(lab, 'A').reason).toMatch(/no-such-program .*not found/);
    expect(jobOf(lab, 'B').reason).toMatch(/plain\.txt/);
    expect(jobOf(lab, 'C').reason).toMatch(/nowhere is not there/);
    expect(lab.read('right')).toBe('x\n');
    expect(lab.leases()).toEqual([]);
  });

  it('the second run of one epic is sent away with 75 and starts nothing, another epic runs', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'echo $CLAUDE_PM_EPIC >> ran; while [ ! -e go ]; do sleep 0.05; done', memory: '10MB' }]); // prettier-ignore
    const first = startAll(lab);
    await waitFor(() => lab.read('ran') === 'e\n', 'the first run');
    const second = await runAll(lab);
    expect([second.status, second.stderr]).toEqual([
      75,
      `coordination-memory: a run of e is going on already (pid ${first.pid}): wait for it, or stop it with Ctrl-C there\n`,
    ]);
    const other = lab.start(NAME, ['other', 'run', ...STREAMS]);
    await waitFor(() => lab.read('ran') === 'e\nother\n', 'the run of the other epic');
    lab.write('go', '');
    expect([(await first.ended).status, (await other.ended).status]).toEqual([0, 0]);
    expect(readJobs(lab, 'e')).toHaveLength(1);
  });
});

describe('what an agent gets', () => {
  it('is its own folder, environment and heap, wherever the run was called from', async () => {
    const lab = makeLab();
    lab.write('sub/here', '');
    lab.write('print-env.mjs', "#!/usr/bin/env node\nimport { writeFileSync } from 'node:fs';\nwriteFileSync('env.json', JSON.stringify({ ...process.env, cwd: process.cwd(), heap: process.execArgv }));\n"); // prettier-ignore
    streamsFile(lab, [
      { id: 'A', issue: '12', command: ['../print-env.mjs'], cwd: 'sub', memory: '200MB', limit: '400MB', env: { MINE: "it's" } }, // prettier-ignore
    ]);
    const ended = await lab.run(NAME, ['e', 'run', ...STREAMS, '--project', lab.project], { cwd: '/', env: { NODE_OPTIONS: '--no-warnings' } }); // prettier-ignore
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    const env = JSON.parse(lab.read('sub/env.json')) as Record<string, string>;
    expect(env).toMatchObject({
      cwd: join(lab.project, 'sub'),
      MINE: "it's",
      CLAUDE_PM_EPIC: 'e',
      CLAUDE_PM_ISSUE: '12',
      CLAUDE_PM_STREAM: 'A',
      CLAUDE_PM_KEY: 'e/12/A',
      CLAUDE_PM_ATTEMPT: '1',
      CLAUDE_PM_LIMIT_MB: '400',
    });
    expect(env['CLAUDE_PM_LEASE']).toMatch(/^[0-9a-f]{16}$/);
    const heapMb = Number(/--max-old-space-size=(\d+)/.exec(env['NODE_OPTIONS'] ?? '')?.[1]);
    expect(heapMb).toBeGreaterThan(0);
    expect(heapMb * 1.25).toBeLessThanOrEqual(400);
    expect(env['NODE_OPTIONS']).toContain('--no-warnings');
  });

  it('is the priority that the caller has, while the run itself stands above its agents where it may', async () => {
    const lab = makeLab();
    const code = "const os = require('node:os'); console.log([os.getPriority(), os.getPriority(process.ppid)].join(' '))"; // prettier-ignore
    streamsFile(lab, [{ id: 'A', command: [process.execPath, '-e', code], memory: '100MB' }]);
    expect((await runAll(lab)).status).toBe(0);
    const own = getPriority();
    expect(output(lab, 'A')).toBe(`${own} ${mayRaise() ? Math.max(-20, own - 10) : own}\n`);
  });

  it('lets it call the toolkit itself without a fault or a warning', async () => {
    const lab = makeLab();
    const [node = '', script = ''] = lab.words(NAME);
    streamsFile(lab, [{ id: 'A', command: `${node} ${script} e log from $CLAUDE_PM_KEY && ${node} ${script} e monitor ${ROOMY.join(' ')}`, memory: '100MB' }]); // prettier-ignore
    expect((await runAll(lab)).status).toBe(0);
    expect(output(lab, 'A', 'stderr.log')).toBe('');
    expect(output(lab, 'A')).toMatch(/from e\/0\/A\nepic:e\nagents:1\nagent:e\/0\/A /);
  });

  it('has its output in files, complete, and never in our memory', async () => {
    const lab = makeLab();
    const MB = 30;
    streamsFile(lab, [
      { id: 'A', command: `head -c ${MB * 1024 * 1024} /dev/zero; echo end; echo talk >&2; while [ ! -e go ]; do sleep 0.05; done`, memory: '10MB' }, // prettier-ignore
    ]);
    const run = startAll(lab);
    await waitFor(() => output(lab, 'A', 'stderr.log') === 'talk\n', 'the end of the output');
    const status = readFileSync(`/proc/${run.pid}/status`, 'utf8');
    // Its highest resident set, with 30 MB printed: Node with our code alone takes about 60 MB.
    expect(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024).toBeLessThan(110);
    lab.write('go', '');
    expect((await run.ended).status).toBe(0);
    const path = join(lab.project, '.claude-pm', 'runs', 'e', '0-A', 'stdout.log');
    expect(statSync(path).size).toBe(MB * 1024 * 1024 + 'end\n'.length);
  });
});

describe('told from outside', () => {
  it('pause halts a running agent and resume lets it go on; status, monitor and log tell it', async () => {
    const lab = makeLab();
    const path = streamsFile(lab, [{ id: 'A', command: 'n=0; while [ ! -e go ]; do n=$((n+1)); echo $n > count; sleep 0.02; done', memory: '10MB' }]); // prettier-ignore
    const run = startAll(lab);
    const isRunningNow = (): boolean => lab.leases()[0]?.state === 'running' && lab.read('count') !== '';
    await waitFor(isRunningNow, 'the agent');
    const [lease] = lab.leases();
    expect((await lab.run(NAME, ['e', 'pause', 'A', '--reason', 'lunch'])).status).toBe(0);
    await waitFor(() => lab.leases()[0]?.state === 'paused', 'the lease');
    const pid = lab.leases()[0]?.owner?.pid ?? 0;
    expect([stateOf(pid), lease?.key]).toEqual(['T', 'e/0/A']);
    const count = lab.read('count');
    expect((await lab.run(NAME, ['e', 'monitor'])).stdout).toMatch(
      /agent:e\/0\/A pid=\d+ role=agent state=paused/,
    );
    expect(lab.read('.claude/epics/e/coordination/stream-0-A-blocked.md')).toContain('lunch');
    expect(lab.read('count')).toBe(count);

    expect((await lab.run(NAME, ['e', 'resume', 'A'])).status).toBe(0);
    await waitFor(() => lab.read('count') !== count, 'the agent to go on');
    const status = await lab.run(NAME, ['e', 'status', '--streams', path]);
    expect([status.status, keyValues(status.stdout)]).toEqual([0, expect.objectContaining({ running: '1', stream: 'e/0/A running' })]); // prettier-ignore
    lab.write('go', '');
    expect((await run.ended).status).toBe(0);
    expect(keyValues((await lab.run(NAME, ['e', 'status', '--streams', path])).stdout)).toMatchObject({ done: '1', stream: 'e/0/A done' }); // prettier-ignore
    const log = (await lab.run(NAME, ['e', 'log'])).stdout;
    expect(log).toMatch(/e\/0\/A paused: lunch\n[^]*e\/0\/A resumed\n/);
  });

  it('pause, resume, kill and status know the streams of a file, before a run by --streams and after it by what it wrote down', async () => {
    const lab = makeLab();
    const path = streamsFile(lab, [
      { id: 'A', command: 'echo A >> ran', memory: '10MB' },
      { id: 'B', command: 'while [ ! -e go ]; do sleep 0.02; done', memory: '10MB' },
      { id: 'C', command: 'echo C >> ran', memory: '10MB', depends_on: 'B' },
    ]);
    const called = async (...args: string[]): Promise<[number | null, string]> => {
      const ended = await lab.run(NAME, ['e', ...args]);
      return [ended.status, ended.stdout + ended.stderr];
    };
    expect(await called('pause', 'A')).toEqual([2, expect.stringContaining('no stream "A"')]);
    expect(await called('status')).toEqual([2, expect.stringContaining('no epic e: ')]);
    expect(await called('pause', 'A', '--streams', path)).toEqual([
      0,
      expect.stringContaining('state:paused'),
    ]);
    const run = startAll(lab);
    await waitFor(() => lab.leases()[0]?.state === 'running', 'the agent');
    // Neither C, which waits, nor A, which is paused, was ever started.
    expect(await called('status')).toEqual([
      0,
      expect.stringMatching(/waiting:1\npaused:1\n[^]*stream:e\/0\/A paused\n/),
    ]);
    expect(await called('pause', 'C')).toEqual([0, expect.stringContaining('stream:e/0/C')]);
    expect(await called('kill', 'C')).toEqual([
      0,
      expect.stringContaining('e/0/C does not run: nothing was ended'),
    ]);
    expect(await called('resume', 'C')).toEqual([0, expect.not.stringContaining('was not paused')]);
    expect((await called('resume', 'A', '--streams', path))[0]).toBe(0);
    lab.write('go', '');
    expect((await run.ended).status).toBe(0);
    // They may have started at one moment.
    expect(lab.read('ran').split('\n').toSorted()).toEqual(['', 'A', 'C']);
    expect(await called('status')).toEqual([0, expect.stringContaining('streams:3\ndone:3')]);
  });

  it('pause waits for an agent that is being started, and says what to do where that takes too long', async () => {
    const lab = makeLab();
    const { pid } = lab.hold();
    await lab.run(NAME, ['e', 'spawn', 'A', '--pid', String(pid), '--memory', '10MB', ...ROOMY]);
    const setState = (state: string): void => {
      const ledger = join(lab.state, 'ledger.json');
      writeFileSync(ledger, readFileSync(ledger, 'utf8').replace(/"state":"\w+"/, `"state":"${state}"`));
    };
    setState('starting');
    const late = await lab.run(NAME, ['e', 'pause', 'A']);
    expect([late.status, late.stderr]).toEqual([
      75,
      expect.stringMatching(/being started at this moment .* call pause again/),
    ]);
    const soon = lab.start(NAME, ['e', 'pause', 'A']);
    await waitFor(() => lab.read('.claude/epics/e/coordination/stream-0-A-blocked.md') !== '', 'the mark');
    setState('running');
    expect([(await soon.ended).status, stateOf(pid)]).toEqual([0, 'T']);
  });

  it('a paused stream does not start until it is resumed, and the run says for what it waits', async () => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'A', command: 'echo A >> ran', memory: '10MB' },
      { id: 'B', command: 'echo B >> ran', memory: '10MB' },
    ]);
    lab.write(
      '.claude/epics/e/coordination/stream-0-A-blocked.md',
      '# Stream A is blocked\n\nwaits for a key\n',
    );
    const run = startAll(lab, '--json');
    await waitFor(
      () => lab.read('ran') === 'B\n' && eventsOf(run.stdout(), 'end').length === 1,
      'the other stream',
    );
    expect(notesOf(run.stdout())).toContain('e/0/A is paused: Stream A is blocked');
    expect((await lab.run(NAME, ['e', 'status', '--streams', 'streams.yaml'])).stdout).toContain(
      'stream:e/0/A paused',
    );
    expect(run.child.exitCode).toBeNull();
    lab.write('.claude/epics/e/0-analysis.md', '### Stream A: A\n**Agent Type**: x\n');
    expect((await lab.run(NAME, ['e', 'resume', 'A'])).status).toBe(0);
    expect((await run.ended).status).toBe(0);
    expect(lab.read('ran')).toBe('B\nA\n');
  });

  it.each([
    ['dies of TERM', 'sleep 1000 & sleep 1000'],
    ['obeys TERM with exit 0', "trap 'exit 0' TERM; while :; do sleep 0.02; done"],
    ['ignores TERM', "trap '' TERM; while :; do sleep 0.02; done"],
  ])('kill ends an agent that %s, whole tree, and it counts as killed, not as done', async (_, command) => {
    const lab = makeLab();
    streamsFile(lab, [
      { id: 'A', command: `echo $$ > pid; ${command}`, memory: '10MB' },
      { id: 'B', command: 'while [ ! -e go ]; do sleep 0.05; done', memory: '10MB' },
    ]);
    const run = startAll(lab);
    await waitFor(() => lab.leases().length === 2 && lab.leases().every(({ state }) => state === 'running') && lab.read('pid') !== '', 'the agents'); // prettier-ignore
    const tag = lab.leases().find(({ key }) => key === 'e/0/A')?.id ?? '';
    const kill = await lab.run(NAME, ['e', 'kill', '0/A', '--reason', 'enough', '--set', 'memory_management.cleanup_timeout=1']); // prettier-ignore
    expect([kill.status, keyValues(kill.stdout)['left'], isRunning(Number(lab.read('pid')))]).toEqual([
      0,
      '0',
      false,
    ]);
    expect(lab.processes().filter(({ words }) => words.includes('sleep 1000'))).toEqual([]);
    await waitFor(() => lab.leases().every(({ id }) => id !== tag), 'the end of its lease');
    lab.write('go', '');
    const ended = await run.ended;
    expect([ended.status, outcomes(lab)]).toEqual([30, { A: 'killed-user', B: 'done' }]);
    expect(jobOf(lab, 'A').reason).toBe('enough');
    const again = await runAll(lab, '--resume', '--dry-run');
    expect(keyValues(again.stdout)).toMatchObject({
      streams: '1',
      stream: expect.stringContaining('e/0/A') as string,
    });
  });

  it.each([
    ['pause', 'T'],
    ['kill', undefined],
  ])('%s from within the agent’s own tree is carried through to its answer', async (command, state) => {
    const lab = makeLab();
    const [node = '', script = ''] = lab.words(NAME);
    const line = `${node} ${script} e spawn A --pid $$ --memory 10MB ${ROOMY.join(' ')} > out; ${node} ${script} e ${command} A --set memory_management.cleanup_timeout=0 > out2; sleep 1000`; // prettier-ignore
    lab.write('agent.sh', line);
    const agent = lab.shell('sh', 'sh agent.sh > /dev/null 2>&1 & echo $!');
    const pid = Number(agent.stdout);
    await waitFor(() => lab.read('out2') !== '', 'the answer');
    expect(keyValues(lab.read('out2'))['stream']).toBe('e/0/A');
    await waitFor(
      () => stateOf(pid) === state || (state === undefined && !isRunning(pid)),
      'the agent to be so',
    );
  });
});

describe('--resume', () => {
  it('runs only what is not done, by key, even when order and limits changed', async () => {
    const lab = makeLab();
    const stream = (id: string, more: object = {}): Record<string, unknown> => ({ id, command: `echo ${id} >> ran`, memory: '10MB', ...more }); // prettier-ignore
    streamsFile(lab, [stream('A'), stream('B', { command: 'echo B >> ran; test -e mended' }), stream('C'), stream('D', { depends_on: 'B' })]); // prettier-ignore
    expect((await runAll(lab)).status).toBe(30);
    expect(lab.read('ran').split('\n').sort()).toEqual(['', 'A', 'B', 'C']);

    lab.write('mended', '');
    streamsFile(lab, [stream('D', { depends_on: 'B', memory: '20MB' }), stream('C', { memory: '5MB' }), stream('B', { command: 'echo B >> ran; test -e mended', limit: '300MB' }), stream('A'), stream('NEW')]); // prettier-ignore
    const ended = await runAll(lab, '--resume');
    expect([ended.status, keyValues(ended.stdout)]).toEqual([0, expect.objectContaining({ done_earlier: '2', streams_done: '3' })]); // prettier-ignore
    expect(lab.read('ran').split('\n').slice(3, -1).sort()).toEqual(['B', 'D', 'NEW']);
    expect(readJobs(lab, 'e').filter(({ key }) => key === 'e/0/B').map(({ attempt, outcome }) => [attempt, outcome])).toEqual([[1, 'failed'], [2, 'done']]); // prettier-ignore

    const nothing = await runAll(lab, '--resume');
    expect([nothing.status, nothing.stderr]).toEqual([0, expect.stringContaining('nothing to do: all 5 streams were done earlier')]); // prettier-ignore
  });

  it('knows commands that came as lines again in another order', async () => {
    const lab = makeLab();
    const lines = ['echo one >> ran', 'echo two >> ran; test -e mended', 'echo one >> ran'];
    const words = ['e', 'run', '--streams', '-', '--resume', ...ROOMY];
    expect((await lab.run(NAME, words, { input: lines.join('\n') })).status).toBe(30);
    lab.write('mended', '');
    expect((await lab.run(NAME, words, { input: [...lines].reverse().join('\n') })).status).toBe(0);
    expect(lab.read('ran').split('\n').sort()).toEqual(['', 'one', 'one', 'two', 'two']);
  });

  it('without it everything runs again, and the earlier joblog is kept aside', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'echo A >> ran', memory: '10MB' }]);
    await runAll(lab);
    await runAll(lab);
    expect(lab.read('ran')).toBe('A\nA\n');
    expect(readJobs(lab, 'e')).toHaveLength(1);
    expect(lab.shell('sh', 'ls .claude-pm/runs/e').stdout).toMatch(/^joblog-\d{8}T\d{9}Z\.tsv$/m);
  });
});
