/** How much more may start now, and which limit says so? */
import type { BindingLimit, MemorySnapshot, Mode } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { counts, sumCharges, type Charge, type CheckedLease } from './charge.ts';
import { AGENTS_PER_MODE, judgeMode } from './mode.ts';

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
  /** The mode of the last admission, which is left only with a margin. */
  readonly modeBefore?: Mode | undefined;
  /** The lease of the agent in which the asker itself lives: it would wait for its own end if that counted for the mode. */
  readonly within?: string | undefined;
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
  /** Live agents and sub-agents; the coordinator is not counted, nor are idle agents of the pool. */
  readonly liveAgents: number;
  /** Those of them beside which the asker would run. */
  readonly besideAgents: number;
  readonly maxConcurrent: number;
  readonly charge: Charge;
  /** The coordinator's share that is held back because none is running. */
  readonly coordinatorShareBytes: number;
  /** The tightest first. */
  readonly rooms: readonly Room[];
  /** The tightest room's headroom, at least 0; Infinity where memory holds nothing back. */
  readonly headroomBytes: number;
  readonly mode: Mode;
  readonly modeReason: string;
  /** What must come free before a freer mode begins; undefined: there is none. */
  readonly modeShortByBytes: number | undefined;
}

/**
 * headroom = min(available, total limit - ours) - safety - promised - coordinator's share, and the budget's own rest.
 * Less available memory never gives more headroom.
 */
export function judgeCapacity({
  settings,
  memory,
  leases,
  budget,
  modeBefore,
  within,
}: CapacityFacts): Capacity {
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

  const { mode, reason, shortByBytes } = settings.enabled
    ? judgeMode(memory.availableBytes, settings.admission, modeBefore)
    : MODE_OFF;
  const atWork = agents.filter(({ isIdle }) => isIdle !== true);
  return {
    liveAgents: atWork.length,
    besideAgents: atWork.filter(({ lease }) => lease.id !== within).length,
    maxConcurrent: settings.maxConcurrentAgents,
    charge,
    coordinatorShareBytes,
    rooms,
    headroomBytes: settings.enabled ? Math.max(0, rooms[0]?.headroomBytes ?? 0) : Infinity,
    mode,
    modeReason: reason,
    modeShortByBytes: shortByBytes,
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

const MODE_OFF = {
  mode: 'full_parallel',
  reason: 'memory management is off',
  shortByBytes: undefined,
} as const;

/** How many more may start beside those that live, by the mode alone. */
export function modeRoom({ besideAgents, mode }: Capacity): number {
  return Math.max(0, AGENTS_PER_MODE[mode] - besideAgents);
}

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
  return { count: Math.min(slots, fits, modeRoom(capacity)), slots, fits };
}

function gb(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)}GB`;
}
