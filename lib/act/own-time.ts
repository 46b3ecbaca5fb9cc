/** How old is an agent by its own clock, which stands still while it is halted? */

/** One agent's clock; instants are epoch milliseconds. */
export class OwnTime {
  readonly #startedMs: number;
  #sinceMs: number | undefined;
  #earlierMs = 0;

  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** It is halted, or goes on. */
  halt(isHalted: boolean, nowMs: number): void {
    this.#earlierMs = this.haltedMs(nowMs);
    this.#sinceMs = isHalted ? nowMs : undefined;
  }

  /** How long it was halted so far. */
  haltedMs(nowMs: number): number {
    return this.#earlierMs + (this.#sinceMs === undefined ? 0 : Math.max(0, nowMs - this.#sinceMs));
  }

  ageMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#startedMs - this.haltedMs(nowMs));
  }
}
