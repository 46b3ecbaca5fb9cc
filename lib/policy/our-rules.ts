/** By which figures and rules do our runs, real and simulated, promise memory? */
import { ENOUGH_RUNS, type CompiledRun, type ForecastTask, type PastRuns } from './forecast.ts';

/** The same at any size of machine and any length of agents (bench/traces.ts; seeded tasks in 4 GB). */
export const OUR_RULES = {
  /** So many standard deviations above the mean must fit where agents are looked at every few milliseconds. */
  caution: 0.7,
  /**
   * The same where nobody looks for a whole second, and room is kept besides for what one agent may grow until then. Neither
   * figure does in the other's place: 0.7 beside that room took 1.30 times the oracle's time on real traces, and with 0.4 real
   * runs of seeded tasks that knew nothing took a tenth longer (three seeds, once each), since more of them had
   * to be halted.
   */
  cautionBesideReserve: 0.4,
  /** Until it was seen, an agent may grow by this share of the budget in a second. */
  growthSharePerS: 1 / 6,
  /** What is expected of an agent while nothing is known, as a share of the budget. */
  priorShare: 1 / 8,
  /** What an agent was admitted with is a forecast, no promise: half as much again is within what is usual. */
  toleranceShare: 0.5,
} as const;

/** Of what is kept free for growth this share of the budget at most. */
const MOST_RESERVE_SHARE = 1 / 4;

/** What is kept free of starts: as much as one agent may grow before anybody looks again, bytes. */
export function growthReserve(facts: {
  readonly budgetBytes: number;
  readonly lookMs: number;
  readonly growthBytesPerS: number;
  /** The most that an agent was seen to grow between two looks; 0 where nobody keeps count. */
  readonly largestStepBytes: number;
}): number {
  const { budgetBytes, growthBytesPerS, largestStepBytes, lookMs } = facts;
  const assumedBytes = (growthBytesPerS * lookMs) / 1000;
  return Math.min(Math.max(largestStepBytes, assumedBytes), Math.max(0, budgetBytes) * MOST_RESERVE_SHARE);
}

/** One of its own kind counts as much as three others: what ends first is small and short, and says little of other kinds. */
const OWN_KIND_COUNTS = 3;

/** How many runs it counts for what is known of an agent's like. */
export function knownRuns({ stream, kind, others }: PastRuns): number {
  return stream.length * ENOUGH_RUNS + kind.length * OWN_KIND_COUNTS + others.length;
}

/**
 * The past of one that is to start: with fewer runs than enough the prior counts for the rest, for as long as the oldest runs.
 * Tasks with the same past get the same array, so that they share a forecast: `pools` remembers, for one look.
 */
export function withPrior(
  task: ForecastTask,
  {
    oldestMs,
    pools,
    priorBytes,
  }: {
    readonly priorBytes: number;
    readonly oldestMs: number;
    readonly pools: Map<readonly CompiledRun[], readonly CompiledRun[]>;
  },
): ForecastTask {
  const known = knownRuns(task.past);
  if (known === 0 || known >= ENOUGH_RUNS) return task;
  const { kind } = task.past;
  const steady: CompiledRun = {
    untilMs: Float64Array.of(oldestMs),
    bytes: Float64Array.of(priorBytes),
    durationMs: oldestMs,
    peakBytes: priorBytes,
    isCensored: false,
  };
  const pool = pools.get(kind) ?? [...kind, ...Array<CompiledRun>(ENOUGH_RUNS - known).fill(steady)];
  pools.set(kind, pool);
  return { ...task, past: { ...task.past, kind: pool } };
}
