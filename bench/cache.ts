/** Does the prompt cache hold what it promises under 50 processes with kills, and what does a hit cost beyond start-up? */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { contentKey } from '../lib/state/cache-entries.ts';
import { setEntry } from '../lib/commands/prompt-cache/cache.ts';
import { isAlive, readSelf } from '../lib/probe/identity.ts';
import { MIB } from '../lib/units.ts';
import { bundleFixture } from '../test/support/fixture.ts';
import { watchCache } from '../test/support/watch-cache.ts';
import { count, median, openScene, readFlags, seeded, sleep, tell, type Findings } from './support.ts';

const flags = readFlags('npx tsx bench/cache.ts [--processes 50] [--operations 1000] [--kills 25] [--starts 40] [--json]', { processes: '50', operations: '1000', kills: '25', starts: '40' }); // prettier-ignore
const processes = count('processes', flags.processes);
const operations = count('operations', flags.operations);
const kills = flags.kills === '0' ? 0 : count('kills', flags.kills);
const starts = count('starts', flags.starts);

/** Small limits, so that nearly every set is near them. */
const MAX_BYTES = 2 * MIB;
const MAX_ENTRIES = 60;
const SIZES = [1000, 10_000, 100_000, 1_000_000];

const { dir, env } = openScene();
const chance = seeded(7);

interface Found {
  readonly busy: number;
  readonly torn: number;
  readonly hits: number;
  readonly misses: number;
  readonly sets: number;
}

async function stress(): Promise<{ row: Findings['rows'][number]; bounds: Findings['bounds'] }> {
  const state = join(dir, 'state');
  const worker = bundleFixture('cache-worker', dir);
  const found: Found[] = [];
  const faults: string[] = [];
  const running = new Set<ChildProcess>();
  let killed = 0;
  let seed = 0;
  const start = (): void => {
    seed += 1;
    const words = [state, operations, seed, MAX_BYTES, MAX_ENTRIES].map(String);
    const child = spawn(process.execPath, [worker, ...words], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (chunk: string) => void (text[name] += chunk));
    running.add(child);
    child.once('close', (code, signal) => {
      running.delete(child);
      // Every process that is killed is replaced: in the end as many as were asked for have done all of their operations.
      if (signal === 'SIGKILL') start();
      else if (code === 0) found.push(JSON.parse(text.stdout) as Found);
      else faults.push(`exit ${code}: ${text.stderr.trim()}`);
    });
  };
  const watch = watchCache(state);
  const startMs = performance.now();
  for (let at = 0; at < processes; at += 1) start();
  let nextKillMs = startMs + 500;
  while (running.size > 0) {
    watch.look();
    const isKillDue = killed < kills && performance.now() > nextKillMs;
    if (isKillDue) {
      [...running][Math.floor(chance() * running.size)]?.kill('SIGKILL');
      killed += 1;
      nextKillMs += 200 + 400 * chance();
    }
    await sleep(2);
  }
  const seconds = (performance.now() - startMs) / 1000;
  const sum = (key: keyof Found): number => found.reduce((total, one) => total + one[key], 0);
  const row = { processes, operations: processes * operations, killed, seconds, 'ops/s': (processes * operations) / seconds, hits: sum('hits'), misses: sum('misses'), sets: sum('sets'),
    'told to come again': sum('busy'), 'still looks': watch.seen.looks }; // prettier-ignore
  return {
    row,
    bounds: [
      { what: 'torn or foreign values returned', measured: sum('torn'), most: 0, unit: '' },
      { what: `processes that failed${faults[0] === undefined ? '' : ` (${faults[0]})`}`, measured: faults.length, most: 0, unit: '' },
      { what: 'processes missing at the end', measured: processes - found.length, most: 0, unit: '' },
      { what: 'most bytes on disk at any look, half-written ones included', measured: watch.seen.mostBytes / MIB, most: MAX_BYTES / MIB, unit: ' MB' },
      { what: 'most entries at any look', measured: watch.seen.mostEntries, most: MAX_ENTRIES, unit: '' },
    ],
  }; // prettier-ignore
}

interface HitCost {
  readonly firstMs: number;
  /** The same where V8 had compiled all code before (`--no-lazy`). */
  readonly compiledMs: number;
  readonly furtherMs: number;
}

/** Fresh processes that open a call's context and then time their gets of an entry of this size. */
function timeHits(bytes: number): HitCost & { readonly startMs: number } {
  const state = join(dir, `state-${bytes}`);
  const rules = {
    ttlMs: 3_600_000,
    maxBytes: 50 * MIB,
    maxEntries: 500,
    evictShare: 0.8,
    sweepEveryMs: 60_000,
  };
  const world = {
    settings: { promptCache: rules },
    stateDir: () => state,
    liveness: () => ({ self: readSelf(), isAlive }),
  };
  const value = Buffer.alloc(bytes, 'a prompt is text. ');
  const key = contentKey(value);
  setEntry(world, key, value);
  for (let at = 0; at < 300; at += 1) setEntry(world, `other ${at}`, Buffer.alloc(1000, 'x'));
  const probe = bundleFixture('cache-hit', dir);
  const run = (
    words: readonly string[],
    options: readonly string[] = [],
  ): { wholeMs: number; timesMs: number[] } => {
    const startMs = performance.now();
    const { stdout } = spawnSync(process.execPath, [...options, probe, ...words], {
      env: { ...env, CLAUDE_PM_STATE_DIR: state },
      encoding: 'utf8',
    });
    return { wholeMs: performance.now() - startMs, timesMs: JSON.parse(stdout) as number[] };
  };
  const costs: HitCost[] = [];
  const empties: number[] = [];
  for (let at = 0; at < starts; at += 1) {
    // In turn, so that what else goes on on the machine meets both sides.
    empties.push(run([]).wholeMs);
    const [firstMs = NaN, ...further] = run([key]).timesMs;
    const [compiledMs = NaN] = run([key], ['--no-lazy']).timesMs;
    costs.push({ firstMs, compiledMs, furtherMs: median(further) });
  }
  return {
    firstMs: median(costs.map(({ firstMs }) => firstMs)),
    compiledMs: median(costs.map(({ compiledMs }) => compiledMs)),
    furtherMs: median(costs.map(({ furtherMs }) => furtherMs)),
    startMs: median(empties),
  };
}

const { row, bounds } = await stress();
const rows: Findings['rows'][number][] = [];
const hitBounds: Findings['bounds'][number][] = [];
for (const bytes of SIZES) {
  const { firstMs, compiledMs, furtherMs, startMs } = timeHits(bytes);
  const size = `${bytes / 1000} KB`;
  rows.push({
    'entry of': size,
    'start-up ms': startMs,
    'first hit ms': firstMs,
    'of it compiling ms': firstMs - compiledMs,
    'each further hit ms': furtherMs,
    'first hit / start-up': firstMs / startMs,
  });
  if (bytes <= 100_000)
    hitBounds.push(
      {
        what: `the first hit of ${size} in a process, beyond start-up`,
        measured: firstMs,
        most: 1,
        unit: ' ms',
      },
      { what: `each further hit of ${size}`, measured: furtherMs, most: 1, unit: ' ms' },
    );
}
tell(
  {
    question: `prompt cache: ${processes} processes x ${operations} mixed operations, ${kills} kills`,
    rows: [row],
    bounds,
    missing: [],
    notes: [
      'the values tell by themselves whether they are whole and whose; a look counts only where two scans in a row agree',
    ],
  },
  flags.json,
);
console.log('');
tell(
  {
    question: 'what a hit costs beyond start-up, in fresh processes',
    rows,
    bounds: hitBounds,
    missing: [],
    notes: [
      `medians of ${starts} processes each, 300 other entries; start-up: modules loaded, settings and memory read, the state folder known`,
      'a hit: file read, digest verified, its use and the hit noted, a due sweep looked for; the first one compiles its code, too',
    ],
  },
  flags.json,
);
