/** Does the kernel's ceiling lie above the watchdog's limit, and an agent's oom score above ours, always? */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { agentOomScore, ceilingBytes, ceilingLine, wantsCeiling } from '../../lib/policy/ceiling.ts';
import { GIB, MIB } from '../../lib/units.ts';

describe('ceilingBytes', () => {
  it.each([
    ['nothing leaves the least room', 0, 64 * MIB],
    ['one byte is rounded up to a page', 1, 64 * MIB + 4096],
    ['a small limit gets a tenth and 64 MB', 100 * MIB, 174 * MIB],
    ['a gigabyte', GIB, Math.ceil((1.1 * GIB + 64 * MIB) / 4096) * 4096],
  ])('%s', (_, limit, ceiling) => {
    expect(ceilingBytes(limit)).toBe(ceiling);
  });

  test('is whole pages, at least 64 MB above the limit, and never falls when the limit rises', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 46), fc.nat(2 ** 40), (limit, more) => {
        expect(ceilingBytes(limit) % 4096).toBe(0);
        expect(ceilingBytes(limit) - limit).toBeGreaterThanOrEqual(64 * MIB);
        expect(ceilingBytes(limit + more)).toBeGreaterThanOrEqual(ceilingBytes(limit));
      }),
    );
  });
});

describe('agentOomScore', () => {
  it.each([
    [0, 300],
    [-1, 300],
    [-1000, 300],
    [300, 600],
    [699, 999],
    [700, 1000],
    [1000, 1000],
  ])('an inherited %d becomes %d', (inherited, score) => {
    expect(agentOomScore(inherited)).toBe(score);
  });

  test('is never lower than what was inherited, and stays what the kernel takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), (inherited) => {
        expect(agentOomScore(inherited)).toBeGreaterThanOrEqual(inherited);
        expect(agentOomScore(inherited)).toBeLessThanOrEqual(1000);
      }),
    );
  });
});

describe('wantsCeiling', () => {
  it.each([
    ['as the setting says', true, true, true, 'auto', 'auto'],
    ['off by the setting', true, true, true, 'off', 'off'],
    ['not where memory management is off', false, true, true, 'auto', 'off'],
    ['not where agents are only measured', true, false, true, 'auto', 'off'],
    ['not where crossings are only reported', true, true, false, 'auto', 'off'],
  ] as const)('%s', (_, enabled, monitoringEnabled, abort, kernelCeiling, wanted) => {
    const thresholds = {
      warningBytes: 1,
      criticalBytes: 2,
      maxBytes: 3,
      sampleIntervalMs: 1,
      abort,
      kernelCeiling,
    };
    expect(wantsCeiling({ enabled, monitoringEnabled, thresholds })).toBe(wanted);
  });
});

test('the line of a run’s header says what holds where the kernel does not', () => {
  expect(ceilingLine({ kind: 'none', reason: 'x' })).toMatch(/none, the watchdog alone holds \(x\)/);
  expect(ceilingLine({ kind: 'cgroup-v2', reason: 'groups below /a' })).toMatch(
    /cgroup-v2 \(groups below \/a\)/,
  );
});
