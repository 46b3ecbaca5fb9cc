/** Is admitted what stays within the budget at every later moment, and does what agents no longer need come free? */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  compileRun,
  futureOf,
  heldAt,
  type CompiledRun,
  type ForecastTask,
  type PastRuns,
} from '../../lib/policy/forecast.ts';
import { forecastAdmission, planOffsets } from '../../lib/policy/outlook.ts';
import {
  chooseGiveUp,
  chooseGivenBack,
  planPauses,
  type HaltedPlace,
  type PauseFacts,
} from '../../lib/policy/pause.ts';
import { MIB } from '../../lib/units.ts';

/** A past run from [until s, MB] pairs. */
function run(isCensored: boolean, ...segments: [number, number][]): CompiledRun {
  const compiled = compileRun({
    profile: segments.map(([seconds, mb]) => ({ untilMs: seconds * 1000, bytes: mb * MIB })),
    isCensored,
  });
  if (compiled === undefined) throw new Error('no segment');
  return compiled;
}

const NOTHING: PastRuns = { stream: [], kind: [], others: [] };
/** Five seconds of 100 MB, five of 1000, ten of 200: a peak that passes. */
const hill = run(false, [5, 100], [10, 1000], [20, 200]);
const hills: PastRuns = { ...NOTHING, kind: Array.from({ length: 12 }, () => hill) };

function task(
  key: string,
  seconds: number,
  mb: number,
  past: PastRuns,
  change: Partial<ForecastTask> = {},
): ForecastTask {
  const bytes = mb * MIB;
  const half = past.kind[0] ? heldAt(past.kind[0], seconds * 500) : bytes;
  return {
    key,
    ageMs: seconds * 1000,
    currentBytes: bytes,
    peakBytes: bytes,
    halfBytes: half,
    past,
    ...change,
  };
}

const settings = { caution: 1, priorBytes: 512 * MIB };
const admit = (running: ForecastTask[], candidates: ForecastTask[], budgetMb: number) =>
  forecastAdmission({ running, candidates, budgetBytes: budgetMb * MIB, settings });
const words = (running: ForecastTask[], candidates: ForecastTask[], budgetMb: number): string[] =>
  admit(running, candidates, budgetMb).answers.map(({ decision }) => decision);

describe('futureOf', () => {
  const offsets = Float64Array.of(0, 1000, 4000, 6000, 30_000);
  const mean = (one: ForecastTask) =>
    [...futureOf(one, offsets, 512 * MIB).mean].map((bytes) => Math.round(bytes / MIB));

  it.each<[string, ForecastTask, number[]]>([
    // 12 runs tell the same, and 0.3 of one is something else: of a fresh one that is nothing.
    ['a fresh one is as its kind was', task('a', 0, 0, hills), [98, 98, 976, 976]],
    ['past its peak it needs no more than the rest of its kind did', task('a', 12, 200, hills, { peakBytes: 1000 * MIB }), [226, 226, 226, 226]],
    ['one that holds more than they did keeps its distance', task('a', 12, 300, hills, { peakBytes: 1000 * MIB }), [345, 345, 345, 345]],
    ['of which nothing is known: the configured figure', task('a', 0, 0, NOTHING), [512, 512, 512, 512]],
    ['longer than any: what it holds and a quarter, as long again', task('a', 25, 200, hills), [250, 250, 250, 250]],
  ])('%s', (_what, one, expected) => {
    expect(mean(one)).toEqual(expected);
  }); // prettier-ignore

  it('an earlier run of the same stream counts twenty times its kind', () => {
    const stream = [run(false, [30, 2000])];
    const future = futureOf(task('a', 0, 0, { ...hills, stream }), offsets, 0);
    expect(Math.round((future.mean[0] ?? 0) / MIB)).toBe(Math.round((240 * 2000 + 12 * 100) / 252.3));
  });

  it('what was stopped would have gone on, a fifth larger', () => {
    const stopped = { ...NOTHING, kind: Array.from({ length: 10 }, () => run(true, [5, 1000])) };
    const future = futureOf(task('a', 0, 0, stopped), offsets, 0);
    expect(Math.round((future.mean[3] ?? 0) / MIB)).toBe(Math.round(12_000 / 10.3));
  });

  it('the offsets reach to the end of the longest run that may follow', () => {
    expect(planOffsets([task('a', 12, 200, hills)]).at(-1)).toBe(8000);
    expect(planOffsets([]).at(-1)).toBe(1000);
  });
});

describe('forecastAdmission', () => {
  it.each<[string, ForecastTask[], number, string]>([
    ['nothing runs: it starts, however little there is', [], 10, 'start'],
    ['two peaks at the same time are too much', [task('a', 0.5, 100, hills)], 1500, 'wait'],
    ['they are not, in twice the memory', [task('a', 0.5, 100, hills)], 2600, 'start'],
    [
      'by the time that the second has its peak the first is past its own',
      [task('a', 9.9, 1000, hills)],
      1500,
      'start',
    ],
    [
      'one past its peak gives back what it will not need',
      [task('a', 12, 200, hills, { peakBytes: 1000 * MIB })],
      1500,
      'start',
    ],
  ])('%s', (_what, running, budgetMb, expected) => {
    expect(words(running, [task('b', 0, 0, hills)], budgetMb)).toEqual([expected]);
  });

  it('counts those that it has just let start', () => {
    const candidates = ['a', 'b', 'c'].map((key) => task(key, 0, 0, hills));
    expect(words([], candidates, 2600)).toEqual(['start', 'start', 'wait']);
  });

  it('says what it rests on', () => {
    const { answers } = admit([task('a', 0.5, 100, hills)], [task('b', 0, 0, hills)], 1500);
    expect(answers[0]?.reason).toMatch(
      /^expected to need 1\.\dGB; with it up to 2\.\dGB of 1\.5GB at the busiest moment to come$/,
    );
  });

  it('keeps more room where a rare giant hides than where all are alike, at the same mean', () => {
    const alike = { ...NOTHING, kind: Array.from({ length: 20 }, () => run(false, [10, 245])) };
    const rare = {
      ...NOTHING,
      kind: [...Array.from({ length: 19 }, () => run(false, [10, 100])), run(false, [10, 3000])],
    };
    const needed = (past: PastRuns) =>
      admit(
        ['a', 'b', 'c'].map((key) => task(key, 0, 0, past)),
        [],
        9999,
      ).neededBytes;
    expect(needed(rare)).toBeGreaterThan(2 * needed(alike));
  });
});

const someRun = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 900 })), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([isCensored, spans]) => {
    let seconds = 0;
    return run(isCensored, ...spans.map(([length, mb]): [number, number] => [(seconds += length), mb]));
  });
const somePast = fc.record({
  stream: fc.array(someRun, { maxLength: 2 }),
  kind: fc.array(someRun, { maxLength: 12 }),
  others: fc.array(someRun, { maxLength: 4 }),
});
const someRunning = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 900 }), somePast), {
    maxLength: 6,
  })
  .map((all) => all.map(([seconds, mb, past], at) => task(`r${at}`, seconds, mb, past)));
const someWaiting = fc
  .array(somePast, { minLength: 1, maxLength: 6 })
  .map((all) => all.map((past, at) => task(`w${at}`, 0, 0, past)));
const someBudget = fc.integer({ min: 100, max: 8000 });

test('less memory never admits what more memory refuses', () => {
  fc.assert(
    fc.property(someRunning, somePast, someBudget, someBudget, (running, past, one, other) => {
      const [little, much] = [Math.min(one, other), Math.max(one, other)];
      const candidate = [task('w', 0, 0, past)];
      if (words(running, candidate, little)[0] === 'start')
        expect(words(running, candidate, much)).toEqual(['start']);
    }),
    { numRuns: 60 },
  );
});

test('what is charged is what the pool needs, never above the budget by what an admission added', () => {
  fc.assert(
    fc.property(someRunning, someWaiting, someBudget, (running, waiting, budgetMb) => {
      const { answers, neededBytes, charges } = admit(running, waiting, budgetMb);
      const charged = [...charges.values()].reduce((sum, bytes) => sum + bytes, 0);
      expect(Math.abs(charged - neededBytes)).toBeLessThanOrEqual(running.length + 1);
      for (const { key, currentBytes } of running)
        expect(charges.get(key)).toBeGreaterThanOrEqual(currentBytes);
      const started = answers.filter(({ decision }) => decision === 'start');
      const added = started.reduce((sum, { marginalBytes }) => sum + marginalBytes, 0);
      if (running.length > 0 && started.length > 0)
        expect(charged + added).toBeLessThanOrEqual(budgetMb * MIB + running.length + started.length + 1);
    }),
    { numRuns: 60 },
  );
});

const grower = (key: string, ageMs: number, grewMb: number, isPaused = false): PauseFacts => ({
  key,
  ageMs,
  grewBytes: grewMb * MIB,
  isPaused,
});

test.each<[string, PauseFacts[], number, boolean, string[], string[]]>([
  ['there is room', [grower('a', 9, 100), grower('b', 1, 100)], 600, true, [], []],
  ['the youngest that grows is halted', [grower('a', 9, 100), grower('b', 1, 100)], 800, true, ['b'], []],
  ['as many as it takes', [grower('a', 9, 300), grower('b', 5, 100), grower('c', 1, 100)], 500, true, ['c', 'b'], []],
  ['never the last one', [grower('a', 9, 900)], 900, true, [], []],
  ['one that stands still is no help', [grower('a', 9, 300), grower('b', 1, 0)], 900, true, ['a'], []],
  ['the oldest goes on when it fits', [grower('a', 9, 0), grower('b', 5, 0, true), grower('c', 1, 0, true)], 600, true, [], ['b']],
  ['not before', [grower('a', 9, 0), grower('b', 5, 0, true)], 600, false, [], []],
  ['one whose next growth has no room waits, a younger one goes on', [grower('a', 9, 0), grower('b', 5, 300, true), grower('c', 1, 100, true)], 600, true, [], ['c']],
  ['but where nothing else moves', [grower('b', 5, 0, true), grower('c', 1, 0, true)], 990, false, [], ['b']],
])('%s', (_what, agents, usedMb, fits, pause, resume) => {
  const plan = planPauses({ agents, usedBytes: usedMb * MIB, budgetBytes: 1000 * MIB, fits: () => fits });
  expect([plan.pause, plan.resume]).toEqual([pause, resume]);
}); // prettier-ignore

test('how far ahead a pause looks is for whoever looks to say', () => {
  const agents = [grower('a', 9, 100), grower('b', 1, 100)];
  const facts = { agents, usedBytes: 650 * MIB, budgetBytes: 1000 * MIB, fits: () => true };
  expect(planPauses(facts).pause).toEqual([]);
  expect(planPauses({ ...facts, rules: { growthFactor: 2, worthShare: 0, lastShare: 0 } }).pause).toEqual([
    'b',
  ]);
  expect(planPauses({ ...facts, rules: { growthFactor: 2, worthShare: 0.2, lastShare: 0 } }).pause).toEqual(
    [],
  );
});

const halted = (key: string, change: Partial<HaltedPlace> = {}): HaltedPlace => ({
  key,
  currentBytes: 500 * MIB,
  ageMs: 100,
  haltedMs: 301,
  usualMs: 200,
  gaveUp: false,
  ...change,
});

test.each<[string, HaltedPlace[], string | undefined]>([
  ['nobody is halted', [], undefined],
  ['one and a half usual runs have gone by', [halted('a')], 'a'],
  ['not yet', [halted('a', { haltedMs: 300 })], undefined],
  ['it had worked for longer than it has waited', [halted('a', { ageMs: 301 })], undefined],
  ['nobody knows how long one takes', [halted('a', { usualMs: undefined })], undefined],
  ['not a second time', [halted('a', { gaveUp: true })], undefined],
  ['only the largest, which is what the others wait for', [halted('a'), halted('b', { currentBytes: 501 * MIB, haltedMs: 10 })], undefined],
])('a place is given up: %s', (_what, agents, expected) => {
  expect(chooseGiveUp(agents)).toBe(expected);
}); // prettier-ignore

const place = (key: string, heldMb: number, doneMbS: number, growsMb = 0) => ({
  key,
  heldBytes: heldMb * MIB,
  growsBytes: growsMb * MIB,
  doneByteMs: doneMbS * MIB * 1000,
});

test.each<[string, ReturnType<typeof place>[], string | undefined]>([
  ['nobody is there', [], undefined],
  ['never the last one', [place('a', 100, 10)], undefined],
  ['never who has done the most', [place('a', 900, 20), place('b', 10, 10)], 'b'],
  ['nobody who has done much', [place('a', 900, 5000), place('b', 900, 480)], undefined],
  ['who loses the least for what comes free', [place('a', 900, 5000), place('b', 100, 100), place('c', 300, 100)], 'c'],
  ['what it would ask for next counts', [place('a', 900, 5000), place('b', 100, 100, 80), place('c', 300, 100)], 'b'],
])('a place is given back at once: %s', (_what, places, expected) => {
  expect(chooseGivenBack(places)).toBe(expected);
}); // prettier-ignore
