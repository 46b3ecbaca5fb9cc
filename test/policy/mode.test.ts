/** Does a mode follow what is free, without flapping, and is it never freer for less memory? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mode } from '../../lib/model.ts';
import { followMode, judgeMode, type ModeRules } from '../../lib/policy/mode.ts';
import { GIB } from '../../lib/units.ts';

const rules: ModeRules = { sequentialBytes: 2 * GIB, limitedBytes: 4 * GIB };
const [FULL, LIMITED, SEQUENTIAL] = ['full_parallel', 'limited_parallel', 'sequential'] as const;
const NARROWEST_FIRST: readonly Mode[] = [SEQUENTIAL, LIMITED, FULL];

describe('judgeMode', () => {
  it.each<[number, Mode | undefined, Mode, string, number | undefined]>([
    [4 * GIB, undefined, FULL, '4.0GB free, at least 4.0GB', undefined],
    [4 * GIB - 1, undefined, LIMITED, '4.0GB free, under 4.0GB: at most 2 agents at once', 1],
    [2 * GIB, undefined, LIMITED, '2.0GB free, under 4.0GB: at most 2 agents at once', 2 * GIB],
    [2 * GIB - 1, undefined, SEQUENTIAL, '2.0GB free, under 2.0GB: one agent at a time', 1],
    [0, undefined, SEQUENTIAL, '0B free, under 2.0GB: one agent at a time', 2 * GIB],
    [4 * GIB, FULL, FULL, '4.0GB free, at least 4.0GB', undefined],
    [4 * GIB - 1, FULL, LIMITED, '4.0GB free, under 4.0GB: at most 2 agents at once', 1],
    [0, FULL, SEQUENTIAL, '0B free, under 2.0GB: one agent at a time', 2 * GIB],
    [5 * GIB - 1, LIMITED, LIMITED, '5.0GB free, not yet 5.0GB: at most 2 agents at once', 1],
    [5 * GIB, LIMITED, FULL, '5.0GB free, at least 4.0GB', undefined],
    [2 * GIB, LIMITED, LIMITED, '2.0GB free, under 4.0GB: at most 2 agents at once', 3 * GIB],
    [2.5 * GIB - 1, SEQUENTIAL, SEQUENTIAL, '2.5GB free, not yet 2.5GB: one agent at a time', 1],
    [2.5 * GIB, SEQUENTIAL, LIMITED, '2.5GB free, under 4.0GB: at most 2 agents at once', 2.5 * GIB],
    [4.5 * GIB, SEQUENTIAL, LIMITED, '4.5GB free, not yet 5.0GB: at most 2 agents at once', GIB / 2],
    [5 * GIB, SEQUENTIAL, FULL, '5.0GB free, at least 4.0GB', undefined],
  ])('%d bytes after %s are %s', (bytes, before, mode, reason, shortByBytes) => {
    expect(judgeMode(bytes, rules, before)).toEqual({ mode, reason, shortByBytes });
  }); // prettier-ignore

  it('never narrows where the bounds are 0', () => {
    expect(judgeMode(0, { sequentialBytes: 0, limitedBytes: 0 }, SEQUENTIAL).mode).toBe(FULL);
  });

  const size = fc.integer({ min: 0, max: 8 * GIB });

  it('is never freer for less memory, over any sequence of looks', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(size, size), { minLength: 1, maxLength: 12 }), (looks) => {
        let [rich, poor]: (Mode | undefined)[] = [];
        for (const [one, other] of looks) {
          rich = judgeMode(Math.max(one, other), rules, rich).mode;
          poor = judgeMode(Math.min(one, other), rules, poor).mode;
          expect(NARROWEST_FIRST.indexOf(poor)).toBeLessThanOrEqual(NARROWEST_FIRST.indexOf(rich));
        }
      }),
    );
  });

  it('does not flap: what is missing for a freer mode is exactly enough, and a byte less is not', () => {
    fc.assert(
      fc.property(size, fc.constantFrom(undefined, ...NARROWEST_FIRST), (bytes, before) => {
        const { mode, shortByBytes } = judgeMode(bytes, rules, before);
        expect(judgeMode(bytes, rules, mode).mode).toBe(mode);
        if (shortByBytes === undefined) return;
        const rank = NARROWEST_FIRST.indexOf(mode);
        expect(NARROWEST_FIRST.indexOf(judgeMode(bytes + shortByBytes, rules, before).mode)).toBeGreaterThan(
          rank,
        );
        expect(judgeMode(bytes + Math.ceil(shortByBytes) - 1, rules, before).mode).toBe(mode);
      }),
    );
  });
});

describe('followMode', () => {
  it('keeps the last and the narrowest, and counts changes, not looks', () => {
    const seen = [FULL, FULL, LIMITED, SEQUENTIAL, SEQUENTIAL, FULL].reduce<ReturnType<typeof followMode> | undefined>(followMode, undefined); // prettier-ignore
    expect(seen).toEqual({ last: FULL, narrowest: SEQUENTIAL, changes: 3 });
  });
});
