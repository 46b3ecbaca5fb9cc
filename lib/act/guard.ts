/** What is to be done about one agent after a look at its tree? Tell a crossing, stop a tool of it, or stop it whole. */
import { findCulprit, type Culprit, type TreeProcess } from '../policy/culprit.ts';
import { formatBytes } from '../units.ts';
import { ExactMeasure } from './exact-measure.ts';
import { judgeLevel, levelMessage, needsExact, type Level, type LimitRules } from '../policy/limit.ts';

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
  | {
      readonly deed: 'stop-tool';
      readonly culprit: Culprit;
      readonly message: string;
      /** Why this process and not the agent. */
      readonly reason: string;
    }
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

/** Follows one agent from look to look. */
export class AgentGuard {
  readonly #rules: LimitRules;
  readonly #history: { readonly atMs: number; readonly bytes: number }[] = [];
  #level: Level = 'normal';
  #calm = new Map<number, number>();
  #calmMs = -Infinity;
  readonly #exact = new ExactMeasure();
  #toolStop: { readonly atMs: number; readonly bytes: number } | undefined;

  readonly #stops: boolean;

  /** `stops`: false where a crossing of the limit is only told, once like the others. */
  constructor(rules: LimitRules, stops = true) {
    this.#rules = rules;
    this.#stops = stops;
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
    const memberBytes = look.processes.map(({ residentBytes }) => residentBytes);
    if (level === 'over' && needsExact(memberBytes, limitBytes)) {
      // Nobody is stopped before the exact measure agrees.
      const exactBytes = this.#exact.take(look.atMs, look.bytes, look.exactBytes);
      if (exactBytes <= (limitBytes ?? Infinity)) level = 'critical';
    }
    const rises = ORDER.indexOf(level) > ORDER.indexOf(this.#level);
    this.#level = level;
    if (level === 'over' && (rises || this.#stops)) return this.#over(look);
    if (!rises || level === 'normal' || level === 'over') return undefined;
    return { deed: 'tell', level, message: levelMessage(level, look.bytes, this.#rules, this.#growth()) };
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
    const reason = `process ${culprit.pid} below the agent holds ${formatBytes(culprit.subtreeBytes)} of it and is the growth`;
    return { deed: 'stop-tool', culprit, message, reason };
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
