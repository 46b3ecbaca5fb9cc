/** Where does the kernel stop an agent that the watchdog did not, and whom does it choose if the whole machine runs out? */
import type { KernelCeiling, Settings } from '../settings-model.ts';
import { MIB } from '../units.ts';

/** What holds a tree of processes in the kernel itself; none: only the watchdog does. */
export type CeilingKind = 'cgroup-v2' | 'cgroup-v1' | 'systemd-scope' | 'none';

const PAGE = 4096;
const SHARE_ABOVE = 0.1;
const LEAST_ABOVE = 64 * MIB;

/** `oom_score_adj` is thousandths of the machine's memory that are added to what a process holds. */
const SCORE_STEP = 300;
const SCORE_MOST = 1000;

/**
 * The kernel's ceiling over a watchdog's limit, bytes, whole pages. It lies higher (1.1 × and 64 MB) because it counts
 * page cache and kernel memory too, and because the watchdog shall act first: it keeps evidence and picks the culprit.
 * 1 GB -> 1190.4 MB.
 */
export function ceilingBytes(limitBytes: number): number {
  return Math.ceil((limitBytes * (1 + SHARE_ABOVE) + LEAST_ABOVE) / PAGE) * PAGE;
}

/** Whether agents get a ceiling. One that is only watched, never stopped, must not be stopped by the kernel for us either. */
export function wantsCeiling({
  enabled,
  monitoringEnabled,
  thresholds,
}: Pick<Settings, 'enabled' | 'monitoringEnabled' | 'thresholds'>): KernelCeiling {
  const stops = enabled && monitoringEnabled && thresholds.abort;
  return stops ? thresholds.kernelCeiling : 'off';
}

/** An agent's `oom_score_adj` from what we inherited ourselves: always above ours, and never a protected one (-1000). */
export function agentOomScore(inherited: number): number {
  return Math.min(SCORE_MOST, Math.max(0, inherited) + SCORE_STEP);
}

/** One line for a run's header. */
export function ceilingLine({
  kind,
  reason,
}: {
  readonly kind: CeilingKind;
  readonly reason: string;
}): string {
  return kind === 'none'
    ? `kernel ceiling: none, the watchdog alone holds (${reason})`
    : `kernel ceiling: ${kind} (${reason})`;
}
