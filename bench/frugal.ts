/** How much less does a program that allocates much hold under the preload behind optimize_for_size, and for how much CPU? */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const preload = join(import.meta.dirname, '..', 'env', 'claude-pm-frugal.cjs');
const RUNS = 5;

/** A million small objects through a window of 120 000 that live, then what they took: [peak RSS in KB, CPU in µs]. */
const program = `
const window = new Array(120000);
for (let at = 0; at < 1e6; at++) window[at % window.length] = { at, text: 'x'.repeat(20) + at, list: new Array(80).fill(at) };
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
process.stdout.write(JSON.stringify([maxRSS, userCPUTime + systemCPUTime]));`;

function measure(nodeOptions: string): [number, number] {
  const run = spawnSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
  });
  const value: unknown = JSON.parse(run.stdout);
  if (!Array.isArray(value)) throw new Error(run.stderr);
  return [Number(value[0]) / 1024, Number(value[1]) / 1000];
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;

const plain: [number, number][] = [];
const frugal: [number, number][] = [];
for (let run = 0; run < RUNS; run += 1) {
  plain.push(measure('--max-old-space-size=8192'));
  frugal.push(measure(`--max-old-space-size=8192 --require="${preload.replace(/["\\]/g, '\\$&')}"`));
}
const [plainMb, plainMs] = [median(plain.map(([mb]) => mb)), median(plain.map(([, ms]) => ms))];
const [frugalMb, frugalMs] = [median(frugal.map(([mb]) => mb)), median(frugal.map(([, ms]) => ms))];
console.log(`node ${process.version}, median of ${RUNS}, heap limit 8192 MB`);
console.log(`without  ${plainMb.toFixed(0)} MB  ${plainMs.toFixed(0)} ms CPU`);
console.log(`with     ${frugalMb.toFixed(0)} MB  ${frugalMs.toFixed(0)} ms CPU`);
console.log(`ratio    ${(frugalMb / plainMb).toFixed(2)}      ${(frugalMs / plainMs).toFixed(2)}`);
