/** Do planned starts keep within the budget, begin early what peaks late, and beat the order of arrival? */
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { compileRun, tellingRuns, type CompiledRun, type ForecastTask } from '../../lib/policy/forecast.ts';
import { forecastAdmission } from '../../lib/policy/outlook.ts';
import { planPacking, type Packing, type Waiting } from '../../lib/policy/packing.ts';
import { MIB } from '../../lib/units.ts';

const CELLS = 8;
const course = (mb: readonly number[]) => {
  const mean = new Float64Array(CELLS);
  mb.forEach((size, cell) => (mean[cell] = size * MIB));
  return { mean, variance: new Float64Array(CELLS), third: new Float64Array(CELLS) };
};
const waits = (key: string, ...mb: number[]): Waiting => ({ key, future: course(mb), cells: mb.length });
const plan = (running: number[], waiting: Waiting[], budgetMb: number, before?: Packing) =>
  planPacking({
    running: course(running),
    waiting,
    budgetBytes: budgetMb * MIB,
    spreadBytes: () => 0,
    before,
  });

const late = waits('late', 100, 100, 100, 900);
const flat = waits('flat', 800);
it.each<[string, number[], Waiting[], string[]]>([
  ['nobody waits', [], [], []],
  ['both fit', [], [waits('a', 500), waits('b', 500)], ['a', 'b']],
  ['a second one does not fit beside the first', [], [waits('a', 500), waits('b', 600)], ['a']],
  ['nothing fits beside what runs', [900], [waits('a', 200)], []],
  ['it fits now, and not when what runs has grown', [100, 900], [waits('a', 200, 200)], []],
  ['what peaks late begins first, short ones run beside it', [], [flat, { ...flat, key: 'flat2' }, { ...flat, key: 'flat3' }, late], ['flat', 'late']],
])('%s', (_what, running, waiting, starts) => {
  expect(new Set(plan(running, waiting, 1000).starts)).toEqual(new Set(starts));
}); // prettier-ignore

test('what was found before is kept, and new ones are placed as well', () => {
  const first = plan([], [late, flat], 1000);
  const more = waits('more', 100);
  const second = plan([], [flat, more], 1000, first);
  expect([...second.order].sort()).toEqual(['flat', 'more']);
  expect(plan([], [late, flat], 1000)).toEqual(first);
});

const someWaiting = fc
  .array(fc.array(fc.integer({ min: 10, max: 900 }), { minLength: 1, maxLength: CELLS }), {
    minLength: 1,
    maxLength: 7,
  })
  .map((all) => all.map((mb, at) => waits(`w${at}`, ...mb)));

test('those that start together stay within the budget in every cell; one alone always fits', () => {
  fc.assert(
    fc.property(someWaiting, (waiting) => {
      const { starts } = plan([], waiting, 1000);
      expect(starts.length).toBeGreaterThan(0);
      for (let cell = 0; cell < CELLS; cell += 1) {
        const held = waiting.filter(({ key }) => starts.includes(key)).map(({ future }) => future.mean[cell] ?? 0);
        expect(held.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(1000 * MIB);
      }
    }),
    { numRuns: 60 },
  );
}); // prettier-ignore

function run(isCensored: boolean, ...segments: [number, number][]): CompiledRun {
  const profile = segments.map(([seconds, mb]) => ({ untilMs: seconds * 1000, bytes: mb * MIB }));
  const compiled = compileRun({ profile, isCensored });
  if (compiled === undefined) throw new Error('no segment');
  return compiled;
}
const fresh = (key: string, past: CompiledRun): ForecastTask => ({
  key,
  ageMs: 0,
  currentBytes: 0,
  peakBytes: 0,
  halfBytes: 0,
  past: { stream: [past], kind: [], others: [] },
});

test('streams that were all done before start in the planned order, of which the next call hears', () => {
  const settings = { caution: 0, priorBytes: 100 * MIB };
  const short = run(false, [1, 700]);
  const long = run(false, [6, 150], [8, 900]);
  const candidates = [fresh('a', short), fresh('b', short), fresh('c', short), fresh('d', long)];
  const budgetBytes = 1000 * MIB;
  const { answers, packing } = forecastAdmission({ running: [], candidates, budgetBytes, settings });
  const starts = answers.filter(({ decision }) => decision === 'start').map(({ key }) => key);
  expect(starts).toHaveLength(2);
  expect(starts).toContain('d');
  expect(answers.find(({ key }) => !starts.includes(key))?.reason).toMatch(/others first/);
  expect([...(packing?.order ?? [])].sort()).toEqual(['a', 'b', 'c', 'd']);
  const unknown = { ...fresh('e', short), past: { stream: [], kind: [short], others: [] } };
  const mixed = forecastAdmission({ running: [], candidates: [unknown, ...candidates], budgetBytes, settings });
  expect(mixed.packing).toBeUndefined();
}); // prettier-ignore

test('a stopped run tells nothing where one that came to its end needed as much', () => {
  const done = run(false, [5, 500]);
  const low = run(true, [1, 200]);
  const high = run(true, [1, 600]);
  expect(tellingRuns([low, done, high])).toEqual([done, high]);
  expect(tellingRuns([low])).toEqual([low]);
});
