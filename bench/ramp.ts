/**
 * What happens to agents that grow slowly? Twelve jobs ramp to 300 MB within 6 s, and there is memory for four of them:
 * ours never runs more than four, and what they hold together never exceeds the budget. Beside it admission by what is
 * free at the moment (`parallel --memfree`), which starts all twelve while they are small.
 *
 *   npx tsx bench/ramp.ts [--jobs 12] [--seconds 6] [--json]
 *
 * Each side runs in a memory cgroup of its own where one can be made (root, v1 or v2), so that over-commitment shows as
 * kills by the kernel; else on the machine, with all but the budget kept free. A job is a Node that holds what a bare one
 * takes, then more and more until its RSS is just under 300 MB; RSS of all jobs is summed five times a second.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../lib/units.ts';
import { readStat } from '../lib/probe/processes.ts';
import { readMemory } from '../lib/probe/memory.ts';
import { openBudgetGroup, type BudgetGroup } from './budget-group.ts';
import {
  bundled,
  count,
  isInstalled,
  openScene,
  PARALLEL_MISSING,
  readFlags,
  sleep,
  tell,
} from './support.ts';

const JOB_MB = 300;
const AT_ONCE = 4;
const BUDGET_MB = AT_ONCE * JOB_MB;
/** In the group there is also whoever runs the jobs, and what is held back for safety. */
const BESIDE_MB = 300;
const LOOK_MS = 200;

const flags = readFlags('npx tsx bench/ramp.ts [--jobs N] [--seconds N] [--json]', {
  jobs: '12',
  seconds: '6',
});
const jobs = count('jobs', flags.jobs);
const rampMs = 1000 * count('seconds', flags.seconds);
const { dir, env } = openScene();
const project = join(dir, 'project');

/** Says who it is by a file, grows to its size, and ends. The last megabytes are left for Node's own. */
const job = join(dir, 'ramp.mjs');
writeFileSync(
  job,
  `import { writeFileSync } from 'node:fs';
const [pids] = process.argv.slice(2);
writeFileSync(pids + '/' + process.pid, '');
const held = [], startMs = Date.now(), startMb = process.memoryUsage.rss() / ${MIB};
const grow = () => {
  const share = Math.min(1, (Date.now() - startMs) / ${rampMs});
  const wantedMb = startMb + (${JOB_MB - 6} - startMb) * share;
  while (process.memoryUsage.rss() / ${MIB} < wantedMb - 1) held.push(Buffer.alloc(${MIB / 2}, 1));
  if (share < 1) setTimeout(grow, 50);
};
grow();
`,
);

interface Look {
  readonly atMs: number;
  readonly running: number;
  readonly mb: number;
}

interface Outcome {
  readonly looks: readonly Look[];
  readonly done: number;
  readonly kernelKills: number | undefined;
  readonly ms: number;
}

/** Which jobs run now, and what they hold together. Each left a file that is named after its pid. */
function look(pids: string, startedMs: number): Look {
  const alive = readdirSync(pids)
    .map((name) => readStat(Number(name)))
    .filter((facts) => facts !== undefined && facts.state !== 'Z' && facts.residentBytes > 0);
  return {
    atMs: Date.now() - startedMs,
    running: alive.length,
    mb: alive.reduce((sum, facts) => sum + (facts?.residentBytes ?? 0), 0) / MIB,
  };
}

/** Runs one side to its end, whatever its exit code; its joblog tells how many jobs were done. */
async function run(
  name: string,
  words: (pids: string) => readonly string[],
  input: ((pids: string) => string) | undefined,
  joblog: string,
): Promise<Outcome> {
  const pids = join(dir, `pids-${name}`);
  mkdirSync(pids);
  const inputFile = join(dir, `input-${name}`);
  writeFileSync(inputFile, input?.(pids) ?? '');
  const group: BudgetGroup | undefined = openBudgetGroup((BUDGET_MB + BESIDE_MB) * MIB);
  const fds = [openSync(inputFile, 'r'), openSync(join(dir, `${name}.log`), 'w')];
  const startedMs = Date.now();
  try {
    const [program = '', ...rest] = [...(group?.enter ?? []), ...words(pids)];
    const child = spawn(program, rest, { cwd: project, env, stdio: [...fds, fds[1] ?? 'ignore'] });
    const end = new Promise<'ended'>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => resolve('ended'));
    });
    const looks: Look[] = [];
    do looks.push(look(pids, startedMs));
    while ((await Promise.race([sleep(LOOK_MS), end])) !== 'ended');
    return { looks, done: doneIn(joblog), kernelKills: group?.kernelKills(), ms: Date.now() - startedMs };
  } finally {
    for (const fd of fds) closeSync(fd);
    await group?.close();
    rmSync(pids, { recursive: true, force: true });
  }
}

/** Lines with exit code 0 and no signal in a joblog, whose first columns are GNU parallel's on both sides. */
function doneIn(path: string): number {
  const lines = readFileSync(path, 'utf8').split('\n').slice(1);
  return lines.map((line) => line.split('\t')).filter((cells) => cells[6] === '0' && cells[7] === '0').length;
}

const streamsFile = join(dir, 'streams.json');
const ours = await run(
  'ours',
  (pids) => {
    const command = [process.execPath, job, pids];
    const limit = `${JOB_MB + 60}MB`;
    const list = Array.from({ length: jobs }, (_, at) => ({
      id: `ramp${at}`,
      command,
      memory: `${JOB_MB}MB`,
      limit,
      heap: '64MB',
    }));
    writeFileSync(streamsFile, JSON.stringify(list));
    // No coordinator runs beside: its share is not to be held back.
    const share = ['--set', 'memory_management.coordinator_memory_gb=0'];
    return [
      ...bundled('coordination-memory'),
      'ramp',
      'run',
      '--streams',
      streamsFile,
      '--budget',
      `${BUDGET_MB}MB`,
      ...share,
    ];
  },
  undefined,
  join(project, '.claude-pm', 'runs', 'ramp', 'joblog.tsv'),
);

const hasParallel = isInstalled('parallel');
const inGroup = ours.kernelKills !== undefined;
const joblog = join(dir, 'joblog-parallel.tsv');
mkdirSync(join(dir, 'parallel'));
env['PARALLEL_HOME'] = join(dir, 'parallel');
/** In a group a job's size is asked to be free, as its manual advises; on the machine all but the budget. */
const keepFreeMb = inGroup ? JOB_MB : Math.floor(readMemory().availableBytes / MIB) - BUDGET_MB;
const memfree = `--memfree=${keepFreeMb}M`;
const theirs = hasParallel
  ? await run(
      'parallel',
      () => ['parallel', '--will-cite', `-j${jobs}`, '--joblog', joblog, memfree],
      (pids) => `${process.execPath} ${job} ${pids}\n`.repeat(jobs),
      joblog,
    )
  : undefined;

const most = (outcome: Outcome, key: 'running' | 'mb'): number =>
  Math.max(0, ...outcome.looks.map((seen) => seen[key]));
const sides = [
  { name: `coordination-memory run --budget ${BUDGET_MB}MB`, outcome: ours },
  ...(theirs ? [{ name: `parallel ${memfree}`, outcome: theirs }] : []),
];
/** One look a second: running/MB. */
const timeline = (outcome: Outcome): string =>
  outcome.looks
    .filter(
      ({ atMs }, at) =>
        at === 0 || Math.floor(atMs / 1000) > Math.floor((outcome.looks[at - 1]?.atMs ?? 0) / 1000),
    )
    .map(({ running, mb }) => `${running}/${Math.round(mb)}`)
    .join(' ');

tell(
  {
    question: `${jobs} jobs ramp to ${JOB_MB} MB in ${rampMs / 1000} s, memory for ${AT_ONCE}: who over-commits? (${inGroup ? `memory cgroup of ${BUDGET_MB + BESIDE_MB} MB` : 'on the machine'})`,
    rows: sides.map(({ name, outcome }) => ({
      admission: name,
      done: `${outcome.done} of ${jobs}`,
      'most at once': most(outcome, 'running'),
      'most MB together': most(outcome, 'mb'),
      'kernel kills': outcome.kernelKills,
      'time s': outcome.ms / 1000,
    })),
    bounds: [
      { what: 'ours: at once', measured: most(ours, 'running'), most: AT_ONCE, unit: '' },
      { what: 'ours: together', measured: most(ours, 'mb'), most: BUDGET_MB, unit: ' MB' },
      { what: 'ours: not done', measured: jobs - ours.done, most: 0, unit: '' },
      { what: 'ours: killed by the kernel', measured: ours.kernelKills ?? 0, most: 0, unit: '' },
    ],
    missing: [
      ...(hasParallel ? [] : [PARALLEL_MISSING]),
      ...(inGroup ? [] : ['a memory cgroup: run as root where a memory controller can be had']),
    ],
    notes: sides.map(({ name, outcome }) => `${name}, running/MB second by second: ${timeline(outcome)}`),
  },
  flags.json,
);
