/** Which agents of a run are halted because their growth would take the last memory, and when do they go on? */
import type { MemorySnapshot } from '../model.ts';
import type { RunEvent } from '../run-model.ts';
import { chooseGivenBack, chooseGivenUp, planPauses, type PauseFacts, type Place } from '../policy/pause.ts';
import { formatBytes } from '../units.ts';
import type { AttemptView, Engine } from './engine.ts';

export interface PausesWorld {
  readonly engine: Engine;
  readonly onEvent: (event: RunEvent) => void;
  /** Whom a person holds: they stay halted, and only a person lets them go on. */
  readonly held: () => ReadonlySet<string>;
  /** Whether it may be stopped for having been started too soon. */
  readonly mayGiveUp: (key: string) => boolean;
  /** Whether these are expected to stay within so much together, from now on. */
  readonly isExpectedToFit: (views: readonly AttemptView[], bytes: number) => boolean;
}

export interface PausesLook {
  readonly views: readonly AttemptView[];
  readonly memory: MemorySnapshot;
  /** So much must stay available. */
  readonly keepBytes: number;
  /** All that the agents of this run may hold together. */
  readonly budgetBytes: number;
  readonly nowMs: number;
}

export interface PausesDeed {
  /** Somebody was halted just now: what this does is to be waited for. */
  readonly hasHalted: boolean;
  /** Who gives its place back, and why. */
  readonly giveUp: { readonly key: string; readonly reason: string } | undefined;
}

const NOTHING: PausesDeed = { hasHalted: false, giveUp: undefined };

/** Growth is taken over at least this long, and assumed to go on for this long. */
const RATE_MS = 40;
const AHEAD_MS = 80;
/** With this share of all there is left over again the oldest that is halted goes on; if it must be halted once more that costs nothing. */
const RESUME_SHARE = 0.05;
/** The memory of one that gave its place back is there this long after it was seen gone: the kernel takes 40 to 310 ms. */
const RETURNS_MS = 100;

/** The halted agents of one run. A halt costs them time; a stop would cost them all they have done. */
export class RunPauses {
  readonly #world: PausesWorld;
  /** Since when, by key. */
  readonly #halted = new Map<string, number>();
  readonly #givenUp = new Map<string, number>();
  /** Who gave its place back last, and when it was seen gone. */
  #leaving: { readonly key: string; goneMs: number | undefined } | undefined;

  constructor(world: PausesWorld) {
    this.#world = world;
  }

  /** Whether some agent is halted. */
  get isAny(): boolean {
    return this.#halted.size > 0;
  }

  /** Halts or lets go on; answers what came of it. */
  step({ views, memory, keepBytes, budgetBytes, nowMs }: PausesLook): PausesDeed {
    const running = views.filter(({ end }) => end === undefined);
    const heldBytes = running.reduce((sum, { privateBytes }) => sum + privateBytes, 0);
    const leftBytes = Math.min(memory.availableBytes - keepBytes, budgetBytes - heldBytes);
    // Nobody can grow that far within a look.
    if (this.#halted.size === 0 && leftBytes > FAR_BYTES) return NOTHING;
    // What stands still because a person wants it to is that person's: it is no reason for the others to wait for it.
    const held = this.#world.held();
    const live = running.filter(({ key }) => !held.has(key) || this.#growth(key) > 0);
    for (const key of this.#halted.keys())
      if (!live.some((view) => view.key === key)) this.#halted.delete(key);
    const room = Math.max(1, heldBytes + leftBytes);
    const plan = planPauses({
      agents: live.map((view) => this.#factsOf(view, nowMs)),
      usedBytes: room - leftBytes,
      budgetBytes: room,
      fits: () => leftBytes >= room * RESUME_SHARE,
    });
    for (const key of plan.pause) {
      this.#world.engine.suspend(key, true);
      this.#halted.set(key, nowMs);
    }
    for (const key of plan.resume) {
      this.#halted.delete(key);
      this.#world.engine.suspend(key, false);
    }
    if (plan.pause.length + plan.resume.length > 0) {
      const deed =
        plan.pause.length > 0 ? `halted ${plan.pause.join(', ')}` : `${plan.resume.join(', ')} goes on`;
      this.#world.onEvent({
        atMs: nowMs,
        event: 'note',
        text: `${deed}: ${plan.reason ?? ''}, ${formatBytes(memory.availableBytes)} available`,
      });
    }
    return {
      hasHalted: plan.pause.length > 0,
      giveUp: plan.resume.length > 0 ? undefined : this.#giveUp(live, room, plan.shortBytes, nowMs),
    };
  }

  /** Halts all but this one. */
  haltAll(views: readonly AttemptView[], but: string, nowMs: number): void {
    this.#halted.delete(but);
    for (const { end, key } of views) {
      if (end !== undefined || key === but || this.#halted.has(key)) continue;
      this.#world.engine.suspend(key, true);
      this.#halted.set(key, nowMs);
    }
  }

  /** One at a time: what it frees may be enough. */
  #giveUp(
    live: readonly AttemptView[],
    roomBytes: number,
    shortBytes: number,
    nowMs: number,
  ): PausesDeed['giveUp'] {
    if (this.#halted.size === 0 || live.length < 2 || this.#isLeaving(live, nowMs)) return undefined;
    const may = live.filter(({ key }) => this.#world.mayGiveUp(key));
    const key =
      shortBytes > 0 && !this.#world.isExpectedToFit(live, roomBytes)
        ? chooseGivenBack(may.map((view) => this.#placeOf(view, nowMs)))
        : undefined;
    const reason =
      key === undefined ? 'it was halted for longer than its work took' : 'it has lost the least so far';
    const leaving = key ?? this.#chooseGivenUp(may, nowMs);
    if (leaving === undefined) return undefined;
    this.#givenUp.set(leaving, (this.#givenUp.get(leaving) ?? 0) + 1);
    this.#halted.delete(leaving);
    this.#leaving = { key: leaving, goneMs: undefined };
    return { key: leaving, reason: `more was started than fits: ${reason}` };
  }

  #isLeaving(live: readonly AttemptView[], nowMs: number): boolean {
    const leaving = this.#leaving;
    if (leaving === undefined) return false;
    if (!live.some(({ key }) => key === leaving.key)) leaving.goneMs ??= nowMs;
    if (leaving.goneMs === undefined || nowMs - leaving.goneMs < RETURNS_MS) return true;
    this.#leaving = undefined;
    return false;
  }

  #chooseGivenUp(live: readonly AttemptView[], nowMs: number): string | undefined {
    return chooseGivenUp(
      live.flatMap((view) => {
        const sinceMs = this.#halted.get(view.key);
        if (sinceMs === undefined) return [];
        const givenUp = this.#givenUp.get(view.key) ?? 0;
        return [{ ...this.#placeOf(view, nowMs), haltedMs: nowMs - sinceMs, givenUp }];
      }),
    );
  }

  #placeOf({ averageBytes = 0, haltedMs, key, privateBytes, startedMs }: AttemptView, nowMs: number): Place {
    const doneByteMs = averageBytes * (nowMs - startedMs - haltedMs);
    return { key, heldBytes: privateBytes, growsBytes: this.#growth(key), doneByteMs };
  }

  #factsOf({ key, startedMs, haltedMs }: AttemptView, nowMs: number): PauseFacts {
    const isPaused = this.#halted.has(key);
    return {
      key,
      ageMs: nowMs - startedMs - haltedMs,
      grewBytes: isPaused ? 0 : this.#growth(key),
      isPaused,
    };
  }

  /** What it will grow by until the next look at the rate of the last ones. */
  #growth(key: string): number {
    const history = this.#world.engine.history(key);
    const last = history.at(-1);
    if (last === undefined) return 0;
    const first = history.findLast(({ atMs }) => last.atMs - atMs >= RATE_MS) ?? history[0];
    if (first === undefined || first.atMs >= last.atMs) return 0;
    return Math.max(0, ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * AHEAD_MS);
  }
}

/** The most that a machine gives in a look at its most seldom. */
const FAR_BYTES = 1024 ** 3;
