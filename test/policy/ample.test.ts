/** Is a forecast left out only where it would have let everybody start? */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  boundOf,
  peakMoments,
  plusMoments,
  pooledBytes,
  rememberMost,
  rememberPeaks,
} from '../../lib/policy/ample.ts';
import { compileRun, heldAt, type CompiledRun, type ForecastTask } from '../../lib/policy/forecast.ts';
import { forecastAdmission } from '../../lib/policy/outlook.ts';
import { MIB } from '../../lib/units.ts';

const bytes = fc.integer({ min: 0, max: 4000 }).map((mb) => mb * MIB);
const run: fc.Arbitrary<CompiledRun> = fc
  .record({
    segments: fc.array(fc.record({ ms: fc.integer({ min: 1, max: 60_000 }), bytes }), { minLength: 1, maxLength: 6 }),
    isCensored: fc.boolean(),
  })
  .map(({ segments, isCensored }) => {
    let untilMs = 0;
    const profile = segments.map((segment) => ({ untilMs: (untilMs += segment.ms), bytes: segment.bytes }));
    return compileRun({ profile, isCensored }) ?? expect.fail('no run');
  }); // prettier-ignore
const runs = fc.array(run, { maxLength: 12 });
const past = fc.record({ stream: fc.array(run, { maxLength: 2 }), kind: runs, others: runs });
const tasks = (maxLength: number, oldestMs: number): fc.Arbitrary<ForecastTask[]> =>
  fc
    .array(
      fc.record({ ageMs: fc.integer({ min: 0, max: oldestMs }), bytes, more: bytes, past, like: fc.boolean() }),
      { maxLength },
    )
    .map((all) =>
      all.map(({ ageMs, bytes: own, more, past: pools, like }, at) => {
        const [first] = pools.kind;
        const held = ageMs === 0 ? 0 : like && first ? heldAt(first, ageMs) : own;
        return { key: String(at), ageMs, currentBytes: held, peakBytes: held + more, halfBytes: held, past: pools };
      }),
    ); // prettier-ignore

it('bounds every forecast: with room for the bounds all start, and never more is needed', () => {
  fc.assert(
    fc.property(
      tasks(5, 90_000),
      tasks(3, 0),
      fc.double({ min: 0, max: 3, noNaN: true }),
      bytes,
      (running, candidates, caution, priorBytes) => {
        const settings = { caution, priorBytes };
        const mostOf = rememberMost();
        const budgetBytes = [...running, ...candidates].reduce(
          (sum, task) => sum + boundOf(task, mostOf, settings),
          0,
        );
        const { answers, neededBytes } = forecastAdmission({ running, candidates, budgetBytes, settings });
        expect(answers.every(({ decision }) => decision === 'start')).toBe(true);
        expect(neededBytes).toBeLessThanOrEqual(budgetBytes + 1);
      },
    ),
    { numRuns: 400 },
  );
});

it('by their peaks fresh ones are never forecast to need more, and one that holds more than any like it is what it holds and more', () => {
  const FLAT = compileRun({ profile: [{ untilMs: 1000, bytes: MIB }], isCensored: false }) ?? expect.fail('no run');
  const NOBODY = { mean: 0, square: 0, most: 0 };
  fc.assert(
    fc.property(tasks(5, 0), fc.double({ min: 0, max: 3, noNaN: true }), (candidates, caution) => {
      const peaksOf = rememberPeaks();
      const known = candidates.map((task) => {
        const kind = Array.from({ length: 10 }, (_, at) => ({ ...(task.past.kind[at % task.past.kind.length] ?? FLAT), isCensored: false }));
        return { ...task, peakBytes: 0, past: { ...task.past, stream: [], kind } };
      });
      const pool = known.map((task) => peakMoments(task, peaksOf)).reduce(plusMoments, NOBODY);
      const budgetBytes = pooledBytes(pool, caution);
      const settings = { caution, priorBytes: 0 };
      const { answers } = forecastAdmission({ running: [], candidates: known, budgetBytes: budgetBytes + 1, settings });
      expect(answers.every(({ decision }) => decision === 'start')).toBe(true);
    }),
    { numRuns: 200 },
  );
  const large = { key: 'a', ageMs: 9, currentBytes: 100 * MIB, peakBytes: 100 * MIB, past: { stream: [], kind: [], others: [] } };
  expect(Math.round(peakMoments(large, rememberPeaks()).mean / MIB)).toBe(125);
}); // prettier-ignore
