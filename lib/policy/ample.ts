/** Is there so much room that no forecast could let anybody wait? Then none needs to be made. */
import { CENSORED_FACTOR, ENOUGH_RUNS, UNSEEN, type CompiledRun, type ForecastTask } from './forecast.ts';
import { SKEW_WEIGHT, type ForecastSettings } from './outlook.ts';

/** What the largest and the longest of some runs came to; a stopped one would have gone on, and grown. */
interface Most {
  readonly bytes: number;
  readonly durationMs: number;
}

/** Tasks of one kind share their past: a hundred of them are bounded as fast as one. */
export type MostOf = (runs: readonly CompiledRun[]) => Most;

/** The most of some runs; remembers what it was asked. */
export function rememberMost(): MostOf {
  const known = new WeakMap<readonly CompiledRun[], Most>();
  return (runs) => {
    const before = known.get(runs);
    if (before !== undefined) return before;
    const most = runs.reduce<Most>(
      ({ bytes, durationMs }, run) => ({
        bytes: Math.max(bytes, run.isCensored ? run.peakBytes * CENSORED_FACTOR : run.peakBytes),
        durationMs: Math.max(durationMs, run.isCensored ? Infinity : run.durationMs),
      }),
      { bytes: 0, durationMs: 0 },
    );
    known.set(runs, most);
    return most;
  };
}

/**
 * More than any forecast of this task can say of any moment. A past run is moved up by at most what the task holds now; one
 * that has outlived all of them may as well need what is expected of an unknown one. Of a quantity between 0 and M no mean with
 * `caution` standard deviations passes M (1 + √(1 + caution²)) / 2, and where skewness adds its part too, 0.2 `caution` M more
 * is never passed.
 */
export function boundOf(
  task: Omit<ForecastTask, 'halfBytes'>,
  mostOf: MostOf,
  { caution, priorBytes }: ForecastSettings,
): number {
  const { past, ageMs, currentBytes, peakBytes } = task;
  const pools = [mostOf(past.stream), mostOf(past.kind)];
  if (past.stream.length + past.kind.length < ENOUGH_RUNS) pools.push(mostOf(past.others));
  const seen = Math.max(...pools.map(({ bytes }) => bytes));
  const isOutlived = pools.every(({ durationMs }) => durationMs <= ageMs);
  const unseen = Math.max(currentBytes, peakBytes) * UNSEEN.factor;
  const most = Math.max(seen + currentBytes * CENSORED_FACTOR, unseen, isOutlived ? priorBytes : 0);
  return most * ((1 + Math.sqrt(1 + caution ** 2)) / 2 + 0.2 * caution);
}

/** What agents come to at most, as mean, mean square and the largest of all: enough to add many up. */
export interface PeakMoments {
  readonly mean: number;
  readonly square: number;
  readonly most: number;
}

/** The peaks of some runs, ascending, with the sums of each and all above it. */
interface Peaks {
  readonly sorted: Float64Array;
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

export type PeaksOf = (runs: readonly CompiledRun[]) => Peaks;

/** The peaks of some runs; remembers what it was asked. */
export function rememberPeaks(): PeaksOf {
  const known = new WeakMap<readonly CompiledRun[], Peaks>();
  return (runs) => {
    const before = known.get(runs);
    if (before !== undefined) return before;
    const sorted = Float64Array.from(
      runs,
      (run) => run.peakBytes * (run.isCensored ? CENSORED_FACTOR : 1),
    ).sort();
    const sums = new Float64Array(sorted.length + 1);
    const squares = new Float64Array(sorted.length + 1);
    for (let at = sorted.length - 1; at >= 0; at -= 1) {
      const peak = sorted[at] ?? 0;
      sums[at] = (sums[at + 1] ?? 0) + peak;
      squares[at] = (squares[at + 1] ?? 0) + peak * peak;
    }
    const peaks = { sorted, sums, squares };
    known.set(runs, peaks);
    return peaks;
  };
}

/**
 * What a task comes to, by the peaks of its past runs that went as high as it has: a forecast without time, which lets
 * everybody have his peak at the same moment.
 */
export function peakMoments(
  { past, currentBytes, peakBytes }: Omit<ForecastTask, 'halfBytes'>,
  peaksOf: PeaksOf,
): PeakMoments {
  const floor = Math.max(currentBytes, peakBytes);
  const pools =
    past.stream.length > 0
      ? [past.stream]
      : past.kind.length < ENOUGH_RUNS
        ? [past.kind, past.others]
        : [past.kind];
  const unseen = floor * UNSEEN.factor;
  let moments: PeakMoments = { mean: 0, square: 0, most: 0 };
  for (const pool of pools) {
    const { sorted, sums, squares } = peaksOf(pool);
    const from = firstFrom(sorted, floor);
    const count = sorted.length - from;
    if (count === 0) continue;
    const mean = (sums[from] ?? 0) / count;
    if (mean > moments.mean)
      moments = { mean, square: (squares[from] ?? 0) / count, most: sorted[sorted.length - 1] ?? 0 };
  }
  return moments.mean >= floor && moments.mean > 0
    ? moments
    : { mean: unseen, square: unseen * unseen, most: unseen };
}

/** Where the first that is not below stands. */
function firstFrom(sorted: Float64Array, least: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What so many come to together: means and mean squares add up, and of the skewness nothing is more than the largest of all. */
export function pooledBytes({ mean, square, most }: PeakMoments, caution: number): number {
  return mean + caution * (Math.sqrt(square) + SKEW_WEIGHT * most);
}

/** Both together. */
export function plusMoments(one: PeakMoments, other: PeakMoments): PeakMoments {
  return {
    mean: one.mean + other.mean,
    square: one.square + other.square,
    most: Math.max(one.most, other.most),
  };
}
