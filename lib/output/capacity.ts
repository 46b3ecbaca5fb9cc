/** How much room is there, and who takes it? Capacity as lines and as a table. */
import type { MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { spawnLimit, type Capacity } from '../policy/capacity.ts';
import { formatBytes, gigabytes, MIB } from '../units.ts';
import type { LineValue } from './answer.ts';
import { renderTable } from './table.ts';

export interface CapacityView {
  readonly context: { readonly settings: Settings; readonly memory: MemorySnapshot };
  readonly capacity: Capacity;
  readonly estimateBytes: number;
  readonly spawnCapacity: number;
}

/** The ancestors' words, in their units: sizes in GB. */
export function capacityLines({
  context,
  capacity,
  estimateBytes,
  spawnCapacity,
}: CapacityView): [string, LineValue][] {
  const { settings, memory } = context;
  return [
    ['total_memory', gigabytes(memory.totalBytes)],
    ['available_memory', gigabytes(memory.availableBytes)],
    ['memory_unit', 'GB'],
    ['running_agents', capacity.liveAgents],
    ['max_concurrent', capacity.maxConcurrent],
    ['spawn_capacity', spawnCapacity],
    ['memory_enabled', settings.enabled],
    ['mode', capacity.mode],
    ['mode_reason', capacity.modeReason],
    ['estimate_mb', Math.round(estimateBytes / MIB)],
    ['promised_mb', Math.round(capacity.charge.promisedBytes / MIB)],
    [
      'headroom_mb',
      Number.isFinite(capacity.headroomBytes) ? Math.round(capacity.headroomBytes / MIB) : undefined,
    ],
    ['limited_by', spawnLimit(capacity, estimateBytes)],
  ];
}

/** Every limit with what it leaves, the tightest first, under one sentence. */
export async function capacityTable(
  { context, capacity, estimateBytes, spawnCapacity }: CapacityView,
  sentence: string,
): Promise<string> {
  const { memory } = context;
  const rows = capacity.rooms.map(({ limit, name, headroomBytes, mostBytes }) => [
    limit,
    name,
    formatBytes(headroomBytes),
    formatBytes(mostBytes),
  ]);
  return [
    `${sentence}.`,
    `${formatBytes(memory.availableBytes)} of ${formatBytes(memory.totalBytes)} available; ${capacity.liveAgents} of ${capacity.maxConcurrent} agents run, ${formatBytes(capacity.charge.promisedBytes)} are promised to them and not used yet.`,
    `An agent is expected to need ${formatBytes(estimateBytes)}; ${spawnCapacity} may start now.`,
    `Mode ${capacity.mode.replace('_', ' ')}: ${capacity.modeReason}.`,
    capacity.coordinatorShareBytes > 0
      ? `${formatBytes(capacity.coordinatorShareBytes)} are kept for a coordinator, which does not run.`
      : '',
    '',
    await renderTable(['limit', 'of', 'leaves now', 'leaves at most'], rows),
  ].join('\n');
}
