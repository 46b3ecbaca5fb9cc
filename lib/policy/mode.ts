/** How many agents may run side by side by what is free: as many as fit, two, or one? */
import type { Mode } from '../model.ts';
import type { ModesOfRun } from '../run-model.ts';
import { formatBytes } from '../units.ts';

/** From how much available on each mode holds; 0: memory never narrows it so far. */
export interface ModeRules {
  /** Below it one agent at a time. */
  readonly sequentialBytes: number;
  /** Below it at most two. */
  readonly limitedBytes: number;
}

export interface JudgedMode {
  readonly mode: Mode;
  /** With the figures: what is free, against which bound. */
  readonly reason: string;
  /** How much more must be available before the next freer mode begins; undefined: there is none. */
  readonly shortByBytes: number | undefined;
}

/** How many agents may be live for one more to start beside them. */
export const AGENTS_PER_MODE = {
  full_parallel: Infinity,
  limited_parallel: 2,
  sequential: 1,
} satisfies Record<Mode, number>;

/** The freest first. */
const FREEST_FIRST = ['full_parallel', 'limited_parallel', 'sequential'] as const satisfies readonly Mode[];

const rank = (mode: Mode): number => FREEST_FIRST.indexOf(mode);

/** A mode is left for a freer one only with a quarter more than its bound, the same as a hold: one ending agent must not make it flap. */
const LEAVE_FACTOR = 1.25;

/**
 * The freest mode whose bound is there; one that is freer than `before` needs a quarter more. Less memory never gives a
 * freer mode.
 *
 * What counts is what the machine (or the tightest cgroup) has available, also under a budget: a mode guards against
 * memory that nobody has reserved, whereas a budget is reserved to the byte and needs no such guess. A budget's own rest
 * would hold every run that fills its budget, as it should, at two agents.
 */
export function judgeMode(
  availableBytes: number,
  { sequentialBytes, limitedBytes }: ModeRules,
  before: Mode | undefined,
): JudgedMode {
  const bounds = { full_parallel: limitedBytes, limited_parallel: sequentialBytes, sequential: 0 };
  const needs = (mode: Mode): number =>
    bounds[mode] * (before !== undefined && rank(mode) < rank(before) ? LEAVE_FACTOR : 1);
  const mode = FREEST_FIRST.find((one) => availableBytes >= needs(one)) ?? 'sequential';
  const freer = FREEST_FIRST[rank(mode) - 1];
  const free = `${formatBytes(availableBytes)} free`;
  if (freer === undefined)
    return { mode, reason: `${free}, at least ${formatBytes(limitedBytes)}`, shortByBytes: undefined };
  const isHeld = availableBytes >= bounds[freer];
  const bound = `${isHeld ? 'not yet' : 'under'} ${formatBytes(isHeld ? needs(freer) : bounds[freer])}`;
  const most = mode === 'sequential' ? 'one agent at a time' : 'at most 2 agents at once';
  return { mode, reason: `${free}, ${bound}: ${most}`, shortByBytes: needs(freer) - availableBytes };
}

/** What a run has gone through, after one more look. */
export function followMode(seen: ModesOfRun | undefined, mode: Mode): ModesOfRun {
  if (seen === undefined) return { last: mode, narrowest: mode, changes: 0 };
  if (seen.last === mode) return seen;
  const narrowest = rank(mode) > rank(seen.narrowest) ? mode : seen.narrowest;
  return { last: mode, narrowest, changes: seen.changes + 1 };
}
