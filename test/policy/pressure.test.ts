/** Does the level follow the figures without flapping, and is only what the level asks for ever done? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PressureStall } from '../../lib/model.ts';
import type { PressureHandler } from '../../lib/settings-model.ts';
import { holdLeftMs, planHoldUntil } from '../../lib/policy/hold.ts';
import {
  decideHandling,
  judgePressure,
  planHandlers,
  planLookMs,
  PRESSURE_LEVELS,
  type PressureLevel,
} from '../../lib/policy/pressure.ts';
import { GIB } from '../../lib/units.ts';
import { someMemory, someSettings } from '../support/nouns.ts';

const TOTAL = 100 * GIB;
const settings = someSettings();
const stall = (some: number, full: number): PressureStall => ({
  some10Share: some,
  some60Share: 0,
  full10Share: full,
  full60Share: 0,
  someTotalUs: 0,
  fullTotalUs: 0,
});
const memoryAt = (usedPercent: number, pressure?: PressureStall) => ({
  ...someMemory((TOTAL / 100) * (100 - usedPercent), TOTAL),
  pressure,
});
const levelAt = (usedPercent: number, previous?: PressureLevel, pressure?: PressureStall): PressureLevel =>
  judgePressure(memoryAt(usedPercent, pressure), settings, previous).level;

describe('judgePressure', () => {
  it.each<[number, PressureLevel | undefined, PressureStall | undefined, PressureLevel]>([
    [0, undefined, undefined, 'normal'],
    [69.9, undefined, undefined, 'normal'],
    [70, undefined, undefined, 'warning'],
    [84.9, undefined, undefined, 'warning'],
    [85, undefined, undefined, 'critical'],
    [100, undefined, undefined, 'critical'],
    [69.9, 'warning', undefined, 'warning'],
    [65.1, 'warning', undefined, 'warning'],
    [64.9, 'warning', undefined, 'normal'],
    [84.9, 'critical', undefined, 'critical'],
    [80.1, 'critical', undefined, 'critical'],
    [79.9, 'critical', undefined, 'warning'],
    [65.1, 'critical', undefined, 'warning'],
    [64.9, 'critical', undefined, 'normal'],
    [85, 'normal', undefined, 'critical'],
    [10, undefined, stall(0.199, 0.199), 'normal'],
    [10, undefined, stall(0.2, 0), 'warning'],
    [10, undefined, stall(1, 0.299), 'warning'],
    [10, undefined, stall(0.3, 0.3), 'critical'],
    [10, 'warning', stall(0.1, 0), 'warning'],
    [10, 'warning', stall(0.099, 0), 'normal'],
    [10, 'critical', stall(0.15, 0.15), 'critical'],
    [10, 'critical', stall(0.149, 0.149), 'warning'],
    [90, undefined, stall(0, 0), 'critical'],
  ])('%d %% in use after %s with stalls %j is %s', (used, previous, pressure, level) => {
    expect(levelAt(used, previous, pressure)).toBe(level);
  }); // prettier-ignore

  it('is critical under the floor of admissions, whatever the share, and stays so up to a quarter more', () => {
    const small = (availableBytes: number, previous?: PressureLevel) =>
      judgePressure(someMemory(availableBytes, 4 * GIB), someSettings({ pressure: { ...settings.pressure, warningShare: 0.98, criticalShare: 0.99 } }), previous).level;
    expect([small(GIB - 1), small(GIB), small(1.25 * GIB - 1, 'critical'), small(1.25 * GIB, 'critical')]).toEqual(['critical', 'warning', 'critical', 'warning']);
  }); // prettier-ignore

  it('judges the fullest bound, though another one has less left', () => {
    const memory = someMemory(20 * GIB, 100 * GIB, [{ name: '/job', totalBytes: 24 * GIB, availableBytes: 15 * GIB }]);
    expect(memory.binding.name).toBe('/job');
    expect(judgePressure(memory, settings, undefined)).toMatchObject({ level: 'warning', totalBytes: 100 * GIB, usedShare: 0.8 });
  }); // prettier-ignore

  it('says that a level is only kept, and leaves what the kernel does not tell unknown', () => {
    expect(judgePressure(memoryAt(67), settings, 'warning')).toMatchObject({
      isKept: true,
      reason: '33.0GB available, 67% of 100.0GB in use; it was warning and stays so until there is more to spare',
      some10Share: undefined,
    });
  }); // prettier-ignore

  it('never gives a lower level for less memory or more stall', () => {
    const percent = fc.double({ min: 0, max: 100, noNaN: true });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const level = fc.option(fc.constantFrom(...PRESSURE_LEVELS), { nil: undefined });
    const rank = (one: PressureLevel): number => PRESSURE_LEVELS.indexOf(one);
    fc.assert(
      fc.property(percent, percent, share, share, level, (used, more, some, moreSome, previous) => {
        const low = levelAt(Math.min(used, more), previous, stall(Math.min(some, moreSome), 0));
        const high = levelAt(Math.max(used, more), previous, stall(Math.max(some, moreSome), 0));
        expect(rank(high)).toBeGreaterThanOrEqual(rank(low));
      }),
    );
  });

  it('does not flap: figures that hover within four points change the level once at most', () => {
    const start = fc.double({ min: 0, max: 96, noNaN: true });
    const hover = fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: 2, maxLength: 50 });
    fc.assert(
      fc.property(start, hover, (base, moves) => {
        let previous: PressureLevel | undefined;
        const seen = moves.map((move) => (previous = levelAt(base + move, previous)));
        const changes = seen.filter((one, at) => at > 0 && one !== seen[at - 1]);
        expect(changes.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('decideHandling', () => {
  const NOW = 1_000_000;
  const at = (agoMs: number, level: PressureLevel = 'warning') => ({ atMs: NOW - agoMs, level });
  it.each<[string, PressureLevel, ReturnType<typeof at> | undefined, boolean, string]>([
    ['nothing at level normal', 'normal', undefined, false, 'nothing'],
    ['nothing at level normal, forced or not', 'normal', at(99_999), true, 'nothing'],
    ['the first time', 'warning', undefined, false, 'handle'],
    ['1 ms before the cooldown is over', 'warning', at(59_999), false, 'wait'],
    ['when the cooldown is over', 'warning', at(60_000), false, 'handle'],
    ['forced within the cooldown', 'warning', at(0), true, 'handle'],
    ['a higher level within the cooldown of a lower one', 'critical', at(0), false, 'handle'],
    ['a lower level within the cooldown of a higher one', 'warning', at(0, 'critical'), false, 'wait'],
    ['after the clock was set back', 'warning', at(-1), false, 'handle'],
  ])('%s', (_what, level, last, isForced, decision) => {
    expect(decideHandling({ level, last, isForced, cooldownMs: 60_000, nowMs: NOW }).decision).toBe(decision);
  }); // prettier-ignore

  it('says when the cooldown is over', () => {
    const facts = { level: 'warning', last: at(20_000), isForced: false, cooldownMs: 60_000, nowMs: NOW } as const;
    expect(decideHandling(facts)).toMatchObject({ retryAfterMs: 40_000, reason: 'warning was handled 20.0s ago, the cooldown is 1m00s' });
  }); // prettier-ignore
});

describe('planHandlers', () => {
  const handler = (name: string, warning?: string, critical?: string): PressureHandler => ({
    name,
    warning: warning === undefined ? undefined : [warning],
    critical: critical === undefined ? undefined : [critical],
    timeoutMs: 1000,
  });
  const users = [handler('both', 'w', 'c'), handler('late', undefined, 'x'), handler('early', 'e')];
  const told = (level: PressureLevel): string[] =>
    planHandlers(level, users).map((one) => (one.kind === 'command' ? `${one.name}=${one.words.join(' ')}` : one.name));

  it.each<[PressureLevel, string[]]>([
    ['normal', []],
    ['warning', ['idle-agents', 'void-leases', 'prompt-cache', 'logs', 'both=w', 'early=e']],
    ['critical', ['hold', 'idle-agents', 'void-leases', 'prompt-cache', 'logs', 'both=c', 'late=x', 'early=e']],
  ])('runs at level %s, in order: %j', (level, names) => {
    expect(told(level)).toEqual(names);
  });
}); // prettier-ignore

describe('planLookMs', () => {
  it.each<[number, PressureLevel, number | undefined, number]>([
    [10, 'normal', undefined, 2000],
    [67, 'normal', undefined, 1000],
    [69.9, 'normal', undefined, 100],
    [72, 'normal', undefined, 100],
    [72, 'warning', undefined, 2000],
    [84.9, 'warning', undefined, 100],
    [99, 'critical', undefined, 1000],
    [10, 'normal', 0.049, 2000],
    [10, 'normal', 0.05, 250],
    [69.9, 'normal', 0.05, 100],
  ])('%d %% in use at %s with %s stalled: the next look after %d ms', (used, level, stalled, waitMs) => {
    expect(planLookMs(memoryAt(used), settings, level, stalled)).toBe(waitMs);
  });
});

describe('a hold', () => {
  it.each([
    [60_000, 90_000],
    [0, 10_000],
    [3_600_000, 600_000],
  ])('of a cooldown of %d ms lasts %d ms, and not a ms longer', (cooldownMs, lastsMs) => {
    const untilMs = planHoldUntil(5, cooldownMs);
    expect([holdLeftMs(untilMs, 5), holdLeftMs(untilMs, 4 + lastsMs), holdLeftMs(untilMs, 5 + lastsMs)]).toEqual([lastsMs, 1, 0]);
  }); // prettier-ignore

  it('is none where nobody set one, or where the clock was set back since', () => {
    expect([holdLeftMs(undefined, 5), holdLeftMs(700_000, 5)]).toEqual([0, 0]);
  });
});
