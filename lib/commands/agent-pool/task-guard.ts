/** What does an agent take while it is at our task, and is it over its limit? */
import { openAgentLooks, type AgentLook } from '../../act/live-agent.ts';
import type { TaskWatch } from '../../act/task.ts';
import { sampleIntervalMs } from '../../policy/limit.ts';
import type { PoolAgent } from '../../pool-model.ts';
import { formatBytes } from '../../units.ts';
import type { Pool } from './pool.ts';

/** Without us nobody watches an agent of the pool: its caller measures it and holds its limit. */
export function openTaskGuard(
  pool: Pool,
  agent: PoolAgent,
): Required<Pick<TaskWatch, 'onLook' | 'lookMs'>> & {
  readonly overLimit: () => string | undefined;
  readonly last: () => AgentLook | undefined;
  readonly peakBytes: () => number | undefined;
  readonly close: () => void;
} {
  const { settings } = pool.context;
  const { limitBytes, process, leaseId } = agent;
  if (process === undefined) throw new Error(`${agent.id} has no process`);
  const looks = openAgentLooks(leaseId, process, pool.paths(agent.id).stdout);
  const isHeld = settings.monitoringEnabled && settings.thresholds.abort && limitBytes !== undefined;
  const mostMs = settings.thresholds.sampleIntervalMs;
  let peakBytes: number | undefined;
  let nextMs = 0;
  let waitMs = 0;
  let over: string | undefined;
  const look = (): AgentLook | undefined => {
    const seen = looks.look();
    if (seen === undefined) return undefined;
    peakBytes = Math.max(peakBytes ?? 0, seen.bytes);
    // Shared pages count once for each process in RSS: nobody is stopped before the exact measure agrees.
    const isOver =
      isHeld &&
      seen.bytes > limitBytes &&
      (seen.processes === 1 || (seen.pssBytes() ?? seen.bytes) > limitBytes);
    if (isOver) over ??= `${formatBytes(seen.bytes)} are over its limit of ${formatBytes(limitBytes)}`;
    const headroomBytes = (limitBytes ?? Infinity) - seen.bytes;
    waitMs = sampleIntervalMs({ headroomBytes, youngestMs: seen.atMs - agent.sinceMs, mostMs });
    nextMs = seen.atMs + waitMs;
    return seen;
  };
  return {
    onLook: () => {
      if (Date.now() >= nextMs) look();
    },
    lookMs: () => Math.max(1, nextMs - Date.now()),
    overLimit: () => over,
    last: look,
    peakBytes: () => peakBytes,
    close: () => looks.close(),
  };
}
