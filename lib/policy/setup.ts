/** Do the coordinator and the agents that the settings allow fit on this machine together, and what reads a project's setup as bad? */
import type { MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { MIB, formatBytes } from '../units.ts';
import { judgeCapacity, mostThatFits } from './capacity.ts';

export type ItemState = 'ok' | 'warning' | 'fault';

/** One thing that was looked at. */
export interface Item {
  readonly name: string;
  readonly state: ItemState;
  readonly detail: string;
  /** What to do about it. */
  readonly hint?: string;
}

export interface Fit {
  readonly verdict: 'fits' | 'fewer' | 'none';
  /** How many agents of the usual size fit beside the coordinator when nothing else runs; at most max_concurrent. */
  readonly agents: number;
  readonly maxConcurrent: number;
  /** Coordinator, safety and all agents, bytes. */
  readonly neededBytes: number;
  /** What the tightest limit leaves for agents. */
  readonly leftBytes: number;
  /** Which limit that is. */
  readonly binding: string;
  readonly reasons: readonly string[];
}

/** Machine against settings, as if nothing ran. Where memory management is off nothing is held back, so all fit. */
export function judgeFit(settings: Settings, memory: MemorySnapshot): Fit {
  const room = mostThatFits(judgeCapacity({ settings, memory, leases: [], budget: undefined }));
  const leftBytes = Math.max(0, room?.mostBytes ?? 0);
  const {
    maxConcurrentAgents: maxConcurrent,
    memoryPerAgentBytes,
    coordinatorMemoryBytes,
    admission,
  } = settings;
  const fitting = Math.floor(leftBytes / memoryPerAgentBytes);
  const agents = settings.enabled ? Math.min(maxConcurrent, fitting) : maxConcurrent;
  const neededBytes = coordinatorMemoryBytes + admission.safetyBytes + maxConcurrent * memoryPerAgentBytes;
  const binding = room?.name ?? 'the machine';

  const reasons: string[] = [];
  if (!settings.enabled) reasons.push('memory_management.enabled is false: memory holds nothing back');
  if (agents < maxConcurrent)
    reasons.push(
      `the coordinator (${formatBytes(coordinatorMemoryBytes)}), ${formatBytes(admission.safetyBytes)} of safety and ${maxConcurrent} agents of ${formatBytes(memoryPerAgentBytes)} need ${formatBytes(neededBytes)}; ${binding} leaves room for ${agents} at once`,
    );
  if (agents === 0)
    reasons.push(
      'a single agent is still admitted when nothing else runs, with a smaller limit, above admission.floor_mb',
    );
  if (settings.coordinatorHeapMb * MIB > coordinatorMemoryBytes)
    reasons.push(
      `node_options.coordinator_heap_size (${settings.coordinatorHeapMb}MB) is more than what is kept for the coordinator, memory_management.coordinator_memory_gb`,
    );
  return {
    verdict: agents === maxConcurrent ? 'fits' : agents > 0 ? 'fewer' : 'none',
    agents,
    maxConcurrent,
    neededBytes,
    leftBytes,
    binding,
    reasons,
  };
}

/** The worst of the items decides. */
export function worstState(items: readonly Item[]): ItemState {
  if (items.some(({ state }) => state === 'fault')) return 'fault';
  return items.some(({ state }) => state === 'warning') ? 'warning' : 'ok';
}
