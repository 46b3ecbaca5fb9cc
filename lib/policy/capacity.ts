/** How much more may start now, and which limit says so? */
import type { BindingLimit, MemorySnapshot, Mode } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { counts, sumCharges, type Charge, type CheckedLease } from './charge.ts';

/** Less than the whole machine, for the leases of one epic. */
export interface Budget {
  readonly bytes: number;
  readonly project: string;
  readonly epic: string;
}

export interface CapacityFacts {
  readonly settings: Settings;
  readonly memory: MemorySnapshot;
  readonly leases: readonly CheckedLease[];
  readonly budget: Budget | undefined;
}

/** One limit and what it leaves. */
export interface Room {
  readonly limit: Extract<BindingLimit, 'machine' | 'cgroup' | 'total_memory_limit' | 'budget'>;
  /** `cgroup /a/b`, `budget 4.0GB` … for people. */
  readonly name: string;
  /** May be below zero. */
  readonly headroomBytes: number;
  /** What it would leave if nothing of ours ran: more can never fit. */
  readonly mostBytes: number;
}

export interface Capacity {
  /** Live agents and sub-agents; the coordinator is not counted. */
  readonly liveAgents: number;
  readonly maxConcurrent: number;
  readonly charge: Charge;
  /** The coordinator's share that is held back because none is running. */
  readonly coordinatorShareBytes: number;
  /** The tightest first. */
  readonly rooms: readonly Room[];
  /** The tightest room's headroom, at least 0; Infinity where memory holds nothing back. */
  readonly headroomBytes: number;
  readonly mode: Mode;
}

/**
 * headroom = min(available, total limit - ours) - safety - promised - coordinator's share, and the budget's own rest.
 * Less available memory never gives more headroom.
 */
export function judgeCapacity({ settings, memory, leases, budget }: CapacityFacts): Capacity {
  const live = leases.filter(({ life }) => counts(life));
  const agents = live.filter(({ lease }) => lease.role !== 'coordinator');
  const charge = sumCharges(live);
  const coordinatorShareBytes = live.length > agents.length ? 0 : settings.coordinatorMemoryBytes;
  const heldBack = settings.admission.safetyBytes + coordinatorShareBytes;

  const rooms: Room[] = memory.bounds.map((bound) => ({
    limit: bound.kind,
    name:
      bound.kind === 'machine'
        ? `the machine's ${gb(bound.totalBytes)}`
        : `cgroup ${bound.name} (${gb(bound.totalBytes)})`,
    headroomBytes: bound.availableBytes - heldBack - charge.promisedBytes,
    mostBytes: bound.totalBytes - heldBack,
  }));
  rooms.push({
    limit: 'total_memory_limit',
    name: `total_memory_limit_gb (${gb(settings.totalMemoryLimitBytes)})`,
    headroomBytes: settings.totalMemoryLimitBytes - heldBack - charge.chargedBytes,
    mostBytes: settings.totalMemoryLimitBytes - heldBack,
  });
  if (budget) {
    const ours = agents.filter(({ lease }) => lease.project === budget.project && lease.epic === budget.epic);
    rooms.push({
      limit: 'budget',
      name: `the budget of ${gb(budget.bytes)}`,
      headroomBytes: budget.bytes - sumCharges(ours).chargedBytes,
      mostBytes: budget.bytes,
    });
  }
  rooms.sort((a, b) => a.headroomBytes - b.headroomBytes);

  return {
    liveAgents: agents.length,
    maxConcurrent: settings.maxConcurrentAgents,
    charge,
    coordinatorShareBytes,
    rooms,
    headroomBytes: settings.enabled ? Math.max(0, rooms[0]?.headroomBytes ?? 0) : Infinity,
    mode: judgeMode(memory.availableBytes, settings.admission.floorBytes),
  };
}

/** The largest estimate that could ever be admitted here. */
export function mostThatFits(capacity: Capacity): Room | undefined {
  return capacity.rooms.reduce<Room | undefined>(
    (least, room) => (least && least.mostBytes <= room.mostBytes ? least : room),
    undefined,
  );
}

/** The largest share that one agent can ever get here, bytes: all that is there, less what is always kept free. */
export function mostForOne(facts: Omit<CapacityFacts, 'leases'>): number {
  const most = mostThatFits(judgeCapacity({ ...facts, leases: [] }));
  return Math.max(0, most?.mostBytes ?? facts.memory.totalBytes);
}

/**
 * sequential under twice the floor, limited under four times: with the workstation's floor of 1 GB these are the 2 GB and
 * 4 GB of the ancestors. A mode bounds how many may start at one look, so that memory which the last ones have not
 * touched yet is seen before the next start.
 */
export function judgeMode(availableBytes: number, floorBytes: number): Mode {
  if (availableBytes < 2 * floorBytes) return 'sequential';
  if (availableBytes < 4 * floorBytes) return 'limited_parallel';
  return 'full_parallel';
}

/** How many starts one look at the machine allows. */
export const STARTS_PER_MODE = {
  full_parallel: Infinity,
  limited_parallel: 2,
  sequential: 1,
} satisfies Record<Mode, number>;

/** How many agents of this estimate may start now. */
export function spawnCapacity(capacity: Capacity, estimateBytes: number): number {
  return countOf(capacity, estimateBytes).count;
}

/** Which limit says so: the slots, the mode, or the tightest room of memory. */
export function spawnLimit(capacity: Capacity, estimateBytes: number): BindingLimit | 'mode' {
  const { count, slots, fits } = countOf(capacity, estimateBytes);
  if (count === slots) return 'max_concurrent';
  return count === fits ? (capacity.rooms[0]?.limit ?? 'machine') : 'mode';
}

function countOf(capacity: Capacity, estimateBytes: number): { count: number; slots: number; fits: number } {
  const slots = Math.max(0, capacity.maxConcurrent - capacity.liveAgents);
  const fits =
    capacity.headroomBytes === Infinity
      ? Infinity
      : Math.floor(capacity.headroomBytes / Math.max(1, estimateBytes));
  return { count: Math.min(slots, fits, STARTS_PER_MODE[capacity.mode]), slots, fits };
}

function gb(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)}GB`;
}
