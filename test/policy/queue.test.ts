/** Does everything that can run get its turn, nothing too early, nothing beside what it conflicts with, and nobody starve? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stream } from '../../lib/model.ts';
import {
  areApart,
  chainLengths,
  lostStreams,
  lowerBoundMs,
  planOrder,
  readyStreams,
  tryOrder,
  type StreamState,
} from '../../lib/policy/queue.ts';
import { GIB } from '../../lib/units.ts';
import { somePlanned, someSettings, someStream } from '../support/nouns.ts';
import { play, somePlan, type Fate } from '../support/simulate.ts';

const ids = (streams: readonly Stream[]): string => streams.map(({ id }) => id).join(' ');
/** `{ A: 'done' }` by ids; the others wait. */
const states =
  (some: Record<string, StreamState>) =>
  (key: string): StreamState =>
    some[key.slice('shop/1/'.length)] ?? 'waiting';

describe('readyStreams', () => {
  const a = someStream('A');
  const b = someStream('B', { after: ['A'] });
  const c = someStream('C', { after: ['A', 'B'] });
  const d = someStream('D', { apart: ['A'] });
  const streams = [a, b, c, d];

  it.each<[string, Record<string, StreamState>, string]>([
    ['at the beginning', {}, 'A D'],
    ['a dependency runs', { A: 'running' }, ''],
    ['what conflicts runs', { D: 'running' }, ''],
    ['a dependency is done', { A: 'done' }, 'B D'],
    ['one of two dependencies is done', { A: 'done', B: 'running' }, 'D'],
    ['both are done', { A: 'done', B: 'done', D: 'done' }, 'C'],
    ['a dependency failed', { A: 'failed' }, 'D'],
    ['a dependency was skipped', { A: 'done', B: 'skipped' }, 'D'],
    ['all is done', { A: 'done', B: 'done', C: 'done', D: 'done' }, ''],
  ])('%s', (_what, some, expected) => {
    expect(ids(readyStreams({ streams, stateOf: states(some), isPaused: () => false }))).toBe(expected);
  });

  it('takes a conflict both ways, whichever of the two says it', () => {
    const says = [someStream('A', { apart: ['B'] }), someStream('B')];
    const ready = (running: string): string =>
      ids(readyStreams({ streams: says, stateOf: states({ [running]: 'running' }), isPaused: () => false }));
    expect([ready('A'), ready('B')]).toEqual(['', '']);
  });

  it('leaves out what a person paused', () => {
    expect(ids(readyStreams({ streams, stateOf: states({}), isPaused: (key) => key === a.key }))).toBe('D');
  });
});

describe('areApart', () => {
  it.each([
    [[], [], false],
    [['B'], [], true],
    [[], ['A'], true],
    [['B'], ['A'], true],
    [['C'], ['C'], false],
  ])('A apart from %j and B from %j: %s', (a, b, apart) => {
    expect(areApart(someStream('A', { apart: a }), someStream('B', { apart: b }))).toBe(apart);
  });
});

describe('lostStreams', () => {
  it.each<[string, Record<string, StreamState>, string[]]>([
    ['nothing failed', {}, []],
    ['one failed', { A: 'failed' }, ['B because of A']],
    ['one was skipped', { A: 'skipped' }, ['B because of A']],
    ['what already ended is not lost', { A: 'failed', B: 'done' }, []],
  ])('%s', (_what, some, expected) => {
    const streams = [someStream('A'), someStream('B', { after: ['A'] }), someStream('C', { after: ['B'] })];
    const lost = lostStreams({ streams, stateOf: states(some) });
    expect(lost.map(({ stream, because }) => `${stream.id} because of ${because.slice(7)}`)).toEqual(
      expected,
    );
  });
});

describe('tryOrder', () => {
  const waiting = (...since: (number | undefined)[]) =>
    since.map((refusedSinceMs, at) => ({ stream: someStream(`S${at}`), refusedSinceMs }));
  const at = { nowMs: 100_000, ageingMs: 60_000, lookahead: 3 };

  it.each<[string, ReturnType<typeof waiting>, Partial<typeof at>, number]>([
    ['nothing', [], {}, 0],
    ['all of few', waiting(undefined, undefined), {}, 2],
    ['the first and three behind it', waiting(1e6, 1e6, 1e6, 1e6, 1e6, 1e6), {}, 4],
    ['the first alone without a look ahead', waiting(1e6, undefined), { lookahead: 0 }, 1],
    ['refused 1 ms less than the ageing', waiting(40_001, undefined), {}, 2],
    ['refused for the ageing', waiting(40_000, undefined), {}, 1],
    ['up to one that aged behind another', waiting(undefined, 40_000, undefined), {}, 2],
    ['the first of two that aged', waiting(40_000, 0, undefined), {}, 1],
    ['one that aged behind the window does not count yet', waiting(undefined, undefined, 0), { lookahead: 1 }, 2],
    ['no ageing at all', waiting(40_000, undefined), { ageingMs: 0 }, 1],
  ])('%s', (_what, candidates, rules, count) => {
    expect(tryOrder(candidates, { ...at, ...rules })).toEqual(candidates.slice(0, count));
  }); // prettier-ignore
});

describe('planOrder', () => {
  it.each<[string, Stream[], Record<string, number>, string]>([
    ['as they were written', [someStream('B'), someStream('A')], {}, 'B A'],
    ['what much waits for first', [someStream('A'), someStream('B'), someStream('C', { after: ['B'] })], {}, 'B A C'],
    ['the longer time first, where all are known', [someStream('A'), someStream('B')], { A: 1, B: 2 }, 'B A'],
    ['as written where none takes much longer than usual', [someStream('A'), someStream('B'), someStream('C')], { A: 2, B: 3, C: 2 }, 'A B C'],
    ['not by times where one is unknown', [someStream('A'), someStream('B')], { B: 2 }, 'A B'],
    ['a long one before a short chain', [someStream('A'), someStream('B', { after: ['A'] }), someStream('C')], { A: 1, B: 1, C: 5 }, 'C A B'],
  ])('%s', (_what, streams, times, order) => {
    expect(ids(planOrder(streams, ({ id }) => times[id]))).toBe(order);
  }); // prettier-ignore

  it('never takes a chain for longer than that of what it depends on, and loses no stream', () => {
    const time = fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined });
    fc.assert(
      fc.property(somePlan, fc.array(time, { minLength: 14, maxLength: 14 }), (fates, times) => {
        const streams = fates.map(({ planned }) => planned.stream).toReversed();
        const expected = new Map(streams.map(({ key }, at) => [key, times[at]]));
        const ordered = planOrder(streams, ({ key }) => expected.get(key));
        expect(new Set(ordered)).toEqual(new Set(streams));
        const chain = chainLengths(streams, ({ key }) => expected.get(key));
        for (const { key, dependsOn } of ordered)
          for (const needed of dependsOn)
            expect(chain.get(needed)).toBeGreaterThanOrEqual(chain.get(key) ?? NaN);
      }),
    );
  });
});

describe('chainLengths', () => {
  it.each<[string, Stream[], Record<string, number>, Record<string, number>]>([
    ['no stream', [], {}, {}],
    ['steps', [someStream('A'), someStream('B', { after: ['A'] }), someStream('C', { after: ['A'] })], {}, { A: 2, B: 1, C: 1 }],
    ['a diamond', [someStream('A'), someStream('B', { after: ['A'] }), someStream('C', { after: ['A'] }), someStream('D', { after: ['B', 'C'] })], { A: 1, B: 10, C: 2, D: 1 }, { A: 12, B: 11, C: 3, D: 1 }],
    ['a dependency outside of the plan', [someStream('A', { after: ['Z'] })], {}, { A: 1 }],
    ['written last to first', [someStream('B', { after: ['A'] }), someStream('A')], {}, { A: 2, B: 1 }],
  ])('%s', (_what, streams, times, expected) => {
    const found = chainLengths(streams, ({ id }) => times[id]);
    expect(Object.fromEntries([...found].map(([key, length]) => [key.slice(7), length]))).toEqual(expected);
  }); // prettier-ignore

  it('ends even on a cycle', () => {
    const cycle = [someStream('A', { after: ['B'] }), someStream('B', { after: ['A'] }), someStream('C')];
    expect(chainLengths(cycle, () => undefined).get('shop/1/C')).toBe(1);
  });
});

describe('lowerBoundMs', () => {
  const entry = (stream: Stream, ms: number | undefined, memoryBytes: number) => ({
    stream,
    ms,
    memoryBytes,
  });
  const a = someStream('A');
  const b = someStream('B', { after: ['A'] });
  it.each<[string, ReturnType<typeof entry>[], { budgetBytes: number; slots: number }, number | undefined]>([
    ['nothing to do', [], { budgetBytes: 1, slots: 1 }, 0],
    ['a time is unknown', [entry(a, 5, 1), entry(b, undefined, 1)], { budgetBytes: 1, slots: 9 }, undefined],
    ['the chain decides', [entry(a, 5, 1), entry(b, 7, 1)], { budgetBytes: 99, slots: 9 }, 12],
    ['the slots decide', [entry(a, 6, 1), entry(someStream('C'), 6, 1)], { budgetBytes: 99, slots: 1 }, 12],
    ['the memory decides', [entry(a, 6, 10), entry(someStream('C'), 6, 10)], { budgetBytes: 10, slots: 9 }, 12],
    ['no budget and no slots are no division by zero', [entry(a, 6, 0)], { budgetBytes: 0, slots: 0 }, 6],
  ])('%s', (_what, streams, limits, ms) => {
    expect(lowerBoundMs(streams, limits)).toBe(ms);
  }); // prettier-ignore
});

describe('a whole plan, played to its end', () => {
  const AVAILABLE = 8 * GIB;
  interface Rules {
    readonly maxConcurrentAgents: number;
    readonly lookahead: number;
    readonly ageingMs: number;
    readonly floorBytes: number;
  }
  const rules: fc.Arbitrary<Rules> = fc.record({
    maxConcurrentAgents: fc.integer({ min: 1, max: 5 }),
    lookahead: fc.integer({ min: 0, max: 4 }),
    ageingMs: fc.constantFrom(0, 5000, 60_000),
    floorBytes: fc.constantFrom(GIB / 4, 3 * GIB),
  });
  const settingsOf = ({ maxConcurrentAgents, ...admission }: Rules) =>
    someSettings({ maxConcurrentAgents, coordinatorMemoryBytes: 0, totalMemoryLimitBytes: AVAILABLE, admission }); // prettier-ignore

  it('runs everything that can run, once, after its dependencies, apart from its conflicts, within slots and memory', () => {
    fc.assert(
      fc.property(somePlan, rules, (fates, rule) => {
        const settings = settingsOf(rule);
        const course = play(fates, settings, AVAILABLE, ({ running, granted }) => {
          expect(running.length).toBeLessThanOrEqual(rule.maxConcurrentAgents);
          expect(granted.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(AVAILABLE);
          for (const one of running)
            expect(running.some(({ key }) => one.conflictsWith.includes(key))).toBe(false);
        });

        const startOf = new Map(course.starts.map(({ key, atMs }) => [key, atMs]));
        expect(startOf.size).toBe(course.starts.length);
        for (const { planned, seconds, fails } of fates) {
          const { key, dependsOn } = planned.stream;
          const startMs = startOf.get(key);
          const tooLarge = planned.estimateFrom !== 'prior' && planned.estimateBytes > AVAILABLE;
          const lost = dependsOn.some((needed) => course.stateOf(needed) !== 'done');
          expect(course.stateOf(key)).toBe(lost ? 'skipped' : tooLarge || fails ? 'failed' : 'done');
          expect(startMs !== undefined).toBe(!lost && !tooLarge);
          for (const needed of dependsOn) {
            if (startMs === undefined) continue;
            const before = fates.find((fate) => fate.planned.stream.key === needed);
            expect((startOf.get(needed) ?? NaN) + (before?.seconds ?? NaN) * 1000).toBeLessThanOrEqual(startMs);
          }
          if (startMs !== undefined) expect(startMs + seconds * 1000).toBeLessThanOrEqual(course.endedMs);
        }
      }),
      { numRuns: 100 },
    );
  }); // prettier-ignore

  it('takes no less time than the lower bound says', () => {
    fc.assert(
      fc.property(somePlan, rules, (fates, rule) => {
        const course = play(fates, settingsOf(rule), AVAILABLE);
        const granted = new Map(course.starts.map(({ key, grantedBytes }) => [key, grantedBytes]));
        const ran = fates.flatMap(({ planned: { stream }, seconds }) => {
          const memoryBytes = granted.get(stream.key);
          return memoryBytes === undefined ? [] : [{ stream, ms: seconds * 1000, memoryBytes }];
        });
        const limits = { budgetBytes: AVAILABLE, slots: rule.maxConcurrentAgents };
        expect(lowerBoundMs(ran, limits)).toBeLessThanOrEqual(course.endedMs);
      }),
      { numRuns: 100 },
    );
  });

  /** One that needs the whole memory, behind and before many small ones that end one after another. */
  const bigAmongSmall = (): Fate[] => [
    ...[3, 5, 7, 11].map((seconds, at): Fate => small(`first${at}`, seconds)),
    {
      planned: somePlanned(someStream('BIG'), { estimateBytes: AVAILABLE }),
      seconds: 5,
      fails: false,
    },
    ...Array.from({ length: 100 }, (_, at): Fate => small(`later${at}`, [3, 5, 7, 11][at % 4] ?? 1)),
  ];
  const small = (id: string, seconds: number): Fate => ({
    planned: somePlanned(someStream(id), { estimateBytes: GIB }),
    seconds,
    fails: false,
  });
  const startOfBig = (ageingMs: number): { bigMs: number; overtaken: number } => {
    const settings = settingsOf({ maxConcurrentAgents: 4, lookahead: 3, ageingMs, floorBytes: GIB / 4 });
    const { starts } = play(bigAmongSmall(), settings, AVAILABLE);
    const at = starts.findIndex(({ key }) => key === 'shop/1/BIG');
    return { bigMs: starts[at]?.atMs ?? NaN, overtaken: at - 4 };
  };

  it('lets small ones overtake a big one, but not for longer than the ageing and one agent’s life', () => {
    const ageing = 20_000;
    const { bigMs, overtaken } = startOfBig(ageing);
    expect(overtaken).toBeGreaterThan(4);
    expect(bigMs).toBeGreaterThanOrEqual(ageing);
    expect(bigMs).toBeLessThanOrEqual(ageing + 3000 + 11_000);
  });

  it('would let it wait for all of them without ageing', () => {
    expect(startOfBig(1e9).overtaken).toBe(100);
  });
});

describe('ten thousand streams', () => {
  const COUNT = 10_000;
  const names = Array.from({ length: COUNT }, (_, at) => `S${at}`);
  const chain = names.map((id, at) => someStream(id, { after: at === 0 ? [] : [`S${at - 1}`] }));
  const star = names.map((id, at) => someStream(id, { after: at === 0 ? [] : ['S0'] }));
  const gather = names.map((id, at) => someStream(id, { after: at === COUNT - 1 ? names.slice(0, -1) : [] }));
  const apart = names.map((id, at) =>
    someStream(id, { apart: [`S${at ^ 1}`, `S${(at + 2) % COUNT}`, `S${(at - 2 + COUNT) % COUNT}`] }),
  );

  it.each<[string, Stream[], number]>([
    ['in one chain', chain, COUNT],
    ['in one chain, written backwards', chain.toReversed(), COUNT],
    ['that all wait for one', star, 2],
    ['of which one waits for all', gather, 2],
    ['that conflict in pairs', apart, 1],
  ])('%s are ordered, measured and looked through in good time', (_what, streams, longest) => {
    const startMs = performance.now();
    expect(Math.max(...chainLengths(streams, () => undefined).values())).toBe(longest);
    expect(planOrder(streams, () => 1)).toHaveLength(COUNT);
    const entries = streams.map((stream) => ({ stream, ms: 1, memoryBytes: 1 }));
    expect(lowerBoundMs(entries, { budgetBytes: 1e9, slots: 1e9 })).toBe(longest);
    for (let look = 0; look < 10; look += 1) {
      const stateOf = (key: string): StreamState => (key === 'shop/1/S0' ? 'running' : 'waiting');
      readyStreams({ streams, stateOf, isPaused: () => false });
      lostStreams({ streams, stateOf });
    }
    // Below a second on two idle cores; what is quadratic takes minutes.
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });
});
