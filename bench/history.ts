/** What does a long history cost: `memory-feedback recommend` on a million attempts, and the millionth record beside the first? */
import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { thisMachine } from '../lib/commands/past.ts';
import type { PastAttempt } from '../lib/history-model.ts';
import { isAlive, readSelf } from '../lib/probe/identity.ts';
import { appendHistory, loadHistory, tidyHistory } from '../lib/state/history.ts';
import { historyDir } from '../lib/state/paths.ts';
import { MIB } from '../lib/units.ts';
import { bundled, childrenCpuMs, count, median, openScene, readFlags, seeded, tell } from './support.ts';

const MOST_MS = 300;
/** A record near the fold pays for it; spread over all it must stay in the same order. */
const MOST_RATIO = 4;
const KINDS = 40;
const BLOCK = 1000;
const SINGLES = 4000;
const START_MS = Date.UTC(2026, 0, 1);

const flags = readFlags('npx tsx bench/history.ts [--attempts N] [--rounds N] [--json]', {
  attempts: '1000', // thousands
  rounds: '9',
});
const thousands = count('attempts', flags.attempts);
const rounds = count('rounds', flags.rounds);
const { dir, env } = openScene();
const stateDir = join(dir, 'state');
const liveness = { self: readSelf(), isAlive };
const machine = thisMachine();
const random = seeded(1);
// Built before the long part.
const recommend = [...bundled('memory-feedback'), 'recommend', '--project', dir];

/** Attempts of a busy year: 40 kinds, streams that come back a few times, courses of 16 segments. */
function attemptAt(at: number): PastAttempt {
  const kind = Math.floor(random() ** 2 * KINDS);
  const peakBytes = Math.round((100 + 40 * kind) * MIB * (0.7 + 0.6 * random()));
  const durationMs = 20_000 + Math.round(random() * 600_000);
  return {
    key: `epic${at % 997}/${at % 89}/${String.fromCharCode(65 + (at % 26))}`,
    kind: `kind-${kind}`,
    command: `tool-${kind % 12}`,
    label: undefined,
    cause: random() < 0.97 ? 'done' : 'our-limit',
    estimateBytes: 2 * peakBytes,
    limitBytes: 4 * peakBytes,
    heapMb: undefined,
    peakBytes,
    peakKind: 'pss',
    isCensored: false,
    averageBytes: Math.round(peakBytes * 0.6),
    peakAfterMs: Math.round(durationMs * 0.7),
    profile: Array.from({ length: 16 }, (_, segment) => ({
      untilMs: Math.round((durationMs * (segment + 1)) / 16),
      bytes: Math.round(peakBytes * random()),
    })),
    endedMs: START_MS + at * 25_000,
    durationMs,
    machine,
  };
}

/** Mean ms of one record, folds included. */
function recordSingles(from: number): number {
  const attempts = Array.from({ length: SINGLES }, (_, at) => attemptAt(from + at));
  const startMs = performance.now();
  for (const attempt of attempts) {
    appendHistory(stateDir, [attempt]);
    tidyHistory(stateDir, liveness);
  }
  return (performance.now() - startMs) / SINGLES;
}

const firstMs = recordSingles(0);
let written = SINGLES;
for (; written < thousands * 1000; written += BLOCK) {
  appendHistory(
    stateDir,
    Array.from({ length: BLOCK }, (_, at) => attemptAt(written + at)),
  );
  tidyHistory(stateDir, liveness);
}
const lastMs = recordSingles(written);
const total = written + SINGLES;

const loadMs = median(
  Array.from({ length: rounds }, () => {
    const startMs = performance.now();
    loadHistory(stateDir, () => liveness);
    return performance.now() - startMs;
  }),
);
const counted = loadHistory(stateDir, () => liveness).totals.find(({ level }) => level === 'all')?.count;
if (counted !== total) throw new Error(`${counted} of ${total} attempts are counted`);

const empty = join(dir, 'empty.mjs');
writeFileSync(empty, '');

/** CPU ms of one call, all its threads; on an idle machine its time, and on a busy one still its cost. */
function cpuMs(words: readonly string[]): number {
  const [program = '', ...rest] = words;
  return childrenCpuMs(() => {
    const { status, stderr } = spawnSync(program, rest, { env, encoding: 'utf8', cwd: dir });
    if (status !== 0) throw new Error(`${words.join(' ')}: exit ${status}\n${stderr}`);
  });
}

const samples = { empty: [] as number[], recommend: [] as number[] };
for (let round = 0; round < rounds; round += 1) {
  samples.empty.push(cpuMs([process.execPath, empty]));
  samples.recommend.push(cpuMs(recommend));
}
const emptyMs = median(samples.empty);
const recommendMs = median(samples.recommend);

tell(
  {
    question: `What does a history of ${total} attempts cost? Median of ${rounds}`,
    rows: [
      { what: 'an empty script (CPU)', ms: emptyMs },
      { what: 'memory-feedback recommend (CPU)', ms: recommendMs },
      { what: 'loading the history, in a process that runs', ms: loadMs },
      { what: `one record, the first ${SINGLES}`, ms: firstMs },
      { what: `one record, after ${written}`, ms: lastMs },
      { what: 'aggregates, MB', ms: statSync(join(historyDir(stateDir), 'kept.json')).size / MIB },
    ],
    bounds: [
      {
        what: '`recommend` beyond an empty script',
        measured: recommendMs - emptyMs,
        most: MOST_MS,
        unit: ' ms',
      },
      {
        what: 'a late record / an early one, folds included',
        measured: lastMs / firstMs,
        most: MOST_RATIO,
        unit: ' x',
      },
    ],
    missing: [],
    notes: [
      'records are appended one by one, as `memory-monitor run` does; a run appends those of a second together',
    ],
  },
  flags.json,
);
