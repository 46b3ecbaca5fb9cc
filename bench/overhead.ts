/**
 * What does the runner itself take while it runs four hundred short streams? At most 5 ms of CPU a stream (what GNU
 * parallel takes) and 80 MB of memory, beside GNU parallel with the same jobs, with and without --memfree.
 *
 *   npx tsx bench/overhead.ts [--streams 400] [--at 8,32] [--dir DIR] [--json]
 *
 * The jobs are `sleep` of 0.2 to 1 s, the same in each run (seeded). CPU is user and system time of the one process that
 * runs the jobs, its start included, its children not: the last value that /proc/PID/stat showed before its end.
 * Memory is the most that its PSS was at a look every quarter of a second. Everything of both sides lies in memory
 * (/dev/shm) where that can be had: ext4 passes over inodes that were deleted within the last minutes one by one, so
 * after somebody has removed some thousand files on a disk, each new file there costs any program up to 0.5 ms.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isThere } from '../lib/files.ts';
import { MIB } from '../lib/units.ts';
import {
  bundled,
  count,
  isInstalled,
  openScene,
  PARALLEL_MISSING,
  pssOf,
  readCpu,
  readFlags,
  seeded,
  sleep,
  tell,
} from './support.ts';

const MOST_CPU_MS = 5;
const MOST_PSS_MB = 80;
const SEED = 400;
const LOOK_MS = 10;
const PSS_EVERY_MS = 250;

const flags = readFlags('npx tsx bench/overhead.ts [--streams N] [--at N,N] [--dir DIR] [--json]', {
  streams: '400',
  at: '8,32',
  dir: isThere('/dev/shm') ? '/dev/shm' : tmpdir(),
});
const streams = count('streams', flags.streams);
const slots = flags.at.split(',').map((text) => count('at', text));
const { dir, env } = openScene(flags.dir);
const project = join(dir, 'project');

const random = seeded(SEED);
const lengths = Array.from({ length: streams }, () => Math.round(200 + 800 * random()) / 1000);
const jobs = lengths.map((seconds) => `sleep ${seconds.toFixed(3)}`);
const jobsFile = join(dir, 'jobs.txt');
// Lines on stdin are of the kind `shell`: with its default size only a few would fit at once.
writeFileSync(join(project, '.claude-pm.yaml'), 'agents:\n  shell:\n    memory: 16MB\n');
writeFileSync(jobsFile, `${jobs.join('\n')}\n`);

interface Cost {
  readonly cpuMs: number;
  readonly pssMb: number;
  readonly wallMs: number;
  readonly allCpuMs: number;
}

/** Runs a program on the jobs to its end and looks at it meanwhile. @throws Error where it does not end with 0. */
async function measure([program = '', ...words]: readonly string[]): Promise<Cost> {
  const fds = [openSync(jobsFile, 'r'), openSync(join(dir, 'out.log'), 'w')];
  const before = readCpu('self')?.childrenMs ?? NaN;
  const startedMs = performance.now();
  const child = spawn(program, words, { cwd: project, env, stdio: [...fds, 'inherit'] });
  for (const fd of fds) closeSync(fd);
  const pid = child.pid ?? 0;
  const end = new Promise<{ readonly code: number | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code }));
  });
  let cpuMs = 0;
  let pssMb = 0;
  let nextPssMs = 0;
  for (;;) {
    cpuMs = readCpu(pid)?.ownMs ?? cpuMs;
    if (performance.now() >= nextPssMs) {
      pssMb = Math.max(pssMb, pssOf([pid]) / MIB);
      nextPssMs = performance.now() + PSS_EVERY_MS;
    }
    const ended = await Promise.race([sleep(LOOK_MS), end]);
    if (ended?.code === 0) break;
    if (ended) throw new Error(`${[program, ...words].join(' ')} ended with ${ended.code}`);
  }
  const allCpuMs = (readCpu('self')?.childrenMs ?? NaN) - before;
  return { cpuMs, pssMb, wallMs: performance.now() - startedMs, allCpuMs };
}

const runner = bundled('coordination-memory');
const hasParallel = isInstalled('parallel');
mkdirSync(join(dir, 'parallel'));
env['PARALLEL_HOME'] = join(dir, 'parallel');

const rows = [];
const bounds = [];
for (const at of slots) {
  const parallel = ['parallel', '--will-cite', `-j${at}`, '--joblog', join(dir, `joblog-${at}.tsv`)];
  const sides = [
    {
      name: 'coordination-memory run',
      isOurs: true,
      words: [
        ...runner,
        `overhead-${at}`,
        'run',
        '--streams',
        '-',
        '--set',
        `memory_management.max_concurrent_agents=${at}`,
      ],
    },
    ...(hasParallel
      ? [
          { name: 'parallel', isOurs: false, words: parallel },
          { name: 'parallel --memfree 1G', isOurs: false, words: [...parallel, '--memfree', '1G'] },
        ]
      : []),
  ];
  for (const { name, isOurs, words } of sides) {
    const { cpuMs, pssMb, wallMs, allCpuMs } = await measure(words);
    const leastMs = (1000 * lengths.reduce((sum, seconds) => sum + seconds, 0)) / at;
    rows.push({
      runner: name,
      'at once': at,
      'own CPU ms/stream': cpuMs / streams,
      'all CPU ms/stream': allCpuMs / streams,
      'PSS MB': pssMb,
      'time s': wallMs / 1000,
      'x least': wallMs / leastMs,
    });
    if (!isOurs) continue;
    bounds.push(
      { what: `own CPU a stream, ${at} at once`, measured: cpuMs / streams, most: MOST_CPU_MS, unit: ' ms' },
      { what: `PSS, ${at} at once`, measured: pssMb, most: MOST_PSS_MB, unit: ' MB' },
    );
  }
}

tell(
  {
    question: `What does the runner itself take for ${streams} streams of 0.2 to 1 s?`,
    rows,
    bounds,
    missing: hasParallel ? [] : [PARALLEL_MISSING],
    notes: ['"all CPU" holds the jobs and whatever else was started; "x least": against Σ of times / slots'],
  },
  flags.json,
);
