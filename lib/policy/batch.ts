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
  const done = new Set<string>();
  const known = new Set(streams.map(({ key }) => key));
  let waiting = [...streams];
  while (waiting.length > 0) {
    const taken: Stream[] = [];
    let estimateBytes = 0;
    for (const stream of waiting) {
      const ready = stream.dependsOn.every((key) => done.has(key) || !known.has(key));
      const conflict = taken.some(
        (other) => other.conflictsWith.includes(stream.key) || stream.conflictsWith.includes(other.key),
      );
      const fits =
        taken.length === 0 ||
        (taken.length < limits.slots && estimateBytes + estimateOf(stream) <= limits.headroomBytes);
      if (!ready || conflict || !fits) continue;
      taken.push(stream);
      estimateBytes += estimateOf(stream);
    }
    if (taken.length === 0) break;
    for (const { key } of taken) done.add(key);
    waiting = waiting.filter(({ key }) => !done.has(key));
    batches.push({ keys: taken.map(({ key }) => key), estimateBytes });
  }
  const largest = Math.max(0, ...batches.map(({ keys }) => keys.length));
  return { strategy: strategyOf(batches.length, largest, streams.length), batches };
}
