/** When does the machine refuse all starts after it ran out of memory, and how does it come back? The breaker as one pure table. */
import type { BreakerHold, BreakerPhase, BreakerState, ProcessIdentity } from '../model.ts';
import type { Settings } from '../settings-model.ts';

export type BreakerRules = Settings['circuitBreaker'];

/** What an event carries. An `id` is that of a probe; one that is not the present probe's changes nothing. */
interface Events {
  /** The machine ran out of memory. */
  memory: { readonly reason: string };
  /** It has less available than the breaker's floor. */
  floor: { readonly reason: string };
  /** The opening has lasted as long as it was to last. */
  due: object;
  /** Somebody wants to start. */
  ask: { readonly id: string; readonly owner: ProcessIdentity | undefined };
  /** The probe's place goes on under another owner. */
  kept: { readonly id: string; readonly owner: ProcessIdentity | undefined };
  passed: { readonly id: string };
  failed: { readonly id: string; readonly reason: string };
  /** The probe ended, or never began, and nothing can be learnt from it. */
  returned: { readonly id: string };
}

type Kind = keyof Events;
export type BreakerEvent<K extends Kind = Kind> = { [P in K]: { readonly kind: P } & Events[P] }[K];

/** Time and chance as values. */
export interface Moment {
  readonly nowMs: number;
  /** 0 to 1. */
  readonly chance: number;
  readonly rules: BreakerRules;
}

type Change<K extends Kind> = (state: BreakerState, event: BreakerEvent<K>, at: Moment) => BreakerState;
type Row = { readonly [K in Kind]: Change<K> };

/** Nothing happened yet. */
export const CLOSED: BreakerState = {
  phase: 'closed',
  sinceMs: 0,
  openMs: 0,
  rounds: 0,
  eventsMs: [],
  reason: undefined,
  probe: undefined,
  hold: undefined,
};

/** An opening lasts up to this share longer than its doubled time, so that machines that failed together do not return together. */
const JITTER_SHARE = 0.2;
/** Enough to count by; a storm must not let the file grow. */
const MOST_EVENTS = 100;
/** Clocks of two processes differ by less; more than this was set back by somebody. */
const CLOCK_MS = 5000;

const stay = (state: BreakerState): BreakerState => state;

const TABLE: Readonly<Record<BreakerPhase, Row>> = {
  closed: {
    memory: (state, { reason }, at) => {
      const counted = record(state, at);
      const { failures } = at.rules;
      return failureCount(counted, at) < failures ? counted : open(counted, reason, at);
    },
    floor: (state, { reason }, at) => open(state, reason, at),
    due: stay,
    ask: stay,
    kept: stay,
    passed: stay,
    failed: stay,
    returned: stay,
  },
  open: {
    memory: (state, { reason }, at) => {
      // Still running agents can fail on: the machine rests from the last failure on, the doubling is for probes.
      const restMs = Math.max(state.sinceMs + state.openMs - at.nowMs, openTime(state.rounds, at));
      return { ...record(state, at), sinceMs: at.nowMs, openMs: restMs, reason };
    },
    floor: stay,
    due: (state, _, { nowMs }) => ({ ...state, phase: 'half-open', sinceMs: nowMs, openMs: 0 }),
    ask: stay,
    kept: stay,
    passed: stay,
    failed: stay,
    returned: stay,
  },
  'half-open': {
    memory: (state, { reason }, at) => open(record(state, at), reason, at),
    floor: (state, { reason }, at) => open(state, reason, at),
    due: stay,
    ask: (state, { id, owner }, { nowMs, rules }) =>
      state.probe === undefined
        ? { ...state, probe: { id, owner, sinceMs: nowMs, untilMs: nowMs + rules.probeMs } }
        : state,
    kept: (state, { id, owner }) =>
      state.probe?.id === id ? { ...state, probe: { ...state.probe, owner } } : state,
    passed: (state, { id }, { nowMs }) =>
      state.probe?.id === id ? { ...CLOSED, sinceMs: nowMs, hold: state.hold } : state,
    failed: (state, { id, reason }, at) =>
      state.probe?.id === id ? open(record(state, at), reason, at) : state,
    returned: (state, { id }) => (state.probe?.id === id ? { ...state, probe: undefined } : state),
  },
};

/** The state after an event; the very same object where the event changes nothing. */
export function stepBreaker<K extends Kind>(
  state: BreakerState,
  event: BreakerEvent<K>,
  at: Moment,
): BreakerState {
  const row: Row = TABLE[state.phase];
  return row[event.kind](state, event, at);
}

/**
 * What time alone did: a hold or an opening ran out, the probe's owner died (false; undefined: cannot be told), or the
 * probe outlived its time, which a live owner has then passed and an unknown one gives back. The same object if nothing.
 */
export function settleBreaker(
  state: BreakerState,
  isProbeAlive: boolean | undefined,
  at: Moment,
): BreakerState {
  const { nowMs } = at;
  let next = alignClock(state, nowMs);
  if (next.hold?.untilMs !== undefined && nowMs >= next.hold.untilMs) next = { ...next, hold: undefined };
  if (next.phase === 'open' && nowMs >= next.sinceMs + next.openMs)
    next = stepBreaker(next, { kind: 'due' }, at);
  const { probe } = next;
  if (probe === undefined) return next;
  if (isProbeAlive === false) return stepBreaker(next, { kind: 'returned', id: probe.id }, at);
  if (nowMs < probe.untilMs) return next;
  return stepBreaker(next, { kind: isProbeAlive === true ? 'passed' : 'returned', id: probe.id }, at);
}

/** A settled state after somebody asked to start: too little memory opens it, half-open gives the one place away. */
export function askedBreaker(
  state: BreakerState,
  asker: Omit<BreakerEvent<'ask'>, 'kind'>,
  lowMemory: string | undefined,
  at: Moment,
): BreakerState {
  const looked =
    lowMemory === undefined ? state : stepBreaker(state, { kind: 'floor', reason: lowMemory }, at);
  return looked.hold === undefined ? stepBreaker(looked, { kind: 'ask', ...asker }, at) : looked;
}

/** Opened by hand; what went on below goes on. */
export function holdBreaker(state: BreakerState, hold: BreakerHold): BreakerState {
  return { ...state, hold };
}

/** What a state file that could not be read is replaced by: open once, as after a first failure, so that nothing is waved through and nothing blocked for ever. */
export function mistrustedBreaker(reason: string, at: Moment): BreakerState {
  return open(CLOSED, reason, at);
}

/** How often memory ran out: within the window while closed, else what led here. */
export function failureCount(
  { phase, eventsMs }: Pick<BreakerState, 'phase' | 'eventsMs'>,
  { nowMs, rules }: Pick<Moment, 'nowMs' | 'rules'>,
): number {
  if (phase !== 'closed') return eventsMs.length;
  return eventsMs.filter((eventMs) => eventMs > nowMs - rules.windowMs).length;
}

/** How long the opening of this round lasts, milliseconds. Round 1 of 30 s: 30 to 36 s; round 2: 60 to 72 s. */
export function openTime(rounds: number, { chance, rules }: Pick<Moment, 'chance' | 'rules'>): number {
  const doubledMs = rules.recoveryMs * 2 ** Math.max(0, rounds - 1);
  return Math.round(Math.min(rules.recoveryMostMs, doubledMs * (1 + JITTER_SHARE * chance)));
}

function open(state: BreakerState, reason: string, at: Moment): BreakerState {
  const rounds = state.rounds + 1;
  return {
    ...state,
    phase: 'open',
    sinceMs: at.nowMs,
    openMs: openTime(rounds, at),
    rounds,
    reason,
    probe: undefined,
  };
}

function record(state: BreakerState, { nowMs, rules }: Moment): BreakerState {
  const fresh =
    state.phase === 'closed'
      ? state.eventsMs.filter((eventMs) => eventMs > nowMs - rules.windowMs)
      : state.eventsMs;
  return { ...state, eventsMs: [...fresh, nowMs].slice(-MOST_EVENTS) };
}

/** Where the clock was set back, all times go back with it: otherwise an opening of seconds would last until the clock catches up. */
function alignClock(state: BreakerState, nowMs: number): BreakerState {
  const { sinceMs, eventsMs, probe, hold } = state;
  const newestMs = Math.max(sinceMs, eventsMs.at(-1) ?? 0, probe?.sinceMs ?? 0, hold?.sinceMs ?? 0);
  const backMs = newestMs - nowMs;
  if (backMs <= CLOCK_MS) return state;
  return {
    ...state,
    sinceMs: sinceMs - backMs,
    eventsMs: eventsMs.map((eventMs) => eventMs - backMs),
    probe: probe && { ...probe, sinceMs: probe.sinceMs - backMs, untilMs: probe.untilMs - backMs },
    hold: hold && {
      ...hold,
      sinceMs: hold.sinceMs - backMs,
      untilMs: hold.untilMs === undefined ? undefined : hold.untilMs - backMs,
    },
  };
}
