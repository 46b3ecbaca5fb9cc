/** How would a plan go, if agents did exactly what was planned? The queue and admission, second by second, without processes. */
import fc from 'fast-check';
import type { Stream } from '../../lib/model.ts';
import type { Settings } from '../../lib/settings-model.ts';
import type { PlannedStream } from '../../lib/run-model.ts';
import { decideAdmission, isForAll, type AdmissionMemory } from '../../lib/policy/admission.ts';
import type { CheckedLease } from '../../lib/policy/charge.ts';
import { areApart, lostStreams, readyStreams, tryOrder, type StreamState } from '../../lib/policy/queue.ts';
import { GIB } from '../../lib/units.ts';
import { someChecked, someMemory, somePlanned, someStream } from './nouns.ts';

/** A stream with what will happen to it. */
export interface Fate {
  readonly planned: PlannedStream;
  readonly seconds: number;
  readonly fails: boolean;
}

export interface Course {
  readonly stateOf: (key: string) => StreamState;
  /** In the order of their starts. */
  readonly starts: readonly { readonly key: string; readonly atMs: number; readonly grantedBytes: number }[];
  readonly endedMs: number;
}

/** What is looked at after every second: who runs, who is ready and since when refused. */
export interface Tick {
  readonly atMs: number;
  readonly running: readonly Stream[];
  readonly granted: readonly number[];
}

/** Plays a plan to its end. @throws where something waits, nothing runs, and nothing starts. */
export function play(
  fates: readonly Fate[],
  settings: Settings,
  availableBytes: number,
  onTick: (tick: Tick) => void = () => undefined,
): Course {
  const byKey = new Map(fates.map((fate) => [fate.planned.stream.key, fate]));
  const states = new Map<string, StreamState>(fates.map(({ planned }) => [planned.stream.key, 'waiting']));
  const stateOf = (key: string): StreamState => states.get(key) ?? 'done';
  const streams = fates.map(({ planned }) => planned.stream);
  const running = new Map<string, { readonly endMs: number; readonly lease: CheckedLease }>();
  const refusedSince = new Map<string, number>();
  const starts: { key: string; atMs: number; grantedBytes: number }[] = [];
  let memoryOf: AdmissionMemory = { holdSinceMs: undefined, lastMemoryEventMs: undefined };

  /** Whether anything changed, so that another look is worth it. */
  const admitOnce = (nowMs: number): boolean => {
    const ready = readyStreams({ streams, stateOf, isPaused: () => false });
    const order = tryOrder(
      ready.map((stream) => ({ stream, refusedSinceMs: refusedSince.get(stream.key) })),
      { ...settings.admission, nowMs },
    );
    const admitted: Stream[] = [];
    let refused = 0;
    for (const { stream } of order) {
      if (admitted.some((other) => areApart(other, stream))) continue;
      const planned = byKey.get(stream.key)?.planned ?? somePlanned(stream);
      const answer = decideAdmission(
        {
          settings,
          memory: someMemory(availableBytes),
          leases: [...running.values()].map(({ lease }) => lease),
          budget: undefined,
          nowMs,
          memoryOf,
        },
        { ...planned, estimateIsStated: planned.estimateFrom !== 'prior' },
      );
      memoryOf = answer.memory;
      if (answer.decision === 'refuse') {
        states.set(stream.key, 'failed');
        refused += 1;
      }
      if (answer.decision === 'wait' && !isForAll(answer.binding) && !refusedSince.has(stream.key))
        refusedSince.set(stream.key, nowMs);
      if (answer.decision !== 'admit') continue;
      refusedSince.delete(stream.key);
      states.set(stream.key, 'running');
      const seconds = byKey.get(stream.key)?.seconds ?? 0;
      running.set(stream.key, {
        endMs: nowMs + seconds * 1000,
        lease: someChecked({ estimateBytes: answer.estimateBytes }, 0),
      });
      starts.push({ key: stream.key, atMs: nowMs, grantedBytes: answer.estimateBytes });
      admitted.push(stream);
    }
    return admitted.length + refused > 0;
  };

  for (let nowMs = 0; ; nowMs += 1000) {
    for (const [key, { endMs }] of running) {
      if (endMs > nowMs) continue;
      running.delete(key);
      states.set(key, byKey.get(key)?.fails === true ? 'failed' : 'done');
    }
    for (
      let lost = lostStreams({ streams, stateOf });
      lost.length > 0;
      lost = lostStreams({ streams, stateOf })
    )
      for (const { stream } of lost) states.set(stream.key, 'skipped');
    while (admitOnce(nowMs));
    onTick({
      atMs: nowMs,
      running: streams.filter(({ key }) => running.has(key)),
      granted: [...running.values()].map(({ lease }) => lease.lease.estimateBytes),
    });
    if (![...states.values()].some((state) => state === 'waiting' || state === 'running'))
      return { stateOf, starts, endedMs: nowMs };
    if (running.size === 0 && [...states.values()].every((state) => state !== 'running')) {
      const waiting = streams.filter(({ key }) => stateOf(key) === 'waiting');
      if (readyStreams({ streams, stateOf, isPaused: () => false }).length > 0)
        throw new Error(`nothing runs, and ${waiting.map(({ key }) => key).join(' ')} never starts`);
    }
  }
}

/** Plans of up to 14 streams, with dependencies on earlier ones, conflicts both ways, sizes up to more than there is. */
export const somePlan: fc.Arbitrary<Fate[]> = fc
  .array(
    fc.record({
      after: fc.array(fc.nat(), { maxLength: 3 }),
      apart: fc.array(fc.nat(), { maxLength: 2 }),
      halfGibs: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 20 })),
      isPrior: fc.boolean(),
      seconds: fc.integer({ min: 1, max: 20 }),
      fails: fc.integer({ min: 0, max: 7 }).map((chance) => chance === 0),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((drafts) => {
    const apart = drafts.map(() => new Set<string>());
    drafts.forEach((draft, at) => {
      for (const other of draft.apart.map((number) => number % drafts.length)) {
        if (other === at) continue;
        apart[at]?.add(`S${other}`);
        apart[other]?.add(`S${at}`);
      }
    });
    return drafts.map(({ after, halfGibs, isPrior, seconds, fails }, at): Fate => {
      const needed = at === 0 ? [] : [...new Set(after.map((number) => `S${number % at}`))];
      const stream = someStream(`S${at}`, { after: needed, apart: [...(apart[at] ?? [])] });
      const estimateFrom = isPrior ? 'prior' : 'stream';
      return {
        planned: somePlanned(stream, { estimateBytes: (halfGibs * GIB) / 2, estimateFrom }),
        seconds,
        fails,
      };
    });
  });
