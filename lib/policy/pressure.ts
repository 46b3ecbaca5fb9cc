/** How high is memory pressure, and what is done about it now, by whom, in which order? */
import type { MemorySnapshot } from '../model.ts';
import type { PressureHandler, Settings } from '../settings-model.ts';
import { formatDuration, GIB } from '../units.ts';
import { judgeHealth, type MachineHealth } from './health.ts';

export type PressureLevel = MachineHealth['level'];

export const PRESSURE_LEVELS = ['normal', 'warning', 'critical'] as const satisfies readonly PressureLevel[];

type Limits = Pick<Settings, 'admission' | 'pressure'>;

export interface PressureJudgement {
  readonly level: PressureLevel;
  readonly reason: string;
  /** true: the figures alone would be a lower level; it stays until there is more to spare. */
  readonly isKept: boolean;
  /** Of the bound that is worst off, like the two below it. */
  readonly usedShare: number;
  readonly availableBytes: number;
  readonly totalBytes: number;
  /** Shares of the last 10 s in which some or all tasks waited for memory; undefined where the kernel does not tell. */
  readonly some10Share: number | undefined;
  readonly full10Share: number | undefined;
}

/**
 * Stalls by /proc/pressure/memory over 10 s. Warning: some tasks waited for a fifth of the time, Android lmkd's partial
 * stall on devices with little memory (ro.lmk.psi_partial_stall_ms: 200 of 1000 ms). Critical: all tasks waited for 30 %,
 * half of the `full avg10` at which systemd-oomd kills (DefaultMemoryPressureLimit=60%): what is done here must have
 * had its effect before something is killed.
 */
export const STALL = { warningSomeShare: 0.2, criticalFullShare: 0.3 } as const;

/** A level ends when this much more of the memory is free than it began with, or half of the stall is gone. */
const EASE_SHARE = 0.05;
const EASE_FLOOR = 1.25;
const EASE_STALL = 0.5;

const rankOf = (level: PressureLevel): number => PRESSURE_LEVELS.indexOf(level);

/** Whether one level is as high as another, or higher. */
export function isAtLeast(level: PressureLevel, other: PressureLevel): boolean {
  return rankOf(level) >= rankOf(other);
}

/**
 * The level of the fullest bound or of the stalls, whichever is higher. `previous` is the level of the last look:
 * it is left only when the figures are clearly better than where it began (85 % in use: below 80 %), so that a machine
 * that hovers at a limit does not flap; a higher level begins at once.
 */
export function judgePressure(
  memory: MemorySnapshot,
  settings: Limits,
  previous: PressureLevel | undefined,
): PressureJudgement {
  const plain = judgeFigures(memory, settings, 1);
  const eased = judgeFigures(memory, easedLimits(settings), EASE_STALL);
  const floorRank = Math.min(rankOf(previous ?? 'normal'), rankOf(eased.level));
  const isKept = floorRank > rankOf(plain.level);
  const level = isKept ? (PRESSURE_LEVELS[floorRank] ?? plain.level) : plain.level;
  return {
    level,
    reason: isKept
      ? `${plain.reason}; it was ${level} and stays so until there is more to spare`
      : plain.reason,
    isKept,
    usedShare: plain.usedShare,
    availableBytes: plain.bound.availableBytes,
    totalBytes: plain.bound.totalBytes,
    some10Share: memory.pressure?.some10Share,
    full10Share: memory.pressure?.full10Share,
  };
}

function judgeFigures(memory: MemorySnapshot, limits: Limits, stallFactor: number): MachineHealth {
  const worst = judgeHealth(memory, limits);
  const stall = judgeStall(memory, stallFactor);
  return stall === undefined || rankOf(stall.level) <= rankOf(worst.level) ? worst : { ...worst, ...stall };
}

function judgeStall(
  { pressure }: MemorySnapshot,
  factor: number,
): Pick<MachineHealth, 'level' | 'reason'> | undefined {
  if (pressure === undefined) return undefined;
  const { some10Share, full10Share } = pressure;
  const percent = (share: number): string => `${Math.round(share * 1000) / 10}%`;
  if (full10Share >= STALL.criticalFullShare * factor)
    return {
      level: 'critical',
      reason: `all tasks waited for memory ${percent(full10Share)} of the last 10 s, critical from ${percent(STALL.criticalFullShare)}`,
    };
  if (some10Share >= STALL.warningSomeShare * factor)
    return {
      level: 'warning',
      reason: `some tasks waited for memory ${percent(some10Share)} of the last 10 s, warning from ${percent(STALL.warningSomeShare)}`,
    };
  return undefined;
}

function easedLimits({ admission, pressure }: Limits): Limits {
  const ease = (share: number): number => Math.max(share / 2, share - EASE_SHARE);
  return {
    admission: { ...admission, floorBytes: admission.floorBytes * EASE_FLOOR },
    pressure: {
      ...pressure,
      warningShare: ease(pressure.warningShare),
      criticalShare: ease(pressure.criticalShare),
    },
  };
}

/** What was done last. */
export interface LastHandling {
  readonly atMs: number;
  readonly level: PressureLevel;
}

export type HandlingDecision =
  | { readonly decision: 'nothing'; readonly reason: string }
  | { readonly decision: 'wait'; readonly reason: string; readonly retryAfterMs: number }
  | { readonly decision: 'handle'; readonly reason: string };

/**
 * Whether pressure is handled now. At level normal nothing is, forced or not. The cooldown keeps cron and a watch from
 * running the same handlers again and again; a level higher than the last one handled does not wait for it.
 */
export function decideHandling(facts: {
  readonly level: PressureLevel;
  readonly last: LastHandling | undefined;
  readonly cooldownMs: number;
  readonly isForced: boolean;
  readonly nowMs: number;
}): HandlingDecision {
  const { level, last, cooldownMs, isForced, nowMs } = facts;
  if (level === 'normal') return { decision: 'nothing', reason: 'the level is normal' };
  if (last === undefined) return { decision: 'handle', reason: `the level is ${level}` };
  const sinceMs = nowMs - last.atMs;
  const leftMs = cooldownMs - sinceMs;
  // A time to come was written before the clock was set back: nobody knows how long ago that was.
  if (sinceMs < 0 || leftMs <= 0) return { decision: 'handle', reason: `the level is ${level}` };
  if (isForced) return { decision: 'handle', reason: `the level is ${level}, and the cooldown is skipped` };
  if (!isAtLeast(last.level, level))
    return { decision: 'handle', reason: `the level rose from ${last.level} to ${level}` };
  const reason = `${last.level} was handled ${formatDuration(sinceMs)} ago, the cooldown is ${formatDuration(cooldownMs)}`;
  return { decision: 'wait', reason, retryAfterMs: leftMs };
}

/** Our own handlers, in the order in which they run: the hold first, so that what the others free is not taken again. */
export const BUILT_IN = [
  { name: 'hold', from: 'critical', meaning: 'no agent is admitted beside those that run' },
  { name: 'idle-agents', from: 'warning', meaning: 'ends agents of the pool that have nothing to do' },
  { name: 'void-leases', from: 'warning', meaning: 'gives back what the dead hold, ends what they left' },
  {
    name: 'prompt-cache',
    from: 'warning',
    meaning: 'drops half of the prompt cache, at critical three quarters',
  },
  { name: 'logs', from: 'warning', meaning: 'removes records of runs older than 30 days' },
] as const satisfies readonly { name: string; from: PressureLevel; meaning: string }[];

export type BuiltInName = (typeof BUILT_IN)[number]['name'];

export type PlannedHandler =
  | { readonly kind: 'built-in'; readonly name: BuiltInName }
  | {
      readonly kind: 'command';
      readonly name: string;
      readonly words: readonly string[];
      readonly timeoutMs: number;
    };

/** Which handlers run at a level, in order: ours, then the user's in theirs; none at level normal. */
export function planHandlers(level: PressureLevel, handlers: readonly PressureHandler[]): PlannedHandler[] {
  if (level === 'normal') return [];
  const own = BUILT_IN.filter(({ from }) => isAtLeast(level, from)).map(({ name }): PlannedHandler => ({
    kind: 'built-in',
    name,
  }));
  const users = handlers.flatMap(({ name, warning, critical, timeoutMs }): PlannedHandler[] => {
    const words = level === 'critical' ? (critical ?? warning) : warning;
    return words === undefined ? [] : [{ kind: 'command', name, words, timeoutMs }];
  });
  return [...own, ...users];
}

/** The fastest growth that was seen of an agent: 3 GB/s. */
const GROWTH_BYTES_PER_MS = (3 * GIB) / 1000;
const LOOK = { leastMs: 100, mostMs: 2000, stalledMs: 250, criticalMs: 1000 } as const;

/**
 * How long a watch may wait for its next look: until the next level could be reached at the fastest growth, 100 ms to 2 s.
 * `stalledShare` is how much of the time since the last look some tasks waited for memory: stalls come before the
 * averages show them. At critical there is no further level to be late for.
 */
export function planLookMs(
  memory: MemorySnapshot,
  settings: Limits,
  level: PressureLevel,
  stalledShare: number | undefined,
): number {
  if (level === 'critical') return LOOK.criticalMs;
  const { warningShare, criticalShare } = settings.pressure;
  const share = level === 'normal' ? warningShare : criticalShare;
  const floorBytes = settings.admission.floorBytes * (level === 'normal' ? 2 : 1);
  const room = (bound: MemorySnapshot['binding']): number =>
    bound.availableBytes - Math.max(floorBytes, (1 - share) * bound.totalBytes);
  const roomBytes = Math.min(...[memory.binding, ...memory.bounds].map(room));
  const isStalled = stalledShare !== undefined && stalledShare >= STALL.warningSomeShare / 4;
  const mostMs = isStalled ? LOOK.stalledMs : LOOK.mostMs;
  return Math.min(mostMs, Math.max(LOOK.leastMs, Math.round(roomBytes / GROWTH_BYTES_PER_MS)));
}
