/** Is there so much room that no forecast could let anybody wait? Then none needs to be made. */
import { CENSORED_FACTOR, ENOUGH_RUNS, UNSEEN, type CompiledRun, type ForecastTask } from './forecast.ts';
import type { ForecastSettings } from './outlook.ts';

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
