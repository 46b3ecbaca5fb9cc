/** Is a stream of a run tried again when its end calls for it, with what that end calls for, and never otherwise? */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCeilings } from '../../lib/act/ceiling.ts';
import { makeGroup } from '../support/group.ts';
import {
  eventsOf,
  makeLab,
  readJobs,
  ROOMY,
  streamsFile,
  waitFor,
  type Ended,
  type Lab,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const set = (...pairs: string[]): string[] => pairs.flatMap((pair) => ['--set', pair]);
const QUICK = [...ROOMY, ...set('retry.backoff=0.05', 'memory_management.cleanup_timeout=1')];
const run = (lab: Lab, ...more: string[]): Promise<Ended> =>
  lab.run(NAME, ['e', 'run', '--streams', 'streams.yaml', '--json', ...QUICK, ...more]);
/** Of one stream: each attempt's number, outcome and cause. */
const attemptsAt = (lab: Lab, id: string): string[] =>
  readJobs(lab, 'e')
    .filter(({ key }) => key === `e/0/${id}`)
    .map(({ attempt, outcome, cause }) => `${attempt} ${outcome} ${cause}`);
const folder = (lab: Lab, ...names: string[]): string[] =>
  readdirSync(join(lab.project, '.claude-pm', 'runs', 'e', ...names)).sort();

/** Always a little more than it may hold. */
const GREEDY = `const b = Buffer.alloc(Math.ceil(process.env.CLAUDE_PM_LIMIT_MB * 1.1) * 2 ** 20, 1); setTimeout(() => b.length, 20000);`;

describe('a run', () => {
  it('tries each stream again as its end calls for, and what depends on it waits', async () => {
    const lab = makeLab();
    lab.write(
      'heap.cjs',
      'const l = []; for (let i = 0; i < 6e5; i++) l.push({ a: new Array(10).fill(i) });',
    );
    // 140 MB, and a while to be seen.
    lab.write('grow.cjs', 'const b = Buffer.alloc(140 * 2 ** 20, 1); setTimeout(() => b.length, 400);');
    // A client that keeps its session where Claude Code would, and is killed in its first attempt.
    lab.write(
      'agent.sh',
      `#!/bin/sh
file="sessions/$(pwd -P | sed 's/[^A-Za-z0-9]/-/g')/$2.jsonl"
echo "$1 $2 $(cat "$file" 2>/dev/null)" >> "calls-$3"
[ "$3" = COLD ] || { mkdir -p "\${file%/*}"; echo half >> "$file"; }
[ "$CLAUDE_PM_ATTEMPT" -gt 1 ] || kill -9 $$
`,
    );
    lab.write(
      '.claude-pm.yaml',
      'agents:\n  client:\n    command: [./agent.sh, begin, "{session}", "{stream}"]\n    resume_command: [./agent.sh, go-on, "{session}", "{stream}"]\n    transcript: "sessions/{cwd-slug}/{session}.jsonl"\n    memory: 20MB\n',
    );
    streamsFile(lab, [
      { id: 'HEAP', command: [process.execPath, 'heap.cjs'], memory: '90MB', heap: 64, limit: '400MB' },
      { id: 'LIMIT', command: [process.execPath, 'grow.cjs'], memory: '100MB', limit: '120MB' },
      { id: 'KILLED', command: '[ $CLAUDE_PM_ATTEMPT -gt 1 ] || kill -9 $$; true', memory: '10MB' },
      { id: 'SORT', command: 'echo x >> sort; echo "FATAL ERROR: heapsort: JavaScript heap out of memory" >&2; exit 1', memory: '10MB' }, // prettier-ignore
      { id: 'WARM', kind: 'client' },
      { id: 'COLD', kind: 'client' },
      { id: 'AFTER', command: 'true', memory: '10MB', depends_on: ['0/HEAP'] },
      { id: 'NEVER', command: 'true', memory: '10MB', depends_on: ['0/SORT'] },
    ]);
    const ended = await run(lab);

    expect([ended.status, ended.stderr]).toEqual([30, '']);
    expect(attemptsAt(lab, 'HEAP')).toEqual(['1 failed heap-limit', '2 done success']);
    expect(attemptsAt(lab, 'LIMIT')).toEqual(['1 killed-limit our-limit', '2 done success']);
    expect(attemptsAt(lab, 'KILLED')).toEqual(['1 failed killed-unknown', '2 done success']);
    expect([attemptsAt(lab, 'SORT'), lab.read('sort')]).toEqual([['1 failed failed'], 'x\n']);
    // In order: HEAP's second attempt was done before what waits for it began.
    const jobs = readJobs(lab, 'e');
    const [done, after] = [
      jobs.findLast(({ key }) => key === 'e/0/HEAP'),
      jobs.find(({ key }) => key === 'e/0/AFTER'),
    ];
    expect(after?.startMs).toBeGreaterThanOrEqual(done?.endMs ?? Infinity);
    expect(eventsOf(ended.stdout, 'skip').map(({ key }) => key)).toEqual(['e/0/NEVER']);

    const told = new Map(eventsOf(ended.stdout, 'retry').map((event) => [event.key, event]));
    expect(told.size).toBe(5);
    expect(told.get('e/0/HEAP')).toMatchObject({
      attempt: 2,
      cause: 'heap-limit',
      heapMb: 128,
      alone: false,
    });
    const [first] = eventsOf(ended.stdout, 'end').filter(({ result }) => result.key === 'e/0/LIMIT');
    const seenBytes = Math.max(first?.result.peakBytes ?? 0, 120 * 2 ** 20);
    expect(told.get('e/0/LIMIT')?.estimateBytes).toBe(Math.ceil(seenBytes * 1.2));
    expect(told.get('e/0/KILLED')).toMatchObject({ estimateBytes: 10 * 2 ** 20, cause: 'killed-unknown' });
    // What the next attempt got is what it was told.
    const starts = eventsOf(ended.stdout, 'start').filter(
      ({ key, attempt }) => key === 'e/0/LIMIT' && attempt === 2,
    );
    expect(starts.map(({ limitBytes }) => limitBytes)).toEqual([told.get('e/0/LIMIT')?.limitBytes]);
    expect(folder(lab, '0-LIMIT', 'attempt-1')).toEqual(['evidence.json', 'result.json', 'spec.json', 'stderr.log', 'stdout.log']); // prettier-ignore

    // The session goes on where there is something to go on with; a cold start never begins the same one twice.
    const calls = (id: string): string[][] => lab.read(`calls-${id}`).trim().split('\n').map((line) => line.trim().split(' ')); // prettier-ignore
    const [begin, goOn] = calls('WARM');
    expect([begin, goOn]).toEqual([['begin', expect.stringMatching(/^[0-9a-f-]{36}$/)], ['go-on', begin?.[1], 'half']]); // prettier-ignore
    const cold = calls('COLD');
    expect([cold.map(([deed]) => deed), new Set(cold.map(([, id]) => id)).size]).toEqual([
      ['begin', 'begin'],
      2,
    ]);

    const [summary] = eventsOf(ended.stdout, 'summary');
    expect(summary?.summary).toMatchObject({ killedByUs: 1, killedByKernel: 0, exitCode: 30 });
    expect([lab.leases(), lab.processes()]).toEqual([[], []]);
  });

  it('gives up with a sentence that says why, and --resume goes on from there once more', async () => {
    const lab = makeLab();
    lab.write('greedy.cjs', GREEDY);
    streamsFile(lab, [{ id: 'A', command: [process.execPath, 'greedy.cjs'], memory: '60MB', limit: '60MB' }]);
    const ended = await run(lab, ...set('retry.memory_attempts=1'));
    expect([ended.status, attemptsAt(lab, 'A')]).toEqual([
      30,
      ['1 killed-limit our-limit', '2 killed-limit our-limit'],
    ]);
    const last = eventsOf(ended.stdout, 'end').at(-1)?.result;
    expect(last?.reason).toContain(
      'no further attempt: it grew over its hard limit; the 1 further attempt is used up',
    );
    const before = last?.limitBytes ?? Infinity;

    const again = await run(lab, '--resume', ...set('retry.memory_attempts=1'));
    expect([again.status, attemptsAt(lab, 'A').at(-1)]).toEqual([30, '3 killed-limit our-limit']);
    expect(eventsOf(again.stdout, 'retry')).toEqual([]);
    expect(eventsOf(again.stdout, 'start')[0]?.limitBytes).toBeGreaterThan(before * 1.2);
  });

  it('that waits to try again ends at once at Ctrl-C, and gives up what somebody kills', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'kill -9 $$', memory: '10MB' }]);
    for (const how of ['SIGINT', 'kill']) {
      const waiting = lab.start(NAME, ['e', 'run', '--streams', 'streams.yaml', '--json', ...QUICK, ...set('retry.backoff=1000')]); // prettier-ignore
      await waitFor(() => eventsOf(waiting.stdout(), 'retry').length === 1, 'the wait');
      if (how === 'SIGINT') waiting.child.kill('SIGINT');
      else expect((await lab.run(NAME, ['e', 'kill', 'A', '--reason', 'by hand'])).status).toBe(0);
      const ended = await waiting.ended;
      const skips = eventsOf(ended.stdout, 'skip').map(({ reason }) => reason);
      expect([ended.status, skips]).toEqual(
        how === 'SIGINT' ? [130, []] : [30, ['no further attempt: by hand']],
      );
    }
    expect([attemptsAt(lab, 'A'), lab.leases()]).toEqual([['1 failed killed-unknown'], []]);
  });
});

describe('a kill by the kernel', () => {
  it('at the ceiling of an agent is its own limit, and nothing that the machine must answer for', async (context) => {
    const lab = makeLab();
    if (!openCeilings().kind.startsWith('cgroup')) return context.skip('no group can be made here');
    // The run is halted meanwhile: what the watchdog does not see, the kernel ends.
    lab.write('leak.cjs', 'const l = []; for (let i = 0; i < 40; i++) l.push(Buffer.alloc(1e7, 1));');
    streamsFile(lab, [
      { id: 'A', command: `[ $CLAUDE_PM_ATTEMPT -gt 1 ] && exit; kill -STOP $PPID; '${process.execPath}' leak.cjs; code=$?; kill -CONT $PPID; exit $code`, memory: '60MB', limit: '70MB' }, // prettier-ignore
    ]);
    const ended = await run(lab);
    expect([ended.status, attemptsAt(lab, 'A')]).toEqual([
      0,
      ['1 killed-kernel our-limit', '2 done success'],
    ]);
    expect(eventsOf(ended.stdout, 'retry')[0]?.estimateBytes).toBeGreaterThanOrEqual(70 * 2 ** 20 * 1.2);
    expect(existsSync(join(lab.state, 'breaker.json'))).toBe(false);
  });

  it('because others took the memory halves the heap, and the breaker hears of it', async (context) => {
    const group = makeGroup();
    if (group === undefined) return context.skip('no memory cgroup can be made here');
    const lab = makeLab();
    lab.write('leak.cjs', 'const l = []; for (let i = 0; i < 40; i++) l.push(Buffer.alloc(1e7, 1));');
    streamsFile(lab, [
      { id: 'A', command: `[ $CLAUDE_PM_ATTEMPT -gt 1 ] && exit; echo $$ > '${group.dir}/cgroup.procs'; exec '${process.execPath}' leak.cjs`, memory: '100MB', heap: 512 }, // prettier-ignore
    ]);
    const ended = await run(lab, ...set('thresholds.kernel_ceiling=off'));
    expect([ended.status, attemptsAt(lab, 'A')]).toEqual([
      0,
      ['1 killed-kernel kernel-oom', '2 done success'],
    ]);
    expect(eventsOf(ended.stdout, 'retry')).toEqual([expect.objectContaining({ heapMb: 256, alone: true })]);
    expect(existsSync(join(lab.state, 'breaker.json'))).toBe(true);
  });
});
