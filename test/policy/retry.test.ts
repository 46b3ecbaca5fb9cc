/** Does each cause change what it should, never past the machine, and does every chain of retries end? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cause } from '../../lib/model.ts';
import type { RetryPolicy, RetrySettings } from '../../lib/settings-model.ts';
import { familyOf } from '../../lib/policy/cause.ts';
import {
  addFailure,
  CAUSE_WORDS,
  decideRetry,
  NO_FAILURES,
  type AttemptNeeds,
  type RetryFacts,
} from '../../lib/policy/retry.ts';
import { GIB, MIB } from '../../lib/units.ts';

const SETTINGS: RetrySettings = {
  policy: 'auto', memoryAttempts: 3, crashAttempts: 1, timeoutAttempts: 1, backoffMs: 1000, backoffCapMs: 5000,
}; // prettier-ignore

const CAUSES = Object.keys(CAUSE_WORDS) as Cause[];
const MEMORY = CAUSES.filter((cause) => familyOf(cause) === 'memory');

function facts(cause: Cause, change: Partial<RetryFacts> = {}): RetryFacts {
  const family = familyOf(cause);
  return {
    cause,
    failures: { memory: 0, crash: 0, timeout: 0, ...(family && { [family]: 1 }) },
    needs: { estimateBytes: 2 * GIB, limitBytes: 10 * GIB, heapMb: 8192 },
    peakBytes: 3 * GIB,
    mostBytes: 64 * GIB,
    atOnce: 8,
    wasAlone: false,
    mustBeAlone: false,
    settings: SETTINGS,
    retryOnMemoryLimit: true,
    random: 0,
    ...change,
  };
}

const policy = (name: RetryPolicy) => ({ settings: { ...SETTINGS, policy: name } });

describe('what changes', () => {
  it.each<[string, RetryFacts, object]>([
    ['the kernel killed it: half the heap, half as many at once, what was used is reserved', facts('kernel-oom'), { estimateBytes: 3 * GIB, limitBytes: 10 * GIB, heapMb: 4096, atMostConcurrent: 4, alone: false }],
    ['we stopped it for the machine: the same', facts('our-machine'), { heapMb: 4096, atMostConcurrent: 4 }],
    ['no memory for a process: the same', facts('spawn-memory', { atOnce: 5 }), { heapMb: 4096, atMostConcurrent: 2 }],
    ['one of three: alone', facts('kernel-oom', { atOnce: 3 }), { alone: true, atMostConcurrent: undefined }],
    ['an allocation failed: the heap stays', facts('allocation'), { estimateBytes: 3 * GIB, heapMb: 8192, atMostConcurrent: 4 }],
    ['a heap is halved down to 256 MB', facts('kernel-oom', { needs: { estimateBytes: GIB, limitBytes: undefined, heapMb: 300 } }), { heapMb: 256 }],
    ['a heap under 256 MB stays', facts('kernel-oom', { needs: { estimateBytes: GIB, limitBytes: undefined, heapMb: 128 } }), { heapMb: 128 }],
    ['its own heap was too small: twice the heap, a limit and a reservation that hold it', facts('heap-limit'), { heapMb: 16384, limitBytes: 20 * GIB, estimateBytes: 4 * GIB, alone: false, atMostConcurrent: undefined }],
    ['a heap that only just fits: the largest, alone', facts('heap-limit', { needs: { estimateBytes: 12 * GIB, limitBytes: 20 * GIB, heapMb: 16384 }, mostBytes: 24 * GIB }), { heapMb: 19660, limitBytes: 24 * GIB, estimateBytes: 24 * GIB, alone: true }],
    ['a heap that nobody set: a larger reservation', facts('heap-limit', { needs: { estimateBytes: GIB, limitBytes: undefined, heapMb: undefined }, peakBytes: 2 * GIB }), { heapMb: undefined, limitBytes: undefined, estimateBytes: Math.ceil(2.4 * GIB) }],
    ['our hard limit: the peak x 1.2, the limit a quarter above, the heap in proportion', facts('our-limit', { peakBytes: 12 * GIB }), { estimateBytes: Math.ceil(14.4 * GIB), limitBytes: Math.ceil(Math.ceil(14.4 * GIB) * 1.25), heapMb: 14745 }],
    ['our hard limit on a machine that holds less: up to that, alone', facts('our-limit', { peakBytes: 12 * GIB, mostBytes: 14 * GIB }), { estimateBytes: 14 * GIB, limitBytes: 14 * GIB, heapMb: 11468, alone: true }],
    ['at the cap with others beside it: alone', facts('our-limit', { mostBytes: 10 * GIB, peakBytes: 10 * GIB }), { limitBytes: 10 * GIB, alone: true }],
    ['reduce: half the heap, whatever it was', facts('heap-limit', policy('reduce')), { heapMb: 4096, estimateBytes: 2 * GIB, limitBytes: 10 * GIB, atMostConcurrent: 4 }],
    ['grow: more, whatever it was', facts('kernel-oom', policy('grow')), { estimateBytes: 12 * GIB, limitBytes: 15 * GIB, atMostConcurrent: undefined }],
    ['a crash changes nothing', facts('crash'), { estimateBytes: 2 * GIB, limitBytes: 10 * GIB, heapMb: 8192, alone: false, atMostConcurrent: undefined }],
    ['a time-out changes nothing', facts('timeout'), { estimateBytes: 2 * GIB, heapMb: 8192 }],
    ['a kill of unknown cause changes nothing', facts('killed-unknown'), { estimateBytes: 2 * GIB, heapMb: 8192 }],
    ['who had to run alone still does', facts('crash', { mustBeAlone: true, wasAlone: true }), { alone: true }],
  ])('%s', (_what, given, wanted) => {
    expect(decideRetry(given)).toMatchObject({ decision: 'retry', ...wanted });
  }); // prettier-ignore
});

describe('giving up', () => {
  it.each<[string, RetryFacts, RegExp]>([
    ['a failure of its own', facts('failed'), /exit code of its own/],
    ['a stop that somebody wished', facts('user'), /somebody/],
    ['an interrupt', facts('interrupt'), /--resume/],
    ['TERM from outside', facts('terminated'), /outside/],
    ['a refused NODE_OPTIONS', facts('bad-node-options'), /NODE_OPTIONS/],
    ['success', facts('success'), /well/],
    ['the fourth memory failure', facts('kernel-oom', { failures: { memory: 4, crash: 0, timeout: 0 } }), /3 further attempts are used up.*retry\.memory_attempts/],
    ['the second crash', facts('crash', { failures: { memory: 0, crash: 2, timeout: 0 } }), /1 further attempt is used up.*retry\.crash_attempts/],
    ['no attempts allowed', facts('timeout', { settings: { ...SETTINGS, timeoutAttempts: 0 } }), /no further attempt is allowed \(retry\.timeout_attempts\)/],
    ['memory retries switched off', facts('kernel-oom', { retryOnMemoryLimit: false }), /retry_on_memory_limit is false/],
    ['at the cap, alone', facts('our-limit', { mostBytes: 10 * GIB, wasAlone: true }), /although it ran alone with .*10\.0GB.*no more than 10\.0GB/],
    ['the largest heap, alone', facts('heap-limit', { needs: { estimateBytes: 8 * GIB, limitBytes: 8 * GIB, heapMb: 6553 }, mostBytes: 8 * GIB, wasAlone: true }), /heap limit although it ran alone/],
    ['alone and nothing left to reduce', facts('kernel-oom', { needs: { estimateBytes: 4 * GIB, limitBytes: undefined, heapMb: undefined }, wasAlone: true, atOnce: 1 }), /although it ran alone/],
    ['a machine without any room', facts('kernel-oom', { mostBytes: 79 * MIB }), /79\.0MB at most/],
  ])('%s', (_what, given, reason) => {
    const decision = decideRetry(given);
    expect([decision.decision, decision.reason]).toEqual(['give-up', expect.stringMatching(reason)]);
  }); // prettier-ignore

  it('is not for crashes where only memory retries are switched off', () => {
    expect(decideRetry(facts('crash', { retryOnMemoryLimit: false })).decision).toBe('retry');
  });

  it('counts since the last success, and only what a family owns', () => {
    const causes: Cause[] = [
      'crash',
      'heap-limit',
      'success',
      'kernel-oom',
      'failed',
      'our-limit',
      'timeout',
      'user',
    ];
    expect(causes.reduce(addFailure, NO_FAILURES)).toEqual({ memory: 2, crash: 0, timeout: 1 });
  });

  it('counts each family by itself', () => {
    const failures = { memory: 3, crash: 9, timeout: 9 };
    expect(decideRetry(facts('kernel-oom', { failures })).decision).toBe('retry');
  });
});

describe('the wait', () => {
  it.each([
    [1, 0, 1000],
    [2, 0, 2000],
    [3, 0, 4000],
    [4, 0, 5000],
    [90, 0, 5000],
    [1, 1, 500],
    [90, 0.5, 3750],
  ])('after failure %d with chance %d is %d ms', (memory, random, afterMs) => {
    const settings = { ...SETTINGS, memoryAttempts: 100 };
    expect(
      decideRetry(facts('kernel-oom', { failures: { memory, crash: 0, timeout: 0 }, random, settings })),
    ).toMatchObject({ afterMs });
  });
});

const size = (leastMb: number, mostMb: number) =>
  fc.integer({ min: leastMb, max: mostMb }).map((mb) => mb * MIB);
const anyNeeds: fc.Arbitrary<AttemptNeeds> = fc.record({
  estimateBytes: size(1, 200_000),
  limitBytes: fc.option(size(64, 200_000), { nil: undefined }),
  heapMb: fc.option(fc.integer({ min: 64, max: 100_000 }), { nil: undefined }),
});
const anyFacts: fc.Arbitrary<RetryFacts> = fc.record({
  cause: fc.constantFrom(...CAUSES),
  failures: fc.record({ memory: fc.nat(5), crash: fc.nat(5), timeout: fc.nat(5) }),
  needs: anyNeeds,
  peakBytes: fc.option(size(1, 300_000), { nil: undefined }),
  mostBytes: size(0, 100_000),
  atOnce: fc.option(fc.integer({ min: 1, max: 64 }), { nil: undefined }),
  wasAlone: fc.boolean(),
  mustBeAlone: fc.boolean(),
  settings: fc.record({
    policy: fc.constantFrom('auto', 'reduce', 'grow'),
    memoryAttempts: fc.nat(4),
    crashAttempts: fc.nat(4),
    timeoutAttempts: fc.nat(4),
    backoffMs: fc.nat(10_000),
    backoffCapMs: fc.nat(100_000),
  }),
  retryOnMemoryLimit: fc.boolean(),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

describe('for all ends', () => {
  it("it never asks for more than the machine's most, nor waits longer than the cap", () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const next = decideRetry(given);
        expect(next.reason).not.toBe('');
        if (next.decision === 'give-up') return;
        expect(next.estimateBytes).toBeLessThanOrEqual(given.mostBytes);
        expect(next.estimateBytes).toBeLessThanOrEqual(next.limitBytes ?? Infinity);
        expect(next.limitBytes ?? 0).toBeLessThanOrEqual(given.mostBytes);
        expect((next.heapMb ?? 0) * MIB).toBeLessThanOrEqual(given.mostBytes);
        expect(next.afterMs).toBeGreaterThanOrEqual(0);
        expect(next.afterMs).toBeLessThanOrEqual(given.settings.backoffCapMs);
        expect(next.atMostConcurrent ?? 2).toBeGreaterThan(1);
      }),
    );
  });

  it('only memory causes change what is asked for, apart from what the machine cannot give', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const next = decideRetry({ ...given, mostBytes: 1e6 * MIB });
        if (next.decision === 'give-up' || familyOf(given.cause) === 'memory') return;
        const { estimateBytes, heapMb, limitBytes } = given.needs;
        expect([next.limitBytes, next.heapMb]).toEqual([limitBytes, heapMb]);
        expect(next.estimateBytes).toBe(Math.min(estimateBytes, limitBytes ?? Infinity));
        expect(next.alone).toBe(given.mustBeAlone);
        expect(next.atMostConcurrent).toBeUndefined();
      }),
    );
  });

  it('under auto a heap that was too small never gets smaller, and one that the machine had no room for never larger', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const settings = { ...given.settings, policy: 'auto' as const };
        const next = decideRetry({ ...given, settings, mostBytes: 1e6 * MIB });
        if (next.decision === 'give-up') return;
        const before = given.needs.heapMb ?? 0;
        if (given.cause === 'heap-limit') expect(next.heapMb ?? 0).toBeGreaterThanOrEqual(before);
        if (given.cause === 'kernel-oom') expect(next.heapMb ?? 0).toBeLessThanOrEqual(before);
      }),
    );
  });

  it('every chain of retries ends, however the attempts end', () => {
    fc.assert(
      fc.property(
        anyFacts,
        fc.array(fc.constantFrom(...MEMORY, 'crash', 'timeout' as Cause), { minLength: 16, maxLength: 16 }),
        (given, causes) => {
          const failures = { memory: 0, crash: 0, timeout: 0 };
          let state = given;
          let retries = 0;
          for (const cause of causes) {
            const family = familyOf(cause);
            if (family) failures[family] += 1;
            const next = decideRetry({ ...state, cause, failures: { ...failures } });
            if (next.decision === 'give-up') break;
            retries += 1;
            state = { ...state, needs: next, mustBeAlone: next.alone, wasAlone: next.alone };
          }
          const { crashAttempts, memoryAttempts, timeoutAttempts } = given.settings;
          expect(retries).toBeLessThanOrEqual(crashAttempts + memoryAttempts + timeoutAttempts);
        },
      ),
    );
  });
});
