/** How far past its hard limit does a leak come before it is stopped: ours, and beside it a look every two seconds? */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { readStat } from '../lib/probe/processes.ts';
import { bundled, median, sleep, type Bound } from './support.ts';
import {
  leakWords,
  load,
  readLeak,
  scene,
  start,
  warm,
  type LeakRecord,
  type Part,
} from './guard-support.ts';

const LIMIT_MB = 1024;
/** Without a guard it would come so far. */
const MOST_MB = 4096;
const RATES: readonly { readonly mbPerS: number; readonly medianMb: number }[] = [
  { mbPerS: 200, medianMb: 10 },
  { mbPerS: 1000, medianMb: 30 },
];
const WORST_MB = 150;
/** Leaks that were slower than this share of their rate say little of it. */
const RATE_SHARE = 0.9;
const PLAIN_MS = 2000;
const PLAIN_RUNS = 3;

export const measureOvershoot: Part = async (runs) => {
  const rows = [];
  const bounds: Bound[] = [];
  const missing: string[] = [];
  for (const { mbPerS, medianMb } of RATES) {
    const ours = await repeat(runs, LIMIT_MB, (record) => guarded(record, mbPerS));
    const farMb = LIMIT_MB + (mbPerS * PLAIN_MS) / 1000;
    const plain = await repeat(Math.min(runs, PLAIN_RUNS), farMb, (record, at) => polled(record, mbPerS, at));
    const sides = [
      { name: `memory-monitor run --max ${LIMIT_MB / 1024}GB`, leaks: ours },
      { name: `a look every ${PLAIN_MS / 1000} s, then KILL`, leaks: plain },
    ];
    for (const { name, leaks } of sides) {
      const over = leaks.map(({ mb }) => mb - LIMIT_MB);
      rows.push({
        guard: name,
        'MB/s': mbPerS,
        runs: leaks.length,
        'MB/s reached': median(leaks.map((leak) => leak.mbPerS)),
        'slowest MB/s': Math.min(...leaks.map((leak) => leak.mbPerS)),
        'median over MB': median(over),
        'worst over MB': Math.max(...over),
        load: load(),
      });
    }
    const over = ours.map(({ mb }) => mb - LIMIT_MB);
    const reached = median(ours.map((leak) => leak.mbPerS));
    if (reached < mbPerS * RATE_SHARE)
      missing.push(
        `a leak of ${mbPerS} MB/s: it came to ${Math.round(reached)} MB/s at a load of ${load()}; call again on a machine that is less busy`,
      );
    bounds.push(
      { what: `over at ${mbPerS} MB/s, median of ${runs}`, measured: median(over), most: medianMb, unit: ' MB' },
      { what: `over at ${mbPerS} MB/s, worst`, measured: Math.max(...over), most: WORST_MB, unit: ' MB' },
    ); // prettier-ignore
  }
  return {
    question: `How far past a hard limit of ${LIMIT_MB} MB does a leak come?`,
    rows,
    bounds,
    missing,
    notes: ['"over" is what the leak itself wrote down as its RSS at its last step, so in steps of 1 MB'],
  };
};

async function repeat(
  runs: number,
  toMb: number,
  once: (record: string, at: number) => Promise<void>,
): Promise<LeakRecord[]> {
  const leaks: LeakRecord[] = [];
  for (let at = 0; at < runs; at += 1) {
    const record = join(scene.dir, 'leak');
    warm(toMb + 256);
    await once(record, at);
    const leak = readLeak(record);
    if (leak === undefined) throw new Error('the leak never began');
    leaks.push(leak);
  }
  return leaks;
}

async function guarded(record: string, mbPerS: number): Promise<void> {
  const words = ['run', '--max', `${LIMIT_MB}MB`, '--', ...leakWords(record, { mbPerS, mostMb: MOST_MB })];
  const run = start([...bundled('memory-monitor'), ...words]);
  await run.ended;
  if (!run.output().includes('LIMIT:')) throw new Error(`nothing was stopped: ${run.output()}`);
}

/** The other side: looks at the RSS every two seconds. When the leak begins between two looks is spread over the runs. */
async function polled(record: string, mbPerS: number, at: number): Promise<void> {
  const [program = '', ...words] = leakWords(record, { mbPerS, mostMb: MOST_MB });
  const child = spawn(program, words, { stdio: 'ignore' });
  const end = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await sleep((PLAIN_MS * (at + 0.5)) / PLAIN_RUNS);
  for (;;) {
    const bytes = readStat(child.pid ?? 0)?.residentBytes ?? 0;
    if (bytes > LIMIT_MB * 1024 ** 2) break;
    await sleep(PLAIN_MS);
  }
  child.kill('SIGKILL');
  await end;
}
