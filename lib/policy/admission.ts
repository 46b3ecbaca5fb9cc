/** May this agent start now; if not, why, how much is missing, what would fit, and when shall the caller ask again? */
import type { BindingLimit, Mode } from '../model.ts';
import { formatBytes, formatDuration } from '../units.ts';
import { judgeCapacity, modeRoom, mostThatFits, type Capacity, type CapacityFacts } from './capacity.ts';
import { counts } from './charge.ts';
import { holdLeftMs } from './hold.ts';

/** What the ledger remembers between two admissions. */
export interface AdmissionMemory {
  /** Since when admissions are held because the machine went under its floor. */
  readonly holdSinceMs: number | undefined;
  /** When memory last ran out: after it one start at a time, until one has proved safe. */
  readonly lastMemoryEventMs: number | undefined;
  /** The mode at the last admission, which is left only with a margin; absent: none yet. */
  readonly mode?: Mode | undefined;
}

/** What the pressure coordinator leaves in the ledger; admissions only read it. */
export interface PressureHold {
  /** Until when admissions are held because memory pressure was critical. */
  readonly pressureHoldUntilMs?: number | undefined;
}

export interface AdmissionRequest {
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  /** false: nobody said what it needs, the figure is the configured prior. */
  readonly estimateIsStated: boolean;
}

interface Common {
  readonly reason: string;
  readonly mode: Mode;
  readonly liveAgents: number;
  readonly maxConcurrent: number;
  /** The largest estimate that would be admitted now. */
  readonly wouldFitBytes: number;
  /** What the ledger shall remember. */
  readonly memory: AdmissionMemory;
}

export type AdmissionDecision =
  | (Common & {
      readonly decision: 'admit';
      readonly estimateBytes: number;
      readonly limitBytes: number | undefined;
      readonly warning: string | undefined;
    })
  | (Common & {
      readonly decision: 'wait';
      readonly binding: BindingLimit;
      readonly shortByBytes: number | undefined;
      readonly retryAfterMs: number;
    })
  | (Common & { readonly decision: 'refuse'; readonly binding: BindingLimit; readonly shortByBytes: number });

/** Whether a wait is for a place, so that whoever stands behind must wait as well, however small. */
export function isForAll(binding: BindingLimit): boolean {
  return binding === 'max_concurrent' || binding === 'mode';
}

/** A hold ends only when a quarter more than the floor is there again, so that it does not flap. */
const RESUME_FACTOR = 1.25;
/** A start has proved safe when it has lived this long after the last memory event. */
const PROVING_MS = 10_000;
/** Caution ends after this long in any case. */
const CAUTION_MS = 120_000;
const RETRY_MS = { memory: 5000, slot: 2000, hold: 10_000 } as const;

/** The facts of an admission. */
export type AdmissionFacts = CapacityFacts & { nowMs: number; memoryOf: AdmissionMemory & PressureHold };

/** What an admission looks at first; it stays the same for several requests as long as nothing is admitted. */
export function admissionCapacity(facts: AdmissionFacts): Capacity {
  return judgeCapacity({ ...facts, modeBefore: facts.memoryOf.mode });
}

/** The one rule of admission; pure, so that `plan`, `spawn`, `run` and a hook cannot disagree. */
export function decideAdmission(
  facts: AdmissionFacts,
  request: AdmissionRequest,
  capacity: Capacity = admissionCapacity(facts),
): AdmissionDecision {
  const { settings, nowMs } = facts;
  const holdSinceMs = settings.enabled ? judgeHold(facts, nowMs) : undefined;
  const pressureHoldMs = settings.enabled ? holdLeftMs(facts.memoryOf.pressureHoldUntilMs, nowMs) : 0;
  const proved = facts.leases.some(
    ({ lease, life }) =>
      counts(life) &&
      lease.role !== 'coordinator' &&
      isProved(lease.sinceMs, facts.memoryOf.lastMemoryEventMs, nowMs),
  );
  const eventMs = facts.memoryOf.lastMemoryEventMs;
  // Agents too short to prove anything must not keep the machine at one at a time for ever.
  const isOver = proved || (eventMs !== undefined && nowMs - eventMs >= CAUTION_MS);
  const memory: AdmissionMemory = {
    holdSinceMs,
    lastMemoryEventMs: isOver ? undefined : eventMs,
    mode: capacity.mode,
  };
  const common = {
    mode: capacity.mode,
    liveAgents: capacity.liveAgents,
    maxConcurrent: capacity.maxConcurrent,
    wouldFitBytes:
      capacity.liveAgents >= capacity.maxConcurrent ||
      modeRoom(capacity) === 0 ||
      holdSinceMs !== undefined ||
      pressureHoldMs > 0
        ? 0
        : finite(capacity.headroomBytes, facts.memory.totalBytes),
    memory,
  };

  if (capacity.liveAgents >= capacity.maxConcurrent) {
    const reason = `${capacity.liveAgents} of ${capacity.maxConcurrent} agents running (max_concurrent_agents)`;
    return {
      ...common,
      decision: 'wait',
      reason,
      binding: 'max_concurrent',
      shortByBytes: undefined,
      retryAfterMs: RETRY_MS.slot,
    };
  }
  if (!settings.enabled)
    return admit(
      common,
      request,
      request.estimateBytes,
      'memory management is off: only the number of agents counts',
      undefined,
    );

  const most = mostThatFits(capacity);
  if (request.estimateIsStated && most && request.estimateBytes > most.mostBytes) {
    const shortByBytes = request.estimateBytes - most.mostBytes;
    const reason = `needs ${formatBytes(request.estimateBytes)}, and ${most.name} can never hold more than ${formatBytes(Math.max(0, most.mostBytes))}`;
    return { ...common, decision: 'refuse', reason, binding: most.limit, shortByBytes };
  }
  if (holdSinceMs !== undefined) return belowFloor(facts, common);
  if (pressureHoldMs > 0) return heldByPressure(pressureHoldMs, common);
  if (memory.lastMemoryEventMs !== undefined) {
    const event = memory.lastMemoryEventMs;
    const youngest = Math.max(
      ...facts.leases.flatMap(({ lease, life }) =>
        counts(life) && lease.role !== 'coordinator' && lease.sinceMs > event ? [lease.sinceMs] : [],
      ),
      -Infinity,
    );
    if (youngest > event) {
      const retryAfterMs = Math.max(1, youngest + PROVING_MS - nowMs);
      const reason = `memory ran out ${Math.round((nowMs - event) / 1000)} s ago: one start at a time until it has proved safe`;
      return {
        ...common,
        decision: 'wait',
        wouldFitBytes: 0,
        reason,
        binding: 'caution',
        shortByBytes: undefined,
        retryAfterMs,
      };
    }
  }
  if (request.estimateBytes <= capacity.headroomBytes) {
    if (modeRoom(capacity) === 0) return narrowed(capacity, common);
    const reason = `${formatBytes(request.estimateBytes)} fit into ${formatBytes(capacity.headroomBytes)} of headroom`;
    return admit(common, request, request.estimateBytes, reason, undefined);
  }
  return alwaysOne(facts, capacity, common, request) ?? short(capacity, common, request);
}

function judgeHold(
  { settings, memory, memoryOf }: CapacityFacts & { memoryOf: AdmissionMemory },
  nowMs: number,
): number | undefined {
  const need = settings.admission.floorBytes * (memoryOf.holdSinceMs === undefined ? 1 : RESUME_FACTOR);
  return memory.availableBytes < need ? (memoryOf.holdSinceMs ?? nowMs) : undefined;
}

function isProved(sinceMs: number, eventMs: number | undefined, nowMs: number): boolean {
  return eventMs !== undefined && sinceMs > eventMs && nowMs - sinceMs >= PROVING_MS;
}

function belowFloor(facts: CapacityFacts, common: Common0): AdmissionDecision {
  const { floorBytes } = facts.settings.admission;
  const { availableBytes } = facts.memory;
  const needBytes = availableBytes < floorBytes ? floorBytes : floorBytes * RESUME_FACTOR;
  return {
    ...common,
    decision: 'wait',
    reason: `Insufficient memory: only ${formatBytes(availableBytes)} available (need at least ${shortSize(needBytes)})`,
    binding: availableBytes < floorBytes ? 'floor' : 'hold',
    shortByBytes: needBytes - availableBytes,
    retryAfterMs: RETRY_MS.hold,
  };
}

function heldByPressure(leftMs: number, common: Common0): AdmissionDecision {
  return {
    ...common,
    decision: 'wait',
    reason: `memory pressure was critical: admissions are held for ${formatDuration(leftMs)} more at most`,
    binding: 'hold',
    shortByBytes: undefined,
    retryAfterMs: Math.min(leftMs, RETRY_MS.hold),
  };
}

/** It would fit, but so little is free that fewer may run side by side; those that run go on. */
function narrowed(capacity: Capacity, common: Common0): AdmissionDecision {
  return {
    ...common,
    decision: 'wait',
    reason: `${capacity.mode}: ${capacity.modeReason}, ${capacity.besideAgents} running`,
    binding: 'mode',
    shortByBytes: capacity.modeShortByBytes,
    retryAfterMs: RETRY_MS.memory,
  };
}

type Common0 = Omit<Common, 'reason'>;

function admit(
  common: Common0,
  request: AdmissionRequest,
  estimateBytes: number,
  reason: string,
  warning: string | undefined,
): AdmissionDecision {
  return { ...common, decision: 'admit', reason, estimateBytes, limitBytes: request.limitBytes, warning };
}

/** With nothing of ours running one agent starts all the same, on a smaller limit, as long as the floor is there. */
function alwaysOne(
  { settings, budget }: CapacityFacts,
  capacity: Capacity,
  common: Common0,
  request: AdmissionRequest,
): AdmissionDecision | undefined {
  if (capacity.liveAgents > 0) return undefined;
  const withoutShare = capacity.rooms.map(
    (room) => room.headroomBytes + (room.limit === 'budget' ? 0 : capacity.coordinatorShareBytes),
  );
  const roomBytes = Math.min(...withoutShare);
  // A budget below the floor is the caller's own wish; the machine's floor was checked before.
  const leastBytes = budget
    ? Math.min(settings.admission.floorBytes, budget.bytes)
    : settings.admission.floorBytes;
  if (roomBytes < leastBytes) return undefined;
  const limitBytes = Math.min(request.limitBytes ?? Infinity, roomBytes);
  const reason = 'single-agent mode: nothing else is running';
  const warning = `single-agent mode: ${formatBytes(request.estimateBytes)} do not fit, it starts alone with ${formatBytes(limitBytes)} as its limit`;
  return {
    ...admit(
      { ...common, mode: 'sequential' },
      { ...request, limitBytes },
      Math.min(request.estimateBytes, roomBytes),
      reason,
      warning,
    ),
  };
}

function short(capacity: Capacity, common: Common0, request: AdmissionRequest): AdmissionDecision {
  const tightest = capacity.rooms[0];
  const shortByBytes = request.estimateBytes - capacity.headroomBytes;
  const reason = `${formatBytes(shortByBytes)} short: ${formatBytes(request.estimateBytes)} needed, ${formatBytes(capacity.headroomBytes)} of headroom in ${tightest?.name ?? 'the machine'}, ${capacity.liveAgents} of ${capacity.maxConcurrent} agents running`;
  return {
    ...common,
    decision: 'wait',
    reason,
    binding: tightest?.limit ?? 'machine',
    shortByBytes,
    retryAfterMs: RETRY_MS.memory,
  };
}

function finite(value: number, otherwise: number): number {
  return Number.isFinite(value) ? value : otherwise;
}

/** `1GB`, `512MB`: whole units lose their decimals, as the ancestors wrote them. */
function shortSize(bytes: number): string {
  return formatBytes(bytes).replace('.0', '');
}
