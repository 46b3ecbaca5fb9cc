/** What is to be done about one agent after a look at its tree? Tell a crossing, stop a tool of it, or stop it whole. */
import { findCulprit, type Culprit, type TreeProcess } from '../policy/culprit.ts';
import { judgeLevel, levelMessage, type Level, type LimitRules } from '../policy/limit.ts';

/** One look at a tree. */
export interface GuardLook {
  readonly atMs: number;
  readonly rootPid: number;
  readonly bytes: number;
  readonly processes: readonly TreeProcess[];
  /** The dearer, exact measure; undefined where the kernel has none. */
  readonly exactBytes: () => number | undefined;
}

export type GuardDeed =
  | { readonly deed: 'tell'; readonly level: 'warning' | 'critical'; readonly message: string }
  | { readonly deed: 'stop-tool'; readonly culprit: Culprit; readonly message: string }
  | { readonly deed: 'stop-agent'; readonly message: string };

const ORDER: readonly Level[] = ['normal', 'warning', 'critical', 'over'];
/** Growth is taken over at least this long. */
const RATE_MS = 500;
const HISTORY_LENGTH = 64;
/** What each process held is kept from when the tree was under this share of its limit. */
const CALM_SHARE = 0.8;
const CALM_EVERY_MS = 500;
/** A killed tool has this long to be gone, and the rest of the tree this much to grow meanwhile, before the agent goes. */
const TOOL_GRACE_MS = 1000;
const TOOL_GROWTH_BYTES = 64 * 1024 ** 2;

/** The exact measure is good until the tree has grown by this share, and for this long. */
const EXACT_SHARE = 1.01;
const EXACT_MS = 500;

/** Follows one agent from look to look. */
export class AgentGuard {
  readonly #rules: LimitRules;
  readonly #history: { readonly atMs: number; readonly bytes: number }[] = [];
  #level: Level = 'normal';
  #calm = new Map<number, number>();
  #calmMs = -Infinity;
  #exact: { readonly atMs: number; readonly atBytes: number; readonly bytes: number } | undefined;
  #toolStop: { readonly atMs: number; readonly bytes: number } | undefined;

  constructor(rules: LimitRules) {
    this.#rules = rules;
  }

  /** Bytes at each of the last looks, oldest first. */
  get history(): readonly { readonly atMs: number; readonly bytes: number }[] {
    return this.#history;
  }

  /** Takes a look; answers what is to be done, undefined for nothing. */
  look(look: GuardLook): GuardDeed | undefined {
    this.#remember(look);
    const { limitBytes } = this.#rules;
    let level = judgeLevel(look.bytes, this.#rules, this.#level);
    if (level === 'over' && look.processes.length > 1) {
      // Shared pages count once for each process in RSS: nobody is stopped before the exact measure agrees.
      if (this.#exactBytes(look) <= (limitBytes ?? Infinity)) level = 'critical';
    }
    const rises = ORDER.indexOf(level) > ORDER.indexOf(this.#level);
    this.#level = level;
    if (level === 'over') return this.#over(look);
    if (!rises || level === 'normal') return undefined;
    return { deed: 'tell', level, message: levelMessage(level, look.bytes, this.#rules, this.#growth()) };
  }

  /** Taken again only when the tree has grown since: at 17 ms a GB it would be most of what the guard does. */
  #exactBytes(look: GuardLook): number {
    if (
      this.#exact &&
      look.bytes <= this.#exact.atBytes * EXACT_SHARE &&
      look.atMs - this.#exact.atMs < EXACT_MS
    ) {
      return this.#exact.bytes;
    }
    const bytes = look.exactBytes() ?? look.bytes;
    this.#exact = { atMs: look.atMs, atBytes: look.bytes, bytes };
    return bytes;
  }

  #over(look: GuardLook): GuardDeed | undefined {
    const message = levelMessage('over', look.bytes, this.#rules, undefined);
    const stop = this.#toolStop;
    if (stop) {
      const waits = look.atMs - stop.atMs < TOOL_GRACE_MS && look.bytes <= stop.bytes + TOOL_GROWTH_BYTES;
      return waits ? undefined : { deed: 'stop-agent', message };
    }
    const culprit = findCulprit(look.rootPid, look.processes, this.#calm, this.#rules.limitBytes ?? Infinity);
    if (culprit === undefined) return { deed: 'stop-agent', message };
    this.#toolStop = { atMs: look.atMs, bytes: look.bytes };
    return { deed: 'stop-tool', culprit, message };
  }

  #remember(look: GuardLook): void {
    this.#history.push({ atMs: look.atMs, bytes: look.bytes });
    if (this.#history.length > HISTORY_LENGTH) this.#history.shift();
    const isCalm = look.bytes <= (this.#rules.limitBytes ?? Infinity) * CALM_SHARE;
    if (!isCalm) return;
    // The tool is gone and the agent calm again: the next one that grows goes before its agent, too.
    this.#toolStop = undefined;
    if (look.atMs - this.#calmMs < CALM_EVERY_MS) return;
    this.#calmMs = look.atMs;
    this.#calm = new Map(look.processes.map(({ pid, residentBytes }) => [pid, residentBytes]));
  }

  /** Bytes a millisecond over about the last half second. */
  #growth(): number | undefined {
    const last = this.#history.at(-1);
    if (last === undefined) return undefined;
    const first = this.#history.findLast(({ atMs }) => last.atMs - atMs >= RATE_MS) ?? this.#history[0];
    if (first === undefined || last.atMs === first.atMs) return undefined;
    return (last.bytes - first.bytes) / (last.atMs - first.atMs);
  }
}
