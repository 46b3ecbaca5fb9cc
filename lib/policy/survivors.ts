/** Agents outlived the run that had halted some of them: which of those goes on? */

/** An agent whose run is dead. */
export interface Survivor {
  readonly id: string;
  readonly sinceMs: number;
  /** It stands still. */
  readonly isHalted: boolean;
  /** A person wants it to. */
  readonly isHeld: boolean;
}

/**
 * The oldest that stands still though no person holds it, as soon as nobody else works on: they were halted because there was
 * no room for all, and nobody watches over them now. undefined: nobody goes on yet.
 */
export function chooseToGoOn<T extends Survivor>(survivors: readonly T[]): T | undefined {
  if (survivors.some(({ isHalted }) => !isHalted)) return undefined;
  return survivors
    .filter(({ isHeld }) => !isHeld)
    .reduce<T | undefined>((one, other) => (one && one.sinceMs <= other.sinceMs ? one : other), undefined);
}
