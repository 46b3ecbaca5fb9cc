/** Is this agent over its limit; what shall be said, and what done? */
import { formatBytes, formatDuration, megabytes } from '../units.ts';

export type Level = 'normal' | 'warning' | 'critical' | 'over';

export interface LimitRules {
  readonly warningBytes: number;
  readonly criticalBytes: number;
  readonly limitBytes: number | undefined;
}

/**
 * Warning and critical of an agent: a quarter and a half of its hard limit, the ancestors' proportions (1, 2 and 4 GB).
 * Where somebody said what it is expected to need, that much is no news: the warning begins there and critical half way
 * from there to the limit.
 */
export function limitRules(limitBytes: number | undefined, statedEstimateBytes?: number): LimitRules {
  const limit = limitBytes ?? Infinity;
  const warningBytes = Math.max(limit / 4, Math.min(statedEstimateBytes ?? 0, limit));
  const criticalBytes = statedEstimateBytes === undefined ? limit / 2 : (warningBytes + limit) / 2;
  return { warningBytes, criticalBytes, limitBytes };
}

/** A level is left only when use has fallen this far below its threshold, so that each crossing is told once. */
const LEAVE_SHARE = 0.9;
const ORDER: readonly Level[] = ['normal', 'warning', 'critical', 'over'];

/** The level of an agent now; `before` gives the hysteresis, for each level on the way down. */
export function judgeLevel(bytes: number, rules: LimitRules, before: Level): Level {
  const threshold = {
    normal: 0,
    warning: rules.warningBytes,
    critical: rules.criticalBytes,
    over: rules.limitBytes ?? Infinity,
  };
  const reached =
    ORDER.findLast(
      (level) =>
        level === 'normal' || (level === 'over' ? bytes > threshold.over : bytes >= threshold[level]),
    ) ?? 'normal';
  const held = ORDER.slice(ORDER.indexOf(reached) + 1, ORDER.indexOf(before) + 1);
  return held.findLast((level) => bytes >= threshold[level] * LEAVE_SHARE) ?? reached;
}

/** `WARNING: Memory exceeded 1024MB at 1156.3MB`, and the time to the limit at the present rate where it grows. */
export function levelMessage(
  level: Exclude<Level, 'normal'>,
  bytes: number,
  rules: LimitRules,
  bytesPerMs: number | undefined,
): string {
  const threshold = {
    warning: rules.warningBytes,
    critical: rules.criticalBytes,
    over: rules.limitBytes ?? 0,
  }[level];
  const word = { warning: 'WARNING', critical: 'CRITICAL', over: 'LIMIT' }[level];
  const text = `${word}: Memory exceeded ${Math.round(megabytes(threshold))}MB at ${megabytes(bytes)}MB`;
  if (level === 'over' || rules.limitBytes === undefined || bytesPerMs === undefined || bytesPerMs <= 0)
    return text;
  return `${text}; ${formatDuration((rules.limitBytes - bytes) / bytesPerMs)} to the limit of ${formatBytes(rules.limitBytes)} at the present rate`;
}

/**
 * Whether RSS, summed over a tree that is over its limit, must be confirmed by the exact measure: shared pages count in it once
 * for each process. A single process shares with nobody of its tree, and a tree holds at least what its largest member does,
 * so then it is certain at once. The exact measure takes 17 ms a GB at best, in which a leak of 1 GB/s takes as many megabytes.
 */
export function needsExact(memberBytes: readonly number[], limitBytes: number | undefined): boolean {
  return memberBytes.length > 1 && memberBytes.every((bytes) => bytes <= (limitBytes ?? Infinity));
}

/** Under TERM an agent may still grow this much before it is killed at once. */
const GROWTH_UNDER_TERM_BYTES = 8 * 1024 ** 2;

/** Whether an agent that is being stopped for its limit goes on growing, and must not have the rest of its grace. */
export function stopsAtOnce(bytes: number, limitBytes: number | undefined): boolean {
  return limitBytes !== undefined && bytes > limitBytes + GROWTH_UNDER_TERM_BYTES;
}

/** The fastest growth to be expected on two cores, bytes a millisecond: anonymous memory comes at 1.1 to 1.3 GB/s a thread. */
const FASTEST_BYTES_PER_MS = (2 * 1024 ** 3) / 1000;
const SHORTEST_MS = 5;
/** For the sake of an agent's age alone nobody is woken more often: a look costs the runner half a millisecond (bench/overhead). */
const YOUNGEST_MS = 150;

/**
 * How long may the sampler sleep? Half of the smallest headroom over the fastest growth to be expected: the assumed fastest
 * growth decides, since the measured rate says nothing of a leak that has not begun. A young agent is looked at after a
 * quarter of its age, so that one which lives half a second is seen more than once.
 */
export function sampleIntervalMs(facts: {
  readonly headroomBytes: number;
  readonly youngestMs: number;
  readonly mostMs: number;
}): number {
  const byHeadroom = (0.5 * Math.max(0, facts.headroomBytes)) / FASTEST_BYTES_PER_MS;
  const byAge = Math.max(YOUNGEST_MS, facts.youngestMs / 4);
  return Math.min(Math.max(SHORTEST_MS, Math.min(byHeadroom, byAge)), facts.mostMs);
}
