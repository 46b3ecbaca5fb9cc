/** Do the agents that run, and one more, stay within the budget at every later moment? The forecasts of all, pooled. */
import { formatBytes } from '../units.ts';
import { futureOf, usualMs, type ForecastTask, type Future } from './forecast.ts';
import { planPacking, type Packing } from './packing.ts';

/** An agent with its forecast. */
export interface Expected {
  readonly task: ForecastTask;
  readonly future: Future;
}

/** Sums over agents, cell by cell: means, variances and third central moments of independent agents add up. */
export interface Outlook {
  readonly future: Future;
  /** What they hold now. */
  readonly currentBytes: number;
}

export interface ForecastSettings {
  /** How many standard deviations above the mean must fit. */
  readonly caution: number;
  /** What is expected of an agent while nothing at all is known. */
  readonly priorBytes: number;
}

/** How much of the skewness counts: a sum in which one rare giant hides needs more than its variance says (Cornish and Fisher). */
export const SKEW_WEIGHT = 0.4;
/** Cells of time: fine at first, coarse towards the end of the longest run that is possible; where starts are planned, equal ones. */
const CELLS = 32;
const PACK_CELLS = 64;
const LEAST_HORIZON_MS = 1000;

/** The offsets between which the cells lie, for these agents: up to the longest time that one of them may still take. */
export function planOffsets(tasks: readonly ForecastTask[], areEqual = false): Float64Array {
  let horizonMs = LEAST_HORIZON_MS;
  for (const { ageMs, past } of tasks) {
    for (const pool of [past.stream, past.kind, past.others])
      for (const { durationMs } of pool) horizonMs = Math.max(horizonMs, durationMs - ageMs);
  }
  const cells = areEqual ? PACK_CELLS : CELLS;
  return Float64Array.from({ length: cells + 1 }, (_, at) => horizonMs * (at / cells) ** (areEqual ? 1 : 2));
}

/** Forecasts of all; agents that are to start with the same past share one. */
export function expectAll(
  tasks: readonly ForecastTask[],
  offsetsMs: Float64Array,
  { priorBytes }: ForecastSettings,
): Expected[] {
  const fresh = new Map<object, { peakBytes: number; future: Future }>();
  return tasks.map((task) => {
    const isPlain = task.ageMs === 0 && task.past.stream.length === 0;
    const known = isPlain ? fresh.get(task.past.kind) : undefined;
    if (known?.peakBytes === task.peakBytes) return { task, future: known.future };
    const future = futureOf(task, offsetsMs, priorBytes);
    if (isPlain) fresh.set(task.past.kind, { peakBytes: task.peakBytes, future });
    return { task, future };
  });
}

/** Nobody yet. */
export function emptyOutlook(cells = CELLS): Outlook {
  const zeros = () => new Float64Array(cells);
  return { future: { mean: zeros(), variance: zeros(), third: zeros() }, currentBytes: 0 };
}

/** With one more. */
export function withAgent(outlook: Outlook, { task, future }: Expected): Outlook {
  const plus = (one: Float64Array, other: Float64Array) =>
    one.map((value, cell) => value + (other[cell] ?? 0));
  return {
    future: {
      mean: plus(outlook.future.mean, future.mean),
      variance: plus(outlook.future.variance, future.variance),
      third: plus(outlook.future.third, future.third),
    },
    currentBytes: outlook.currentBytes + task.currentBytes,
  };
}

/** The most that they need together at any later moment, with the caution asked for; at least what they hold now. */
export function neededBytes({ future, currentBytes }: Outlook, caution: number, more?: Future): number {
  const { mean, variance, third } = future;
  let most = currentBytes;
  for (let cell = 0; cell < mean.length; cell += 1) {
    const spread = (variance[cell] ?? 0) + (more?.variance[cell] ?? 0);
    const skew = (third[cell] ?? 0) + (more?.third[cell] ?? 0);
    const extra = spread > 0 ? caution * spreadOf(spread, skew) : 0;
    most = Math.max(most, (mean[cell] ?? 0) + (more?.mean[cell] ?? 0) + extra);
  }
  return most;
}

/** What one unit of caution keeps above the mean of a sum with this variance and this third moment. */
function spreadOf(variance: number, third: number): number {
  return Math.sqrt(variance) + (SKEW_WEIGHT * Math.max(0, third)) / variance;
}

/** All of these together. */
function sumOf(expected: readonly Expected[]): Outlook {
  return expected.reduce(withAgent, emptyOutlook(expected[0]?.future.mean.length));
}

/** Whether those that run are expected to stay within so much, at every later moment. */
export function isExpectedToFit(
  running: readonly ForecastTask[],
  budgetBytes: number,
  settings: ForecastSettings,
): boolean {
  const expected = expectAll(running, planOffsets(running), settings);
  return neededBytes(sumOf(expected), settings.caution) <= budgetBytes;
}

/** What one agent is expected to be at most from now on, by itself. */
export function expectedPeakBytes({ task, future }: Expected, caution: number): number {
  return Math.round(neededBytes({ future, currentBytes: task.currentBytes }, caution));
}

/**
 * What each of them is charged: what it holds, and its part of what all of them may still need together; one past its peak
 * is charged no more than it holds. The charges add up to what the pool needs.
 */
export function chargesOf(expected: readonly Expected[], caution: number): Map<string, number> {
  const pool = sumOf(expected);
  const promised = neededBytes(pool, caution) - pool.currentBytes;
  const wants = expected.map((one) => expectedPeakBytes(one, caution) - one.task.currentBytes);
  const all = wants.reduce((sum, want) => sum + Math.max(0, want), 0);
  return new Map(
    expected.map(({ task }, at) => [
      task.key,
      Math.round(task.currentBytes + (all > 0 ? (promised * Math.max(0, wants[at] ?? 0)) / all : 0)),
    ]),
  );
}

/** One candidate's answer. */
export interface ForecastAnswer {
  readonly key: string;
  readonly decision: 'start' | 'wait';
  /** What the pool needs more with it than without: what an admission must find free, and promises. */
  readonly marginalBytes: number;
  /** What it is expected to be at most by itself. */
  readonly peakBytes: number;
  readonly reason: string;
}

export interface ForecastDecision {
  readonly answers: readonly ForecastAnswer[];
  /** What those that run need together from now on, at most. */
  readonly neededBytes: number;
  /** What each of those that run is charged. */
  readonly charges: ReadonlyMap<string, number>;
  /** What was planned, for the next call; undefined: nothing, since not all of them were done before. */
  readonly packing: Packing | undefined;
}

/**
 * Which of the candidates may start, given what those that run are still going to need: one starts if the pooled need with it
 * stays within the budget at every later moment, or if nothing runs. In their order; where every one of them was done before,
 * in the order in which all of them are through soonest. Pure: `run` and the simulator call it.
 */
export function forecastAdmission(facts: {
  readonly running: readonly ForecastTask[];
  readonly candidates: readonly ForecastTask[];
  readonly budgetBytes: number;
  readonly settings: ForecastSettings;
  /** What the last call planned. */
  readonly packing?: Packing | undefined;
}): ForecastDecision {
  const { running, candidates, budgetBytes, settings } = facts;
  const isPlanned = candidates.length > 1 && candidates.every(wasDoneBefore);
  const offsetsMs = planOffsets([...running, ...candidates], isPlanned);
  const expected = expectAll(running, offsetsMs, settings);
  const asked = expectAll(candidates, offsetsMs, settings);
  let pool = expected.reduce(withAgent, emptyOutlook(offsetsMs.length - 1));
  let live = running.length;
  const needed = neededBytes(pool, settings.caution);
  const packing = isPlanned ? packingOf(facts, pool, asked, offsetsMs) : undefined;
  const planned = packing && new Set(packing.starts);
  const answers = asked.map((one): ForecastAnswer => {
    const before = neededBytes(pool, settings.caution);
    const after = neededBytes(pool, settings.caution, one.future);
    const isDue = planned === undefined || planned.has(one.task.key) || (live === 0 && planned.size === 0);
    const starts = isDue && (live === 0 || after <= budgetBytes);
    if (starts) {
      pool = withAgent(pool, one);
      live += 1;
    }
    const peakBytes = expectedPeakBytes(one, settings.caution);
    const what = `with it up to ${formatBytes(after)} of ${formatBytes(budgetBytes)} at the busiest moment to come`;
    const alone = live === 1 && starts ? 'nothing else runs; ' : '';
    const later = isDue ? '' : '; others first, so that all are through sooner';
    return {
      key: one.task.key,
      decision: starts ? 'start' : 'wait',
      marginalBytes: Math.max(0, Math.round(after - before)),
      peakBytes,
      reason: `${alone}expected to need ${formatBytes(peakBytes)}; ${what}${later}`,
    };
  });
  const charges = chargesOf(expected, settings.caution);
  return { answers, neededBytes: Math.round(needed), charges, packing };
}

function wasDoneBefore({ past }: ForecastTask): boolean {
  return past.stream.some(({ isCensored }) => !isCensored);
}

function packingOf(
  { budgetBytes, packing, settings }: Parameters<typeof forecastAdmission>[0],
  pool: Outlook,
  asked: readonly Expected[],
  offsetsMs: Float64Array,
): Packing {
  const cellMs = offsetsMs[1] ?? 1;
  return planPacking({
    running: pool.future,
    waiting: asked.map(({ task, future }) => ({
      key: task.key,
      future,
      cells: usualMs(task.past.stream) / cellMs,
    })),
    budgetBytes,
    spreadBytes: (variance, third) => settings.caution * spreadOf(variance, third),
    before: packing,
  });
}
