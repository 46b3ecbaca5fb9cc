/** Does memory-retry tell real deaths apart, try again what is worth it, and leave nothing behind? */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { classifyEnd } from '../../lib/policy/cause.ts';
import { readKernelOomKills } from '../../lib/probe/kernel.ts';
import { callSource } from '../support/call-script.ts';
import { makeGroup } from '../support/group.ts';
import { ONCE, ROOMY, keyValues, makeLab, waitFor, type Ended, type Lab } from '../support/scripts.ts';

/** Fast, and deciding by their own words however small or busy the machine is. */
const QUICK = [
  ...ROOMY,
  '--set',
  'retry.backoff=10ms',
  '--set',
  'memory_management.cleanup_timeout=1',
  '--memory',
  '100MB',
];

const HEAP_LEAK = 'const l=[];for(;;)l.push({a:new Array(100).fill(l.length)});';

let lab: Lab;
beforeEach(() => {
  lab = makeLab();
});

const classify = (...args: string[]): Ended => lab.call('memory-retry', ['classify', ...args]);
const retry = (
  words: readonly string[],
  flags: readonly string[] = [],
  env?: NodeJS.ProcessEnv,
): Promise<Ended> => lab.run('memory-retry', ['run', ...QUICK, ...flags, '--', ...words], env ? { env } : {});
const talk = ({ stderr }: Ended): string =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('memory-retry: '))
    .join('\n');
const ended = (run: Ended): string[] =>
  [...talk(run).matchAll(/attempt \d+ ended: ([a-z-]+)/g)].map((match) => match[1] ?? '');

function expectNothingLeft(): void {
  expect(lab.leases()).toEqual([]);
  expect(lab.processes()).toEqual([]);
  const kept = new Set(['ledger.json', 'history']);
  const files = existsSync(lab.state) ? readdirSync(lab.state).filter((name) => !kept.has(name)) : [];
  expect(files).toEqual([]);
}

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: run, classify/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['clasify', '--exit', '1'], 2, /^$/, /did you mean classify\?/],
    [['shop', 'chekc', '1/A'], 2, /^$/, /did you mean check\?/],
    [['shop', 'check'], 2, /^$/, /needs STREAM/],
    [['shop', 'check', '1/A'], 2, /^$/, /no stream "1\/A"/],
    [['../x', 'stats'], 2, /^$/, /is no epic name/],
    [['--project', '.', 'shop', 'stats'], 0, /^epic:shop\nruns:0\n/, /^$/],
    [['run'], 2, /^$/, /needs a command behind `--`/],
    [['run', '--tiemout', '1s', '--', 'true'], 2, /^$/, /did you mean --timeout\?/],
    [
      ['run', '--set', 'retry.policy=les', '--', 'true'],
      2,
      /^$/,
      /retry\.policy.*allowed: auto, reduce, grow/,
    ],
    [['classify'], 2, /^$/, /say how it ended/],
    [['classify', '--exit', '300'], 2, /^$/, /no whole number from 0 to 255/],
    [['classify', '--exit', '1', '--log', 'none'], 2, /^$/, /there is no such file/],
    [['classify', '--aborted', 'toString'], 2, /^$/, /one of limit, machine/],
    [['classify', '--signal', 'kill'], 0, /^cause:killed-unknown\n/, /^$/],
    [['classify', '--exit', '137', '--cgroup-kills', '1'], 0, /^cause:kernel-oom\n/, /^$/],
    [['classify', '--exit', '137', '--kernel-kills', '1'], 0, /confidence:probable/, /^$/],
    [['classify', '--start-error', 'ENOMEM'], 0, /^cause:spawn-memory\n/, /^$/],
    [['--help'], 0, /classify/, /^$/],
    [['shop', '--help'], 0, /verify-cleanup STREAM/, /^$/],
    [['shop', 'check', '--help'], 0, /check STREAM/, /^$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const run = lab.call('memory-retry', args);
    expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
    expect(run.stdout).toMatch(stdout);
  });

  it('answers the same from its sources, as lines and as JSON', () => {
    const args = ['classify', '--exit', '139'];
    expect(callSource(lab, 'memory-retry', args).stdout).toBe(lab.call('memory-retry', args).stdout);
    expect(JSON.parse(classify('--exit', '139', '--json').stdout)).toMatchObject({
      cause: 'crash',
      family: 'crash',
    });
  });
});

/** What `classify` makes of a program that really ended. */
function causeOf(words: readonly string[], env: NodeJS.ProcessEnv = {}): Record<string, string> {
  const [program = '', ...rest] = words;
  const end = spawnSync(program, rest, {
    cwd: lab.project,
    env: { PATH: process.env['PATH'], ...env },
    encoding: 'utf8',
    timeout: 50_000,
  });
  const log = lab.write('stderr.log', end.stderr);
  const how = end.signal === null ? ['--exit', String(end.status)] : ['--signal', end.signal];
  return keyValues(classify(...how, '--log', log).stdout);
}

describe('a real death', () => {
  const nodes = [
    process.execPath,
    ...(process.env['CLAUDE_PM_TEST_NODES'] ?? '')
      .split(',')
      .filter((dir) => dir !== '')
      .map((dir) => join(dir, 'node')),
  ];

  it.each(nodes)(
    "of V8's heap under %s is told from stderr, from Node's own report, and behind a shell",
    (node) => {
      const env = { NODE_OPTIONS: '--max-old-space-size=48 --report-on-fatalerror --report-directory=.' };
      expect(causeOf([node, '-e', HEAP_LEAK], env)).toMatchObject({
        cause: 'heap-limit',
        confidence: 'certain',
        memory: 'true',
      });
      const report = readdirSync(lab.project).find((name) => name.startsWith('report.'));
      expect(keyValues(classify('--exit', '134', '--report', report ?? '').stdout)).toMatchObject({
        cause: 'heap-limit',
        confidence: 'certain',
      });
      expect(causeOf(['sh', '-c', `'${node}' -e '${HEAP_LEAK}'; exit $?`], env)).toMatchObject({
        cause: 'heap-limit',
      });
    },
  );

  it.each(nodes)('of a worker at its own limit under %s is a heap limit', (node) => {
    // Spread over turns of the event loop: in a tight loop Node 24 aborts and 26 hangs.
    const code = 'const l=[];const f=()=>{for(let i=0;i<1e4;i++)l.push({a:[i]});setImmediate(f)};f()';
    const program = `new (require("worker_threads").Worker)(${JSON.stringify(code)},{eval:true,resourceLimits:{maxOldGenerationSizeMb:16}})`;
    expect(causeOf([node, '-e', program])).toMatchObject({ cause: 'heap-limit', memory: 'true' });
  });

  it.each(nodes)(
    'of a buffer that cannot be had under %s is an allocation; a string that is too long is not',
    (node) => {
      expect(causeOf([node, '-e', 'new ArrayBuffer(2**45)'])).toMatchObject({
        cause: 'allocation',
        memory: 'true',
      });
      expect(causeOf([node, '-e', '"x".repeat(2**29).repeat(9)'])).toMatchObject({
        cause: 'failed',
        memory: 'false',
      });
      expect(causeOf([node, '-e', '(function f(){f()})()'])).toMatchObject({
        cause: 'failed',
        memory: 'false',
      });
    },
  );

  it.each(nodes)('of %s under options that it refuses is no memory failure', (node) => {
    expect(causeOf([node, '-e', '0'], { NODE_OPTIONS: '--no-such-flag' })).toMatchObject({
      cause: 'bad-node-options',
    });
    expect(causeOf([node, '-e', '0'], { NODE_OPTIONS: '--optimize-for-size' })).toMatchObject({
      cause: 'bad-node-options',
    });
  });

  it('of Python without memory is an allocation', (context) => {
    if (spawnSync('python3', ['-c', '0']).status !== 0) context.skip('python3 is not installed here');
    expect(causeOf(['python3', '-c', 'bytearray(1 << 60)'])).toMatchObject({
      cause: 'allocation',
      memory: 'true',
    });
  });

  it('of a shell by kill -9 is a kill of unknown cause', () => {
    expect(causeOf(['sh', '-c', 'kill -9 $$'])).toMatchObject({
      cause: 'killed-unknown',
      confidence: 'unknown',
    });
  });

  it("ancestors' fault 8: the word heap in a text is no memory failure, 137 is no failure of its own", () => {
    const text = 'echo "updated heapsort docs: JavaScript heap out of memory" >&2; exit 1';
    expect(causeOf(['sh', '-c', text])).toMatchObject({
      cause: 'failed',
      memory: 'false',
      retried_as: 'never',
    });
    expect(keyValues(classify('--exit', '137').stdout)).toMatchObject({
      cause: 'killed-unknown',
      retried_as: 'crash',
    });
    expect(keyValues(classify('--exit', '137', '--short').stdout)).toMatchObject({
      cause: 'kernel-oom',
      retried_as: 'memory',
    });
  });
});

describe('a kill by the kernel', () => {
  it('in a cgroup is told by its counter, and by the counter of the machine alone only probably', async (context) => {
    const group = makeGroup();
    if (group === undefined) return context.skip('no memory cgroup can be made here');
    const before = { group: group.kills(), machine: readKernelOomKills() };
    const words = `echo $$ > '${group.dir}/cgroup.procs'; exec '${process.execPath}' -e 'const l=[];for(;;)l.push(Buffer.alloc(1e6,1))'`;
    const child = spawn('sh', ['-c', words], { stdio: 'ignore' });
    const signal = await new Promise((resolve) => child.once('exit', (_code, name) => resolve(name)));
    expect(signal).toBe('SIGKILL');
    const cgroup = {
      name: group.dir,
      before: before.group,
      after: group.kills(),
      isOwn: true,
      holdsLimit: false,
    };
    expect(classifyEnd({ signal: 'SIGKILL', cgroup })).toMatchObject({
      cause: 'kernel-oom',
      confidence: 'certain',
    });
    const kernelKills = { before: before.machine, after: readKernelOomKills() };
    expect(classifyEnd({ signal: 'SIGKILL', kernelKills })).toMatchObject({
      cause: 'kernel-oom',
      confidence: 'probable',
    });
  });

  it('of a wrapped command halves its heap for the next attempt', async (context) => {
    const group = makeGroup();
    if (group === undefined) return context.skip('no memory cgroup can be made here');
    const code =
      'console.log(process.env.NODE_OPTIONS);if(process.env.CLAUDE_PM_ATTEMPT==="1"){const l=[];for(;;)l.push(Buffer.alloc(1e6,1))}';
    const run = await retry(
      ['sh', '-c', `echo $$ > '${group.dir}/cgroup.procs'; exec '${process.execPath}' -e '${code}'`],
      ['--heap', '1024'],
    );
    expect([run.status, ended(run)]).toEqual([0, ['kernel-oom']]);
    expect(run.stdout).toMatch(/--max-old-space-size=1024[^\n]*\n[^\n]*--max-old-space-size=512\b/);
    // The machine's breaker was told of it.
    expect(readdirSync(lab.state)).toContain('breaker.json');
    expect([lab.leases(), lab.processes()]).toEqual([[], []]);
  });
});

describe('run', () => {
  it('lets output, exit code and signals through as if it were not there', async () => {
    expect(await retry(['sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({
      status: 7,
      stdout: 'out\n',
      stderr: expect.stringMatching(/^err\n/) as string,
    });
    expect(await retry(['sh', '-c', 'cat; exit 0'])).toMatchObject({ status: 0, stderr: '' });
    const piped = await lab.run('memory-retry', ['run', ...QUICK, '--', 'cat'], { input: 'through' });
    expect([piped.status, piped.stdout]).toEqual([0, 'through']);
    expect((await retry(['no-such-program'])).status).toBe(127);
    expectNothingLeft();
  });

  it("ancestors' fault 9: the attempt's number is the real one, and a larger heap ends a heap failure", async () => {
    const code = `console.log(process.env.CLAUDE_PM_ATTEMPT, process.env.CLAUDE_PM_HEAP_MB);const l=[];for(let i=0;i<6e5;i++)l.push({a:new Array(10).fill(i)});`;
    const run = await retry([process.execPath, '-e', code], ['--heap', '64', '--limit', '3GB']);
    expect(run.status).toBe(0);
    expect(run.stdout.trim().split('\n')).toEqual(
      ['1 64', '2 128'].concat(run.stdout.includes('3 256') ? ['3 256'] : []),
    );
    expect(new Set(ended(run))).toEqual(new Set(['heap-limit']));
    expectNothingLeft();
  });

  it('takes the heap that the user wrote in NODE_OPTIONS as the first one, and keeps what else stands there', async () => {
    const run = await retry(['sh', '-c', 'echo "$NODE_OPTIONS"'], [], {
      NODE_OPTIONS: '--trace-warnings --max_old_space_size=300',
    });
    expect(run.stdout).toMatch(/^--max-old-space-size=300 .*--trace-warnings$/m);
  });

  it('stops a tree over its limit, ends what ignores TERM, and gives more the next time', async () => {
    const leak = lab.write(
      'leak.cjs',
      'process.on("SIGTERM",()=>{});const n=Number(process.env.CLAUDE_PM_ATTEMPT);const l=[];for(let i=0;i<18;i++)l.push(Buffer.alloc(1e7,1));console.log("got there in attempt",n);if(n===1)setInterval(()=>{},1e6);',
    );
    const run = await retry(['sh', '-c', `'${process.execPath}' '${leak}'; exit $?`], ['--limit', '160MB']);
    expect([run.status, ended(run)]).toEqual([0, ['our-limit']]);
    expect(run.stdout).toContain('got there in attempt 2');
    expect(talk(run)).toMatch(
      /LIMIT: Memory exceeded 160MB at \d.*\n.*attempt 2 in .*: it grew over its hard limit: again with (?:19\d|2\d\d)/,
    );
    expectNothingLeft();
  });

  it('gives up with a sentence that says why, and with the exit code of the last attempt', async () => {
    const flags = ['--heap', '64', '--set', 'retry.memory_attempts=1'];
    const run = await retry([process.execPath, '-e', HEAP_LEAK], flags);
    expect([run.status, ended(run)]).toEqual([134, ['heap-limit', 'heap-limit']]);
    expect(talk(run)).toMatch(
      /no further attempt: it reached its runtime's heap limit; the 1 further attempt is used up/,
    );
    const off = await retry(
      [process.execPath, '-e', HEAP_LEAK],
      ['--heap', '64', '--set', 'memory_management.retry_on_memory_limit=false'],
    );
    expect([off.status, ended(off)]).toEqual([134, ['heap-limit']]);
    expect(talk(off)).toContain('retry_on_memory_limit is false');
    expectNothingLeft();
  });

  it('never tries again what failed by itself, though its text speaks of heaps', async () => {
    const run = await retry([
      'sh',
      '-c',
      'echo x >> calls; echo "FATAL ERROR: heapsort: JavaScript heap out of memory" >&2; exit 1',
    ]);
    expect([run.status, ended(run), lab.read('calls')]).toEqual([1, ['failed'], 'x\n']);
  });

  it('tries once again what was killed from outside', async () => {
    const run = await retry(['sh', '-c', 'echo x >> calls; kill -9 $$']);
    expect([run.status, ended(run), lab.read('calls')]).toEqual([
      137,
      ['killed-unknown', 'killed-unknown'],
      'x\nx\n',
    ]);
  });

  it('ends an attempt that takes too long, with all that it started', async () => {
    const line = 'echo x >> calls; setsid sleep 1000 & sleep 1000';
    const run = await retry(['sh', '-c', line], ['--timeout', '300ms', '--set', 'retry.timeout_attempts=1']);
    expect([run.status, ended(run), lab.read('calls')]).toEqual([143, ['timeout', 'timeout'], 'x\nx\n']);
    expectNothingLeft();
  });

  it('ends what a finished command left behind, so that its share is free in truth', async () => {
    const run = await retry(['sh', '-c', 'setsid sleep 1000 & echo $! > pid; exit 0']);
    expect(run.status).toBe(0);
    expect(lab.read('pid')).toMatch(/^\d+\n$/);
    expectNothingLeft();
  });

  it('hands TERM on, waits for the end, and tries nothing after it', async () => {
    const run = lab.start('memory-retry', [
      'run',
      ...QUICK,
      '--',
      'sh',
      '-c',
      'trap "echo got it; exit 5" TERM; echo x >> calls; echo ready; while :; do sleep 0.05; done',
    ]);
    await waitFor(() => run.stdout().includes('ready'), 'the command');
    await waitFor(() => lab.leases().some(({ state }) => state === 'running'), 'its lease');
    expect(lab.leases()).toMatchObject([{ role: 'agent', state: 'running', estimateBytes: 100 * 1024 ** 2 }]);
    process.kill(run.pid, 'SIGTERM');
    const end = await run.ended;
    expect([end.status, end.stdout, lab.read('calls')]).toEqual([5, 'ready\ngot it\n', 'x\n']);
    expect(ended(end)).toEqual(['interrupt']);
    expectNothingLeft();
  });

  it('keeps only the end of what the command says, and says all of it', async () => {
    const code = 'const s="y".repeat(1023)+"\\n";for(let i=0;i<30000;i++)process.stderr.write(s)';
    const run = await retry([process.execPath, '-e', code]);
    expect([run.status, run.stderr.length]).toEqual([0, 30000 * 1024]);
  });

  it('waits for its share no longer than was said, and starts nothing then', async () => {
    const floor = ['--set', 'admission.floor_mb=1000000', '--wait', '50ms'];
    const run = await lab.run('memory-retry', ['run', ...floor, '--', 'sh', '-c', 'echo x >> calls']);
    expect([run.status, lab.read('calls')]).toEqual([75, '']);
    expect(talk(run)).toMatch(/not started: Insufficient memory.*try again in/);
    expectNothingLeft();
  });

  it('inside an agent of a run takes no second share', async () => {
    const run = await retry(['sh', '-c', 'echo "$CLAUDE_PM_LEASE $CLAUDE_PM_ATTEMPT"'], [], {
      CLAUDE_PM_LEASE: 'abc',
    });
    expect([run.status, run.stdout]).toEqual([0, 'abc 1\n']);
    expect(existsSync(join(lab.state, 'ledger.json'))).toBe(false);
  });
});

describe('a stream of an epic', () => {
  const retryEpic = (...args: string[]): Promise<Ended> =>
    lab.run('memory-retry', ['shop', ...args, ...ROOMY]);
  const file = (): string =>
    lab.write(
      'streams.yaml',
      JSON.stringify([
        { id: 'A', issue: 1, memory: '50MB', limit: '150MB', command: ['node', 'work.cjs'] },
        {
          id: 'B',
          issue: 1,
          memory: '20MB',
          command: 'echo "heapsort: JavaScript heap out of memory" >&2; exit 1',
        },
        { id: 'C', issue: 1, memory: '20MB', command: 'true' },
      ]),
    );
  const runEpic = (): Promise<Ended> =>
    lab.run('coordination-memory', [
      'shop',
      'run',
      '--streams',
      file(),
      ...ROOMY,
      ...ONCE,
      '--set',
      'memory_management.cleanup_timeout=1',
    ]);

  it('is checked, prepared, tried again with more, verified and counted', async () => {
    lab.write(
      'work.cjs',
      'const l=[];for(let i=0;i<17;i++)l.push(Buffer.alloc(1e7,1));setTimeout(()=>0,process.env.CLAUDE_PM_ATTEMPT==="1"?1e6:600)',
    );
    expect((await runEpic()).status).toBe(30);

    const check = await retryEpic('check', '1/A');
    expect(check.status).toBe(0);
    const seen = keyValues(check.stdout);
    expect(seen).toMatchObject({
      cause: 'our-limit',
      attempt: '1',
      next_attempt: '2',
      decision: 'retry',
      memory_failures: '1',
    });
    expect(Number(seen['limit_mb'])).toBeGreaterThanOrEqual(150 * 1.5 - 1);
    expect(existsSync(join(lab.project, '.claude-pm/runs/shop/1-A/next.json'))).toBe(false);

    const prepared = keyValues((await retryEpic('prepare', '1/A')).stdout);
    expect(existsSync(prepared['prepared'] ?? '')).toBe(true);
    const again = await retryEpic('execute', '1/A', '--streams', file());
    expect([again.status, again.stdout]).toEqual([0, expect.stringContaining('streams_done:1')]);
    expect(again.stderr).toContain('attempt 2 at shop/1/A');

    const done = keyValues((await retryEpic('check', '1/A')).stdout);
    expect(done).toMatchObject({ cause: 'success', attempt: '2', decision: 'give-up' });
    const clean = keyValues((await retryEpic('verify-cleanup', '1/A')).stdout);
    expect(clean).toMatchObject({
      clean: 'true',
      attempt: '2',
      processes: '0',
      shares: '0',
      held_now_mb: '0',
    });
    expect(Number(clean['held_before_mb'])).toBeGreaterThan(150);
    expect(lab.read('.claude/epics/shop/coordination/cleanup-1-A.md')).toContain('- clean: true');
    expect(keyValues((await retryEpic('stats')).stdout)).toMatchObject({
      streams: '3',
      attempts: '4',
      retries: '1',
      recovered: '1',
      lost: '1',
      memory_failures: '1',
      cause_our_limit: '1',
      cause_failed: '1',
      cause_success: '2',
    });
  });

  it('that failed by itself is not tried again, whatever its text says', async () => {
    lab.write('work.cjs', '');
    await runEpic();
    for (const deed of ['check', 'prepare', 'execute'] as const) {
      const run = await retryEpic(deed, '1/B');
      expect([deed, run.status]).toEqual([deed, 30]);
    }
    expect(keyValues((await retryEpic('check', '1/B')).stdout)).toMatchObject({
      cause: 'failed',
      decision: 'give-up',
    });
  });

  it('of which something is left is told with its processes, and nobody is signalled', async () => {
    const holder = lab.hold();
    const owner = keyValues(
      lab.call('coordination-memory', [
        'shop',
        'spawn',
        '9/X',
        '--pid',
        String(holder.pid),
        '--memory',
        '20MB',
        ...ROOMY,
      ]).stdout,
    );
    expect(owner['decision']).toBe('admit');
    const run = await retryEpic('verify-cleanup', '9/X');
    expect(run.status).toBe(20);
    expect(keyValues(run.stdout)).toMatchObject({
      clean: 'false',
      processes: '1',
      pids: String(holder.pid),
      shares: '1',
    });
    expect(holder.exitCode ?? holder.signalCode).toBeNull();
    expect((await retryEpic('check', '9/X')).status).toBe(75);
  });
});
