/** Does a resumed stream go on with what its failures have taught, and never with less than its plan asks for? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cause } from '../../lib/model.ts';
import { needsOnResume, type LastTry } from '../../lib/policy/resume-needs.ts';
import { addFailure, NO_FAILURES } from '../../lib/policy/retry.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someSettings } from '../support/nouns.ts';

const settings = someSettings();
const MOST = 8 * GIB;
const asked = { estimateBytes: GIB, limitBytes: 2 * GIB, heapMb: 1024, estimateFrom: 'stream' as const };
const had = { estimateBytes: GIB, limitBytes: 2 * GIB, heapMb: 1024 };

const last = (causes: readonly Cause[], change: Partial<LastTry> = {}): LastTry => ({
  cause: causes.at(-1) ?? 'failed',
  failures: causes.reduce(addFailure, NO_FAILURES),
  needs: had,
  peakBytes: 1.5 * GIB,
  ...change,
});

describe('needsOnResume', () => {
  it.each<[string, LastTry, object]>([
    ['one that failed by itself gets what the plan says', last(['failed']), asked],
    ['one that crashed, too', last(['crash']), asked],
    ['one that was done since its last want of memory, too', last(['heap-limit', 'success', 'failed']), asked],
    ['a heap that was too small is doubled', last(['heap-limit']), { ...asked, heapMb: 2048, limitBytes: 2.5 * GIB, estimateBytes: 2 * GIB, estimateFrom: 'retry' }],
    ['over the limit: 1.2 of the peak', last(['our-limit'], { peakBytes: 2 * GIB }), { estimateBytes: Math.ceil(2.4 * GIB), limitBytes: Math.ceil(Math.ceil(2.4 * GIB) * 1.25), heapMb: 1536, estimateFrom: 'retry' }],
    ['after the kernel killed: half the heap, and what was really used', last(['kernel-oom']), { estimateBytes: 1.5 * GIB, limitBytes: 2 * GIB, heapMb: 512, estimateFrom: 'retry' }],
    ['however often it was tried: a call to resume is a wish', last(['heap-limit', 'heap-limit', 'heap-limit', 'heap-limit', 'heap-limit']), { ...asked, heapMb: 2048, limitBytes: 2.5 * GIB, estimateBytes: 2 * GIB, estimateFrom: 'retry' }],
    ['interrupted in a larger attempt: the same again', last(['heap-limit', 'interrupt'], { needs: { estimateBytes: 2 * GIB, limitBytes: 3 * GIB, heapMb: 2048 } }), { estimateBytes: 2 * GIB, limitBytes: 3 * GIB, heapMb: 2048, estimateFrom: 'retry' }],
    ['at what the machine can give, alone', last(['our-limit'], { needs: { ...had, limitBytes: MOST }, peakBytes: MOST }), { estimateBytes: MOST, limitBytes: MOST, heapMb: 1536, estimateFrom: 'retry', alone: true }],
  ])('%s', (_what, tried, needs) => {
    expect(needsOnResume(asked, tried, settings, MOST)).toEqual(needs);
  }); // prettier-ignore

  it('changes nothing where retries for want of memory are off', () => {
    expect(needsOnResume(asked, last(['heap-limit']), { ...settings, retryOnMemoryLimit: false }, MOST)).toBe(
      asked,
    );
  });

  it('takes the figures of a plan that asks for more by now', () => {
    const more = { ...asked, estimateBytes: 4 * GIB, limitBytes: 6 * GIB, heapMb: 4096 };
    expect(needsOnResume(more, last(['heap-limit']), settings, MOST)).toEqual(more);
  });

  it('never reserves or allows less than the plan', () => {
    const bytes = fc.integer({ min: 64 * MIB, max: MOST });
    const cause = fc.constantFrom<Cause>(
      'our-limit',
      'kernel-oom',
      'heap-limit',
      'allocation',
      'interrupt',
      'crash',
    );
    fc.assert(
      fc.property(
        fc.array(cause, { minLength: 1 }),
        bytes,
        bytes,
        bytes,
        (causes, limitBytes, estimateBytes, peakBytes) => {
          const tried = last(causes, { needs: { estimateBytes, limitBytes, heapMb: 512 }, peakBytes });
          const needs = needsOnResume(asked, tried, settings, MOST);
          expect(needs.estimateBytes).toBeGreaterThanOrEqual(asked.estimateBytes);
          expect(needs.limitBytes).toBeGreaterThanOrEqual(asked.limitBytes);
        },
      ),
    );
  });
});
