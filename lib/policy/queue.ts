/** Which waiting stream starts next? Order, dependencies, conflicts, a look ahead past a blocked one, and ageing. */
import type { Stream } from '../model.ts';

/** Where a stream of a run stands. */
export type StreamState = 'waiting' | 'running' | 'done' | 'failed' | 'skipped';

export interface QueueFacts {
  /** In the order of the plan; not walked further than `most` asks for. */
  readonly streams: Iterable<Stream>;
  /** Those of them that run, where the caller knows them. */
  readonly atWork?: readonly Stream[];
  readonly stateOf: (key: string) => StreamState;
  /** Held back by a person (`pause`). */
  readonly isPaused: (key: string) => boolean;
  /** So many are enough (default: all). */
  readonly most?: number;
}

/** Streams whose dependencies are done and which conflict with nothing that runs, in the order of the plan. */
export function readyStreams({
  streams,
  stateOf,
  isPaused,
  atWork = [...streams].filter(({ key }) => stateOf(key) === 'running'),
  most = Infinity,
}: QueueFacts): Stream[] {
  const running = new Set(atWork.map(({ key }) => key));
  const conflicts = new Set(atWork.flatMap(({ conflictsWith }) => conflictsWith));
  const ready: Stream[] = [];
  for (const stream of streams) {
    if (ready.length >= most) break;
    if (
      stateOf(stream.key) === 'waiting' &&
      !isPaused(stream.key) &&
      stream.dependsOn.every((key) => stateOf(key) === 'done') &&
      !conflicts.has(stream.key) &&
      !stream.conflictsWith.some((key) => running.has(key))
    )
      ready.push(stream);
  }
  return ready;
}

/** Whether these two must not run at the same time, whichever of them says so: of the ready ones only one may start then. */
export function areApart(one: Stream, other: Stream): boolean {
  return one.conflictsWith.includes(other.key) || other.conflictsWith.includes(one.key);
}

/** Waiting streams that can never start, because something that they depend on did not get done. */
export function lostStreams({
  streams,
  stateOf,
}: {
  readonly streams: readonly Stream[];
  readonly stateOf: QueueFacts['stateOf'];
}): { stream: Stream; because: string }[] {
  return streams.flatMap((stream) => {
    if (stateOf(stream.key) !== 'waiting') return [];
    const because = stream.dependsOn.find((key) => stateOf(key) === 'failed' || stateOf(key) === 'skipped');
    return because === undefined ? [] : [{ stream, because }];
  });
}

export interface Candidate {
  readonly stream: Stream;
  /** When it was first refused for want of memory; undefined: never yet. */
  readonly refusedSinceMs: number | undefined;
}

/**
 * Who may be tried, in order: the first ready one and `lookahead` behind it, so that a big stream does not block small
 * ones; but one that has been refused for `ageingMs` is overtaken no more, so that it does not starve.
 */
export function tryOrder(
  ready: readonly Candidate[],
  rules: { lookahead: number; ageingMs: number; nowMs: number },
): Candidate[] {
  const window = ready.slice(0, rules.lookahead + 1);
  const aged = window.findIndex(
    ({ refusedSinceMs }) => refusedSinceMs !== undefined && rules.nowMs - refusedSinceMs >= rules.ageingMs,
  );
  return aged < 0 ? window : window.slice(0, aged + 1);
}

/** From twice the usual time on a stream that nobody waits for is long. */
const LONG_FACTOR = 2;

/**
 * The order of the plan: streams that much other work waits for first (the longest chain behind them, in expected time or,
 * where no times are known, in steps), among them those that take long themselves; equal ones as they were written. What
 * nobody waits for and what takes no longer than usual is equal: by its time it would stand beside all others of its kind,
 * which reach their peaks together (1.84 instead of 1.75 times the lower bound on bench/packing's tasks).
 */
export function planOrder(
  streams: readonly Stream[],
  expectedMs: (stream: Stream) => number | undefined,
): Stream[] {
  const chain = chainLengths(streams, expectedMs);
  const awaited = new Set(streams.flatMap(({ dependsOn }) => dependsOn));
  const lengths = streams.map(({ key }) => chain.get(key) ?? 0);
  const usual = [...lengths].sort((a, b) => a - b)[(lengths.length - 1) >> 1] ?? 0;
  return streams
    .map((stream, at) => {
      const length = lengths[at] ?? 0;
      return { stream, at, length: awaited.has(stream.key) || length >= usual * LONG_FACTOR ? length : 0 };
    })
    .sort((a, b) => b.length - a.length || a.at - b.at)
    .map(({ stream }) => stream);
}

/** For each stream the length of the longest chain that begins with it. Dependencies must hold no cycle. */
export function chainLengths(
  streams: readonly Stream[],
  expectedMs: (stream: Stream) => number | undefined,
): Map<string, number> {
  const allKnown = streams.every((stream) => expectedMs(stream) !== undefined);
  const own = (stream: Stream): number => (allKnown ? (expectedMs(stream) ?? 0) : 1);
  const byKey = new Map(streams.map((stream) => [stream.key, stream]));
  const followersLeft = new Map<string, number>();
  for (const { dependsOn } of streams) {
    for (const key of dependsOn) followersLeft.set(key, (followersLeft.get(key) ?? 0) + 1);
  }
  // From the ends of the chains towards their heads, without recursion: a chain may be ten thousand streams long.
  const lengths = new Map<string, number>();
  const longestBehind = new Map<string, number>();
  const settled = streams.filter(({ key }) => !followersLeft.has(key));
  for (let stream = settled.pop(); stream !== undefined; stream = settled.pop()) {
    const length = own(stream) + (longestBehind.get(stream.key) ?? 0);
    lengths.set(stream.key, length);
    for (const key of stream.dependsOn) {
      longestBehind.set(key, Math.max(longestBehind.get(key) ?? 0, length));
      const left = (followersLeft.get(key) ?? 0) - 1;
      followersLeft.set(key, left);
      const needed = left === 0 ? byKey.get(key) : undefined;
      if (needed !== undefined) settled.push(needed);
    }
  }
  return lengths;
}

/**
 * No schedule ends earlier than this: the longest chain, the memory-time area over the budget, the time over the slots.
 * `memoryBytes` is what a stream holds on average while it runs. undefined where a time is unknown.
 */
export function lowerBoundMs(
  streams: readonly {
    readonly stream: Stream;
    readonly ms: number | undefined;
    readonly memoryBytes: number;
  }[],
  limits: { readonly budgetBytes: number; readonly slots: number },
): number | undefined {
  if (streams.some(({ ms }) => ms === undefined)) return undefined;
  const timeOf = new Map(streams.map(({ stream, ms }) => [stream.key, ms ?? 0]));
  const chains = chainLengths(
    streams.map(({ stream }) => stream),
    (stream) => timeOf.get(stream.key),
  );
  const area = streams.reduce((sum, { ms, memoryBytes }) => sum + (ms ?? 0) * memoryBytes, 0);
  const total = [...timeOf.values()].reduce((sum, ms) => sum + ms, 0);
  const longest = [...chains.values()].reduce((most, length) => Math.max(most, length), 0);
  return Math.max(longest, area / Math.max(1, limits.budgetBytes), total / Math.max(1, limits.slots));
}
