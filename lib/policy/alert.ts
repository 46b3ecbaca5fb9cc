/** Shall this alert be sent on, or has the receiver heard enough of it? */
import type { AlertLevel } from '../model.ts';

/** The levels of alerts, least first. */
export const ALERT_ORDER = ['warning', 'critical', 'over'] as const satisfies readonly AlertLevel[];

/** At most one alert per agent and level in this time. */
export const QUIET_MS = 60_000;

/** Whether a level is this bad or worse. */
export function isAtLeast(level: AlertLevel, least: AlertLevel): boolean {
  return ALERT_ORDER.indexOf(level) >= ALERT_ORDER.indexOf(least);
}

/** When each agent and level was last sent. */
export type SentTimes = ReadonlyMap<string, number>;

export interface AlertDecision {
  readonly decision: 'send' | 'hold';
  readonly reason: 'due' | 'below-min-level' | 'sent-just-now';
  /** What is to be remembered; no older than a minute, so it stays small. */
  readonly sent: SentTimes;
}

/**
 * `now` is of a clock that only goes forward, in milliseconds. A held alert does not prolong the quiet time: an agent that
 * stays over its warning is heard of once a minute.
 */
export function decideAlert(
  sent: SentTimes,
  alert: { readonly subprocess_id: string; readonly level: AlertLevel },
  minLevel: AlertLevel,
  nowMs: number,
): AlertDecision {
  if (!isAtLeast(alert.level, minLevel)) return { decision: 'hold', reason: 'below-min-level', sent };
  const key = `${alert.level} ${alert.subprocess_id}`;
  const lastMs = sent.get(key);
  if (lastMs !== undefined && nowMs - lastMs < QUIET_MS)
    return { decision: 'hold', reason: 'sent-just-now', sent };
  const recent = [...sent].filter(([, atMs]) => nowMs - atMs < QUIET_MS);
  return { decision: 'send', reason: 'due', sent: new Map([...recent, [key, nowMs]]) };
}
