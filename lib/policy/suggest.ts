/** How long would these streams take: one after another, in batches, and each as soon as it fits? */
import type { Stream } from '../model.ts';
import type { Batch } from './batch.ts';
import { areApart } from './queue.ts';

export interface TimedStream {
  readonly stream: Stream;
  readonly estimateBytes: number;
  readonly expectedMs: number;
}

export interface Room {
  readonly headroomBytes: number;
  readonly slots: number;
}

export interface TimesInWays {
  readonly oneByOneMs: number;
  readonly batchedMs: number;
  readonly continuousMs: number;
  /** The most that run at once in the last way. */
  readonly mostAtOnce: number;
}

/** By the expected times and the estimates, in the order given; a stream that fits nowhere runs alone. */
export function timesInWays(
  streams: readonly TimedStream[],
  batches: readonly Batch[],
  room: Room,
): TimesInWays {
  const msOf = new Map(streams.map(({ stream, expectedMs }) => [stream.key, expectedMs]));
  const batchMs = ({ keys }: Batch): number =>
    keys.reduce((longest, key) => Math.max(longest, msOf.get(key) ?? 0), 0);
  return {
    oneByOneMs: streams.reduce((sum, { expectedMs }) => sum + expectedMs, 0),
    batchedMs: batches.reduce((sum, batch) => sum + batchMs(batch), 0),
    ...continuous(streams, room),
  };
}

/** Whatever fits starts when something ends, in the order given. Dependencies outside of the list count as done. */
function continuous(
  streams: readonly TimedStream[],
  { headroomBytes, slots }: Room,
): { continuousMs: number; mostAtOnce: number } {
  const known = new Set(streams.map(({ stream }) => stream.key));
  const done = new Set<string>();
  let waiting = [...streams];
  let running: { readonly entry: TimedStream; readonly endsMs: number }[] = [];
  let nowMs = 0;
  let mostAtOnce = 0;
  while (waiting.length > 0 || running.length > 0) {
    let usedBytes = running.reduce((sum, { entry }) => sum + entry.estimateBytes, 0);
    const left: TimedStream[] = [];
    for (const entry of waiting) {
      const { stream, estimateBytes } = entry;
      const isReady = stream.dependsOn.every((key) => done.has(key) || !known.has(key));
      const mayRun = !running.some(({ entry: { stream: other } }) => areApart(stream, other));
      const fits =
        running.length < slots && (usedBytes + estimateBytes <= headroomBytes || running.length === 0);
      if (isReady && mayRun && fits) {
        running.push({ entry, endsMs: nowMs + entry.expectedMs });
        usedBytes += estimateBytes;
      } else left.push(entry);
    }
    waiting = left;
    mostAtOnce = Math.max(mostAtOnce, running.length);
    // Streams that wait for each other cannot be in a list that was read.
    if (running.length === 0) break;
    nowMs = running.reduce((next, { endsMs }) => Math.min(next, endsMs), Infinity);
    for (const { entry, endsMs } of running) if (endsMs <= nowMs) done.add(entry.stream.key);
    running = running.filter(({ endsMs }) => endsMs > nowMs);
  }
  return { continuousMs: nowMs, mostAtOnce };
}
