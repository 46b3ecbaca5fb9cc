/** Does the machine's circuit breaker let this start? What every admission asks, and where it is told how a start went. */
import type { Liveness } from '../lock.ts';
import type { BreakerState, MemorySnapshot, ProcessIdentity } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import {
  CLOSED,
  askedBreaker,
  failureCount,
  mistrustedBreaker,
  settleBreaker,
  stepBreaker,
  type Moment,
} from '../policy/breaker.ts';
import { judgeBreaker, lowMemoryReason, type BreakerAnswer } from '../policy/breaker-answer.ts';
import { readBreaker, updateBreaker } from '../state/breaker.ts';

/** What of a call's context the breaker needs; a loop gives it its latest look at the memory. */
export interface BreakerWorld {
  readonly settings: Pick<Settings, 'enabled' | 'circuitBreaker'>;
  readonly memory: Pick<MemorySnapshot, 'availableBytes'>;
  readonly stateDir: () => string;
  readonly liveness: () => Liveness;
}

/** Who wants to start: the lease's id (a probe is reported by it), and whose death would free the probe's place. */
export interface Asker {
  readonly id: string;
  readonly owner: ProcessIdentity | undefined;
}

/** The breaker at one instant, for showing. */
export interface BreakerLook {
  readonly state: BreakerState;
  readonly answer: BreakerAnswer;
  readonly failureCount: number;
  readonly nowMs: number;
}

/**
 * Asks to start. Closed and above its floor, as nearly always, it costs one look for a file that is not there. `probe: true`:
 * this start is the one of a half-open breaker; report its end by `reportProbe`, or give it back by `returnProbe`.
 * Where memory management is off, only what was opened by hand holds.
 * @throws Failure (2) for a state file that cannot be read, or of a newer version.
 */
export function askBreaker(world: BreakerWorld, asker: Asker): BreakerAnswer {
  const { enabled, circuitBreaker } = world.settings;
  if (!enabled) return lookAtBreaker(world).answer;
  const low = lowMemoryReason(world.memory.availableBytes, circuitBreaker);
  const { state, nowMs } = change(world, (settled, at) => askedBreaker(settled, asker, low, at));
  return judgeBreaker(state, nowMs, asker.id);
}

/** What it would answer, without asking: a half-open breaker keeps its place. Only a damaged file is mended. */
export function lookAtBreaker(world: BreakerWorld): BreakerLook {
  const { enabled, circuitBreaker } = world.settings;
  const { state, nowMs } = look(world);
  return {
    state,
    answer: judgeBreaker(enabled ? state : { ...CLOSED, hold: state.hold }, nowMs, undefined),
    failureCount: failureCount(state, { nowMs, rules: circuitBreaker }),
    nowMs,
  };
}

/** The machine ran out of memory: the kernel killed something of ours, or we did for the machine's sake. Not an agent's own error. */
export function reportMemoryEvent(world: BreakerWorld, reason: string): void {
  change(world, (state, at) => stepBreaker(state, { kind: 'memory', reason }, at));
}

/**
 * The start with this id ended: `true`, the machine did not run out of memory by it (whatever its exit code); else the
 * reason why it counts against it. Says nothing where it was no probe, or is none any more: good to call for every end.
 */
export function reportProbe(
  world: BreakerWorld,
  id: string,
  passed: true | { readonly failed: string },
): void {
  change(world, (state, at) =>
    stepBreaker(
      state,
      passed === true ? { kind: 'passed', id } : { kind: 'failed', id, reason: passed.failed },
      at,
    ),
  );
}

/** The probe did not start after all, or its end tells nothing (somebody stopped it): the place is free again. */
export function returnProbe(world: BreakerWorld, id: string): void {
  change(world, (state, at) => stepBreaker(state, { kind: 'returned', id }, at));
}

/** From now on the place hangs on another owner's life. */
export function keepProbe(world: BreakerWorld, { id, owner }: Asker): void {
  change(world, (state, at) => stepBreaker(state, { kind: 'kept', id, owner }, at));
}

/**
 * Applies one step to the settled state, under the lock only if it changes something; the whole step is then taken again
 * on what stands there under the lock, so of fifty askers one gets the probe. A closed breaker with nothing to remember
 * has no file.
 */
export function change(
  world: BreakerWorld,
  step: (settled: BreakerState, at: Moment) => BreakerState,
): { readonly state: BreakerState; readonly nowMs: number } {
  const stateDir = world.stateDir();
  const take = (before: BreakerState | undefined): { state: BreakerState; nowMs: number } => {
    const at = moment(world);
    return { state: step(settled(world, before ?? CLOSED, at), at), nowMs: at.nowMs };
  };

  const found = readBreaker(stateDir);
  if (!('damage' in found)) {
    const taken = take(found.state);
    if (taken.state === (found.state ?? CLOSED)) return taken;
  }
  let taken: { state: BreakerState; nowMs: number } | undefined;
  const mistrust = (damage: string, aside: string): BreakerState =>
    mistrustedBreaker(
      `its file was damaged (${damage.slice(0, 120).replace(/[^\x20-\x7e]/g, '?')}) and is kept as ${aside}`,
      moment(world),
    );
  updateBreaker(stateDir, world.liveness(), mistrust, (before) => {
    taken = take(before);
    if (taken.state === before) return before;
    return isAtRest(taken.state) ? undefined : taken.state;
  });
  return taken ?? take(undefined);
}

function look(world: BreakerWorld): { readonly state: BreakerState; readonly nowMs: number } {
  const found = readBreaker(world.stateDir());
  if ('damage' in found) return change(world, (state) => state);
  const at = moment(world);
  return { state: settled(world, found.state ?? CLOSED, at), nowMs: at.nowMs };
}

function settled(world: BreakerWorld, state: BreakerState, at: Moment): BreakerState {
  const owner = state.probe?.owner;
  return settleBreaker(state, owner && world.liveness().isAlive(owner), at);
}

function moment({ settings }: BreakerWorld): Moment {
  return { nowMs: Date.now(), chance: Math.random(), rules: settings.circuitBreaker };
}

function isAtRest({ phase, eventsMs, hold }: BreakerState): boolean {
  return phase === 'closed' && eventsMs.length === 0 && hold === undefined;
}
