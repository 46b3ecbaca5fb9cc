/** How would the work fall into batches? An explanation for people: `run` admits continuously and has no barriers. */
import type { Stream } from '../model.ts';

export interface Batch {
  readonly keys: readonly string[];
  readonly estimateBytes: number;
}

export type Strategy = 'parallel' | 'batched' | 'sequential' | 'impossible';

/** Batches of `count` equal agents of which `capacity` run at once: sizes, and the word for it. Capacity 0 has no batch size. */
export function planCounts(
  count: number,
  capacity: number,
): { strategy: Strategy; batchSize: number | undefined; batches: number | undefined } {
  if (capacity <= 0) return { strategy: 'impossible', batchSize: undefined, batches: undefined };
  const batchSize = Math.min(Math.max(1, count), capacity);
  const batches = Math.ceil(count / batchSize);
  return { strategy: strategyOf(batches, batchSize, count), batchSize, batches };
}

function strategyOf(batches: number, largest: number, count: number): Strategy {
  if (batches <= 1) return 'parallel';
  return largest === 1 && count > 1 ? 'sequential' : 'batched';
}

/**
 * Batches of real streams: each one is what can run together of what is ready, first fit in the order of the plan.
 * A stream that does not even fit alone has a batch of its own (single-agent mode, or refused at plan time).
 */
export function planBatches(
  streams: readonly Stream[],
  estimateOf: (stream: Stream) => number,
  limits: { readonly headroomBytes: number; readonly slots: number },
): { readonly strategy: Strategy; readonly batches: readonly Batch[] } {
  const batches: Batch[] = [];
  const order = new Map(streams.map(({ key }, at) => [key, at]));
  const followers = followersOf(streams);
  const missing = new Map(
    streams.map(({ key, dependsOn }) => [key, dependsOn.filter((needed) => order.has(needed)).length]),
  );
  const leastBytes = streams.reduce((least, stream) => Math.min(least, estimateOf(stream)), Infinity);
  const done = new Set<string>();
  let ready = streams.filter(({ key }) => missing.get(key) === 0);
  // All before it are done: ten thousand streams in ten thousand batches must not be copied for each.
  let head = 0;
  while (head < ready.length) {
    const { taken, estimateBytes } = firstFit(ready, head, done, estimateOf, { ...limits, leastBytes });
    const freed = [...taken.values()].flatMap(({ key }) =>
      (followers.get(key) ?? []).filter((follower) => {
        const left = (missing.get(follower.key) ?? 0) - 1;
        missing.set(follower.key, left);
        return left === 0;
      }),
    );
    for (const key of taken.keys()) done.add(key);
    if (freed.length > 0) {
      const left = ready.slice(head).filter(({ key }) => !done.has(key));
      ready = [...left, ...freed].sort((a, b) => (order.get(a.key) ?? 0) - (order.get(b.key) ?? 0));
      head = 0;
    }
    while (done.has(ready[head]?.key ?? '')) head += 1;
    batches.push({ keys: [...taken.keys()], estimateBytes });
  }
  const largest = batches.reduce((most, { keys }) => Math.max(most, keys.length), 0);
  return { strategy: strategyOf(batches.length, largest, streams.length), batches };
}

/** What can run together of those from `head` on that are not done, in their order; the first one always. */
function firstFit(
  ready: readonly Stream[],
  head: number,
  done: ReadonlySet<string>,
  estimateOf: (stream: Stream) => number,
  limits: { readonly headroomBytes: number; readonly slots: number; readonly leastBytes: number },
): { readonly taken: ReadonlyMap<string, Stream>; readonly estimateBytes: number } {
  const taken = new Map<string, Stream>();
  const excluded = new Set<string>();
  let estimateBytes = 0;
  for (let at = head; at < ready.length; at += 1) {
    const stream = ready[at];
    if (stream === undefined || done.has(stream.key)) continue;
    const isFull = taken.size >= limits.slots || estimateBytes + limits.leastBytes > limits.headroomBytes;
    if (taken.size > 0 && isFull) break;
    const fits = taken.size === 0 || estimateBytes + estimateOf(stream) <= limits.headroomBytes;
    const conflict = excluded.has(stream.key) || stream.conflictsWith.some((key) => taken.has(key));
    if (!fits || conflict) continue;
    taken.set(stream.key, stream);
    for (const key of stream.conflictsWith) excluded.add(key);
    estimateBytes += estimateOf(stream);
  }
  return { taken, estimateBytes };
}

function followersOf(streams: readonly Stream[]): ReadonlyMap<string, readonly Stream[]> {
  const followers = new Map<string, Stream[]>();
  for (const stream of streams) {
    for (const key of stream.dependsOn) {
      const list = followers.get(key);
      if (list) list.push(stream);
      else followers.set(key, [stream]);
    }
  }
  return followers;
}
