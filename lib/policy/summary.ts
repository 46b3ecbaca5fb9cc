/** What did a run come to as a whole? */
import type { AttemptResult } from '../model.ts';
import type { PlannedStream, RunSummary } from '../run-model.ts';
import { lowerBoundMs } from './queue.ts';

export interface RunFacts {
  readonly epic: string;
  readonly planned: readonly PlannedStream[];
  readonly results: readonly AttemptResult[];
  readonly startedMs: number;
  readonly endedMs: number;
  readonly highestBytes: number;
  readonly highestAgents: number;
  readonly budgetBytes: number;
  /** How many may run at once. */
  readonly slots: number;
  readonly exitCode: number;
}

/** The summary of a run; the lower bound is of what was measured in it. */
export function summarizeRun(facts: RunFacts): RunSummary {
  const { planned, results, budgetBytes, slots, ...kept } = facts;
  const lastOf = new Map(results.map((result) => [result.key, result]));
  const measured = planned.flatMap(({ stream }) => {
    const result = lastOf.get(stream.key);
    return result
      ? [{ stream, ms: result.endedMs - result.startedMs, memoryBytes: result.averageBytes ?? 0 }]
      : [];
  });
  return {
    ...kept,
    results,
    lowerBoundMs: measured.length > 0 ? lowerBoundMs(measured, { budgetBytes, slots }) : undefined,
    killedByUs: results.filter(({ outcome }) => outcome === 'killed-limit' || outcome === 'killed-machine')
      .length,
    killedByKernel: results.filter(({ outcome }) => outcome === 'killed-kernel').length,
    earlierDone: planned.filter(({ isDone }) => isDone).length,
  };
}
