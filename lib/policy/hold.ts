/** For how long does memory pressure hold admissions? */

/** No hold is longer, however long the cooldown; what reads as longer comes from a clock that was set back. */
const MOST_HOLD_MS = 600_000;
/** A call of cron once a cooldown must find the hold of the last call still standing. */
const HOLD_PER_COOLDOWN = 1.5;
const LEAST_HOLD_MS = 10_000;

/** Until when a hold that begins now lasts unless it is renewed or lifted: a cooldown of 60 s holds for 90 s. */
export function planHoldUntil(nowMs: number, cooldownMs: number): number {
  return nowMs + Math.round(Math.min(MOST_HOLD_MS, Math.max(LEAST_HOLD_MS, cooldownMs * HOLD_PER_COOLDOWN)));
}

/** How much is left of a hold, ms; 0 where there is none or it is over. */
export function holdLeftMs(untilMs: number | undefined, nowMs: number): number {
  const leftMs = untilMs === undefined ? 0 : untilMs - nowMs;
  return leftMs > MOST_HOLD_MS ? 0 : Math.max(0, leftMs);
}
