/** Is each crossing of a limit told once, in time, and in the words that people grep for? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  judgeLevel,
  levelMessage,
  limitRules,
  needsExact,
  sampleIntervalMs,
  type Level,
  type LimitRules,
} from '../../lib/policy/limit.ts';
import { GIB, MIB } from '../../lib/units.ts';

const ORDER: readonly Level[] = ['normal', 'warning', 'critical', 'over'];
const RULES: LimitRules = { warningBytes: 1000, criticalBytes: 2000, limitBytes: 4000 };

describe('limitRules', () => {
  it.each([
    ['a quarter and a half of the limit', 4000, undefined, 1000, 2000],
    ['what was expected is no news', 4000, 3000, 3000, 3500],
    ['less than a quarter was expected', 4000, 500, 1000, 2500],
    ['as much as the limit was expected', 4000, 4000, 4000, 4000],
    ['more than the limit was expected', 4000, 9000, 4000, 4000],
    ['nothing was expected', 4000, 0, 1000, 2500],
    ['no limit', undefined, undefined, Infinity, Infinity],
    ['no limit, something expected', undefined, 500, Infinity, Infinity],
  ])('%s', (_what, limitBytes, stated, warningBytes, criticalBytes) => {
    expect(limitRules(limitBytes, stated)).toEqual({ warningBytes, criticalBytes, limitBytes });
  });
});

describe('needsExact', () => {
  it.each<[string, readonly number[], number | undefined, boolean]>([
    ['a single process shares with nobody', [5000], 4000, false],
    ['two that are over it together only', [2001, 2000], 4000, true],
    ['one of two is at it', [4000, 1], 4000, true],
    ['one of two is over it alone', [1, 4001], 4000, false],
    ['no process', [], 4000, false],
    ['no limit', [1, 1], undefined, true],
  ])('%s', (_what, memberBytes, limitBytes, exact) => {
    expect(needsExact(memberBytes, limitBytes)).toBe(exact);
  });
});

describe('judgeLevel', () => {
  it.each<[number, Level, Level]>([
    [0, 'normal', 'normal'],
    [999, 'normal', 'normal'],
    [1000, 'normal', 'warning'],
    [1999, 'normal', 'warning'],
    [2000, 'normal', 'critical'],
    [4000, 'normal', 'critical'],
    [4001, 'normal', 'over'],
    [4001, 'critical', 'over'],
    [2000, 'warning', 'critical'],
    [900, 'warning', 'warning'],
    [899, 'warning', 'normal'],
    [1800, 'critical', 'critical'],
    [1799, 'critical', 'warning'],
    [900, 'critical', 'warning'],
    [899, 'critical', 'normal'],
    [3600, 'over', 'over'],
    [3599, 'over', 'critical'],
    [1800, 'over', 'critical'],
    [1799, 'over', 'warning'],
    [0, 'over', 'normal'],
  ])('%d bytes after %s is %s', (bytes, before, level) => {
    expect(judgeLevel(bytes, RULES, before)).toBe(level);
  });

  it.each<[number, Level]>([[0, 'normal'], [Number.MAX_SAFE_INTEGER, 'normal']])(
    'is never above normal without a limit, at %d bytes',
    (bytes, level) => {
      expect(judgeLevel(bytes, limitRules(undefined), 'normal')).toBe(level);
    },
  ); // prettier-ignore

  const rules = fc
    .tuple(fc.integer({ min: 100, max: 10_000 }), fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }))
    .map(([limit, stated]) => limitRules(limit, stated)); // prettier-ignore
  const uses = fc.array(fc.integer({ min: 0, max: 11_000 }), { maxLength: 60 });

  /** The levels that were told, with what the use was then. */
  const tell = (sequence: readonly number[], rule: LimitRules): { level: Level; at: number }[] => {
    let level: Level = 'normal';
    return sequence.flatMap((bytes, at) => {
      const before = level;
      level = judgeLevel(bytes, rule, before);
      return ORDER.indexOf(level) > ORDER.indexOf(before) ? [{ level, at }] : [];
    });
  };

  it('tells a level again only after use fell a tenth below its threshold', () => {
    fc.assert(
      fc.property(uses, rules, (sequence, rule) => {
        const told = tell(sequence, rule);
        for (const level of ORDER.slice(1)) {
          const threshold = { normal: 0, warning: rule.warningBytes, critical: rule.criticalBytes, over: rule.limitBytes ?? Infinity }[level];
          const times = told.filter((one) => one.level === level).map(({ at }) => at);
          for (const [index, at] of times.slice(1).entries()) {
            const between = sequence.slice(times[index], at);
            expect(Math.min(...between)).toBeLessThan(threshold * 0.9);
          }
        }
      }),
    );
  }); // prettier-ignore

  it('tells each crossing once while use hovers around a threshold, whichever it is', () => {
    const hover = fc.array(fc.double({ min: 0.901, max: 1.2, noNaN: true }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(fc.constantFrom('warning', 'critical', 'over' as const), hover, (name, factors) => {
        const threshold = { warning: 1000, critical: 2000, over: 4000 }[name];
        const told = tell(factors.map((factor) => Math.ceil(threshold * factor)), RULES);
        expect(told.filter(({ level }) => level === name).length).toBeLessThanOrEqual(1);
        expect(new Set(told.map(({ level }) => level)).size).toBe(told.length);
      }),
    );
  }); // prettier-ignore

  it('is never below what the use alone says, and never above it by more than the tenth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 11_000 }), rules, fc.constantFrom(...ORDER), (bytes, rule, before) => {
        const alone = ORDER.indexOf(judgeLevel(bytes, rule, 'normal'));
        const level = ORDER.indexOf(judgeLevel(bytes, rule, before));
        expect(level).toBeGreaterThanOrEqual(alone);
        expect(level).toBeLessThanOrEqual(ORDER.indexOf(judgeLevel(Math.ceil(bytes / 0.9) + 1, rule, 'normal')));
      }),
    );
  }); // prettier-ignore
});

describe('levelMessage', () => {
  const rules: LimitRules = { warningBytes: GIB, criticalBytes: 2 * GIB, limitBytes: 4 * GIB };
  const grown = 1156.3 * MIB;
  it.each<[Exclude<Level, 'normal'>, number, number | undefined, string]>([
    ['warning', grown, undefined, 'WARNING: Memory exceeded 1024MB at 1156.3MB'],
    ['warning', grown, 0, 'WARNING: Memory exceeded 1024MB at 1156.3MB'],
    ['warning', grown, -1, 'WARNING: Memory exceeded 1024MB at 1156.3MB'],
    ['critical', 2.5 * GIB, undefined, 'CRITICAL: Memory exceeded 2048MB at 2560MB'],
    ['critical', 3 * GIB, GIB / 10_000, 'CRITICAL: Memory exceeded 2048MB at 3072MB; 10.0s to the limit of 4.0GB at the present rate'],
    ['over', 5 * GIB, GIB, 'LIMIT: Memory exceeded 4096MB at 5120MB'],
  ])('%s at %d bytes growing by %s', (level, bytes, rate, message) => {
    expect(levelMessage(level, bytes, rules, rate)).toBe(message);
  }); // prettier-ignore
});

describe('sampleIntervalMs', () => {
  it.each([
    ['nothing is left', 0, 1e6, 2000, 5],
    ['less than nothing is left', -GIB, 1e6, 2000, 5],
    ['2 GB are left, which may be filled in a second', 2 * GIB, 1e6, 2000, 500],
    ['much is left', 100 * GIB, 1e6, 2000, 2000],
    ['everything is left', Infinity, Infinity, 2000, 2000],
    ['a young agent', 100 * GIB, 0, 2000, 150],
    ['an agent whose clock is ahead', 100 * GIB, -5000, 2000, 150],
    ['an agent of a second', 100 * GIB, 1000, 2000, 250],
    ['an admission is due', 100 * GIB, 1e6, 0, 0],
    ['an admission is due within 3 ms', 0, 1e6, 3, 3],
  ])('%s', (_what, headroomBytes, youngestMs, mostMs, ms) => {
    expect(sampleIntervalMs({ headroomBytes, youngestMs, mostMs })).toBe(ms);
  });

  it('is from 5 ms to the most, and never longer for less headroom', () => {
    const bytes = fc.double({ min: -1e12, max: 1e13, noNaN: true });
    fc.assert(
      fc.property(bytes, bytes, fc.double({ min: -1e6, max: 1e9, noNaN: true }), fc.integer({ min: 5, max: 60_000 }), (one, other, youngestMs, mostMs) => {
        const at = (headroomBytes: number) => sampleIntervalMs({ headroomBytes, youngestMs, mostMs });
        expect(at(one)).toBeGreaterThanOrEqual(5);
        expect(at(one)).toBeLessThanOrEqual(mostMs);
        expect(at(Math.min(one, other))).toBeLessThanOrEqual(at(Math.max(one, other)));
      }),
    );
  }); // prettier-ignore

  it('wakes before an agent that fills 2 GB a second can pass its limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 22 * MIB, max: 64 * GIB }), (headroomBytes) => {
        const ms = sampleIntervalMs({ headroomBytes, youngestMs: 1e9, mostMs: 2000 });
        expect(ms * ((2 * GIB) / 1000)).toBeLessThan(headroomBytes);
      }),
    );
  });
});
