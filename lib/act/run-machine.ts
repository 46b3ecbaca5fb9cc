/** How is the machine itself kept from running out under a run? Looked at, agents that grow halted, and at last one stopped. */
import type { MemorySnapshot } from '../model.ts';
import type { RunEvent } from '../run-model.ts';
import type { Settings } from '../settings-model.ts';
import { wasShort } from '../policy/cause.ts';
import { sampleIntervalMs } from '../policy/limit.ts';
import type { Candidate } from '../policy/victim.ts';
import type { AttemptView, Engine } from './engine.ts';
import { MachineGuard } from './machine-guard.ts';
import { RunPauses } from './run-pauses.ts';

export interface MachineWorld {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly readMemory: () => MemorySnapshot;
  /** All that the agents of this run may hold together. */
  readonly budgetBytes: number;
  /** Whether this stream was let start by a forecast, and not by what is reserved for it. */
  readonly isForecast: (key: string) => boolean;
  /** Whether these are expected to stay within so much together, from now on; undefined: by no forecast. */
  readonly isExpectedToFit?: ((views: readonly AttemptView[], bytes: number) => boolean) | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

/** Who is to be stopped. */
export interface MachineVictim {
  readonly key: string;
  readonly reason: string;
  /** It is our own forecast that was wrong: nobody else takes the memory, and the machine is well. */
  readonly isOverbooked: boolean;
}

interface Seen {
  readonly memory: MemorySnapshot;
  readonly atMs: number;
  /** It is good until then. */
  readonly untilMs: number;
}

/** With this share of what is in use the agents of this run are what fills the memory. */
const OURS_SHARE = 0.5;
/** A stream that is stopped more often than this has something wrong that a better forecast does not mend. */
const MOST_OVERBOOKED = 3;
/** So many threads are assumed to fill memory at once. */
const TOGETHER = 2;
const NEAR_BYTES = 2 * 1024 ** 3;
/** With next to nothing left the machine is looked at this often: what grows is halted then. */
const LEAST_LOOK_MS = 10;

/** The machine under one run. */
export class RunMachine {
  readonly #world: MachineWorld;
  readonly #guard: MachineGuard;
  readonly #pauses: RunPauses;
  /** How often streams were stopped for our own forecast. */
  readonly #overbooked = new Map<string, number>();
  #seen: Seen | undefined;

  /** `held`: the streams that a person holds. */
  constructor(world: MachineWorld, held: () => ReadonlySet<string>) {
    const { engine, isForecast, onEvent, settings } = world;
    const isExpectedToFit = world.isExpectedToFit ?? (() => true);
    this.#world = world;
    this.#guard = new MachineGuard(settings.enabled ? settings.admission.floorBytes : 0);
    this.#pauses = new RunPauses({ engine, onEvent, held, mayGiveUp: isForecast, isExpectedToFit });
  }

  /** Whether some agent is halted until there is room. */
  get isAnyHalted(): boolean {
    return this.#pauses.isAny;
  }

  /** Whether the machine was short of memory at the last look at it. */
  get wasShort(): boolean {
    const { floorBytes } = this.#world.settings.admission;
    return this.#seen !== undefined && wasShort(this.#seen.memory, floorBytes);
  }

  /** The machine's memory has an interval of its own: with much of it left it is not read at every look at the agents. */
  look(nowMs: number): Seen {
    const { readMemory, settings } = this.#world;
    const seen = this.#seen;
    if (seen && nowMs >= seen.atMs && nowMs < seen.untilMs) return seen;
    const memory = readMemory();
    const headroomBytes = memory.availableBytes - this.#guard.haltBelowBytes;
    const mostMs = settings.thresholds.sampleIntervalMs;
    // Several agents fill it at the same time, each at the pace that is assumed of one.
    const ms = sampleIntervalMs({ headroomBytes: headroomBytes / TOGETHER, youngestMs: Infinity, mostMs });
    this.#seen = { memory, atMs: nowMs, untilMs: nowMs + Math.max(LEAST_LOOK_MS, ms) };
    return this.#seen;
  }

  /** After a look at all agents: halts those whose growth would take the last memory; answers who must go, if nothing else helps. */
  guard(
    views: readonly AttemptView[],
    candidates: () => readonly Candidate[],
    nowMs: number,
  ): MachineVictim | undefined {
    const { budgetBytes, onEvent, settings } = this.#world;
    if (!settings.monitoringEnabled || !settings.thresholds.abort) return undefined;
    const seen = this.look(nowMs);
    // The agents were measured just now: with little left the machine must not be an older picture than they are.
    if (seen.atMs < nowMs && seen.memory.availableBytes < NEAR_BYTES) this.#seen = undefined;
    const { memory } = this.look(nowMs);
    const keepBytes = this.#guard.haltBelowBytes;
    // A halt is given a look to show what it does, before anybody is stopped.
    const { hasHalted, giveUp } = settings.enabled
      ? this.#pauses.step({ views, memory, keepBytes, budgetBytes, nowMs })
      : { hasHalted: false, giveUp: undefined };
    if (giveUp !== undefined) return { ...giveUp, isOverbooked: true };
    if (hasHalted) return undefined;
    const victim = this.#guard.choose(candidates(), memory, nowMs, onEvent);
    // While it dies nobody else may take what is left: evidence takes tens of milliseconds.
    if (victim) this.#pauses.haltAll(views, victim.key, nowMs);
    return victim && { ...victim, isOverbooked: this.#isOverbooked(victim.key, views, memory) };
  }

  #isOverbooked(
    key: string,
    views: readonly AttemptView[],
    { availableBytes, totalBytes }: MemorySnapshot,
  ): boolean {
    const before = this.#overbooked.get(key) ?? 0;
    if (!this.#world.isForecast(key) || before >= MOST_OVERBOOKED) return false;
    const heldBytes = views.reduce((sum, { privateBytes }) => sum + privateBytes, 0);
    const isOurs = heldBytes >= (totalBytes - availableBytes) * OURS_SHARE;
    if (isOurs) this.#overbooked.set(key, before + 1);
    return isOurs;
  }
}
