/** Those that wait are known by earlier runs of their own: in which order do they fill the memory so that all are through soonest? */
import type { Future } from './forecast.ts';

/** One that waits, on a grid of equal cells of time from its start. */
export interface Waiting {
  readonly key: string;
  readonly future: Future;
  /** How many cells its usual run takes. */
  readonly cells: number;
}

/** What one search leaves to the next: the best order so far, and where its chance went on. */
export interface Packing {
  readonly order: readonly string[];
  readonly seed: number;
  /** Who starts now, in order. */
  readonly starts: readonly string[];
}

export interface PackFacts {
  /** What those that run will hold together, on the same grid. */
  readonly running: Future;
  readonly waiting: readonly Waiting[];
  readonly budgetBytes: number;
  /** What must be kept above a mean: of the variance and the third moment of what is expected. */
  readonly spreadBytes: (variance: number, third: number) => number;
  readonly before: Packing | undefined;
}

/** Orders tried at the first look and at each later one: between them what is known changes little, and each costs 0.1 ms. */
const FIRST_TRIES = 60;
const MORE_TRIES = 10;
/** A plan reaches so many of the longest runs ahead; what would start later is not placed any more. */
const HORIZONS = 8;
/** Less than this at the end of a forecast is what is left of doubts. */
const NOTHING_BYTES = 3e6;

/**
 * A list schedule: each in its order at the first moment from which on its whole course fits beside what runs and what was
 * placed before it; then random changes of the order are tried, and kept where the last one ends no later (local search, as
 * for project scheduling under limited resources). It starts whoever has its place right now. Packing by need at this moment
 * alone leaves a quarter of the memory unused: courses that peak late must begin early, and short ones fit beside them.
 */
export function planPacking(facts: PackFacts): Packing {
  const { before, waiting } = facts;
  const items = new Map(waiting.map((one) => [one.key, { ...one, length: lengthOf(one.future) }]));
  const kept = (before?.order ?? []).filter((key) => items.has(key));
  const keptKeys = new Set(kept);
  const added = waiting.map(({ key }) => key).filter((key) => !keptKeys.has(key));
  const random = chance(before?.seed ?? 1);
  let order = [...added, ...kept];
  let best = schedule(facts, items, order, Infinity);
  const consider = (other: string[]): void => {
    const found = schedule(facts, items, other, best.end);
    if (found.end > best.end) return;
    order = other;
    best = found;
  };
  if (before === undefined) for (const other of usualOrders([...items.values()])) consider(other);
  const tries = before === undefined ? FIRST_TRIES : MORE_TRIES;
  for (let at = 0; at < tries && order.length > 1; at += 1) consider(moved(order, random));
  return { order, seed: random(2 ** 31), starts: best.starts };
}

interface Item extends Waiting {
  readonly length: number;
}

/** The largest area, the highest peak, the longest first: rules that are good for a beginning. */
function usualOrders(items: readonly Item[]): string[][] {
  const area = ({ future }: Item): number => future.mean.reduce((sum, bytes) => sum + bytes, 0);
  const peak = ({ future }: Item): number => future.mean.reduce((most, bytes) => Math.max(most, bytes), 0);
  const rules = [area, peak, ({ cells }: Item) => cells, (item: Item) => peak(item) * item.cells];
  return rules.map((rule) => [...items].sort((a, b) => rule(b) - rule(a)).map(({ key }) => key));
}

/** Some of them elsewhere. */
function moved(order: readonly string[], random: (below: number) => number): string[] {
  const other = [...order];
  const moves = [1, 1, 2, 4][random(4)] ?? 1;
  for (let at = 0; at < moves; at += 1)
    other.splice(random(order.length), 0, ...other.splice(random(order.length), 1));
  return other;
}

/** Up to where it holds anything worth counting. */
function lengthOf({ mean }: Future): number {
  let length = mean.length;
  while (length > 1 && (mean[length - 1] ?? 0) < NOTHING_BYTES) length -= 1;
  return length;
}

function schedule(
  { budgetBytes, running, spreadBytes }: PackFacts,
  items: ReadonlyMap<string, Item>,
  order: readonly string[],
  mostEnd: number,
): { readonly end: number; readonly starts: readonly string[] } {
  const cells = running.mean.length * HORIZONS;
  const [mean, variance, third] = [running.mean, running.variance, running.third].map((values) => {
    const longer = new Float64Array(cells);
    longer.set(values);
    return longer;
  }) as [Float64Array, Float64Array, Float64Array];
  const fits = ({ future, length }: Item, from: number): boolean => {
    for (let cell = 0; cell < length; cell += 1) {
      const held = (mean[from + cell] ?? 0) + (future.mean[cell] ?? 0);
      if (held > budgetBytes) return false;
      const spread = (variance[from + cell] ?? 0) + (future.variance[cell] ?? 0);
      const skew = (third[from + cell] ?? 0) + (future.third[cell] ?? 0);
      if (spread > 0 && held + spreadBytes(spread, skew) > budgetBytes) return false;
    }
    return true;
  };
  const starts: string[] = [];
  let end = 0;
  for (const key of order) {
    const item = items.get(key);
    if (item === undefined) continue;
    let from = 0;
    while (from + item.length < cells && !fits(item, from)) from += 1;
    if (from === 0) starts.push(key);
    const { future, length } = item;
    for (let cell = 0; cell < length; cell += 1) {
      mean[from + cell] = (mean[from + cell] ?? 0) + (future.mean[cell] ?? 0);
      variance[from + cell] = (variance[from + cell] ?? 0) + (future.variance[cell] ?? 0);
      third[from + cell] = (third[from + cell] ?? 0) + (future.third[cell] ?? 0);
    }
    end = Math.max(end, from + item.cells);
    if (end > mostEnd) break;
  }
  return { end, starts };
}

/** Whole numbers below a bound, the same ones for the same seed (a linear congruential generator). */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}
