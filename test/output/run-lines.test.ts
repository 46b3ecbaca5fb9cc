/** Is each event of a run one line that says which stream and why, and one document as JSON? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../lib/run-model.ts';
import { eventJson, eventLine } from '../../lib/output/run-lines.ts';
import { GIB } from '../../lib/units.ts';
import { hostileText } from '../support/hostile.ts';
import { someResult } from '../support/nouns.ts';

const key = 'shop/1/A';
const at = { atMs: 1_700_000_000_000 };
const start = { ...at, event: 'start', key, attempt: 1, pid: 7, estimateBytes: GIB, limitBytes: 2 * GIB, warning: undefined } as const; // prettier-ignore
const wait = { ...at, event: 'wait', key, reason: '1.0GB short', binding: 'machine', shortByBytes: GIB, retryAfterMs: 5000 } as const; // prettier-ignore
const end = (change: Parameters<typeof someResult>[1]): RunEvent => ({ ...at, event: 'end', result: someResult(key, change) }); // prettier-ignore

/** The local time of day stands before every line. */
const said = (event: RunEvent): string => eventLine(event).replace(/^\d\d:\d\d:\d\d /, '');

describe('eventLine', () => {
  it.each<[RunEvent, string]>([
    [start, 'start shop/1/A pid 7, estimate 1.0GB, limit 2.0GB'],
    [{ ...start, limitBytes: undefined, warning: 'single-agent mode' }, 'start shop/1/A pid 7, estimate 1.0GB, no limit; single-agent mode'],
    [wait, 'wait shop/1/A: 1.0GB short'],
    [{ ...at, event: 'level', key, level: 'warning', bytes: GIB, message: 'WARNING: Memory exceeded 1MB at 2MB' }, 'warning shop/1/A: WARNING: Memory exceeded 1MB at 2MB'],
    [{ ...at, event: 'stopping', key, reason: 'over', evidence: undefined }, 'stop shop/1/A: over'],
    [{ ...at, event: 'stopping', key, reason: 'over', evidence: '/x/e.json' }, 'stop shop/1/A: over; evidence in /x/e.json'],
    [end({}), 'done shop/1/A after 10.0s, peak 512.0MB of 1.0GB'],
    [end({ peakBytes: undefined }), 'done shop/1/A after 10.0s, too short to measure'],
    [end({ outcome: 'failed', reason: 'exit 1' }), 'failed shop/1/A after 10.0s, peak 512.0MB of 1.0GB; exit 1'],
    [{ ...at, event: 'remains', key, processes: 2, bytes: 5 }, 'remains shop/1/A: 2 processes outlived it; ending them'],
    [{ ...at, event: 'skip', key, reason: 'shop/1/B failed' }, 'skip shop/1/A: shop/1/B failed'],
    [{ ...at, event: 'note', text: 'a note' }, 'note a note'],
    [{ ...at, event: 'mode', mode: 'sequential', before: 'full_parallel', availableBytes: GIB, reason: '1.0GB free, under 2.0GB: one agent at a time' }, 'mode sequential: 1.0GB free, under 2.0GB: one agent at a time; it was full_parallel'],
    [{ ...at, event: 'interrupt', signal: 'SIGINT', running: 3 }, 'SIGINT: nothing more starts, 3 agents are being ended; once more ends them at once'],
  ])('%j', (event, line) => {
    expect(eventLine(event)).toMatch(/^\d\d:\d\d:\d\d /);
    expect(said(event)).toBe(line);
  }); // prettier-ignore

  it('is one line, whatever a reason, a path or a warning holds', () => {
    fc.assert(
      fc.property(fc.oneof(hostileText(), fc.constant('x\ndone shop/1/B')), (text) => {
        for (const event of [
          { ...wait, reason: text },
          { ...start, warning: text },
          { ...at, event: 'stopping', key, reason: 'over', evidence: text },
          { ...at, event: 'note', text },
          end({ outcome: 'failed', reason: text }),
        ] satisfies RunEvent[]) {
          expect(eventLine(event)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/);
          expect(eventJson(event)).not.toMatch(/[\n\r]/);
          expect(JSON.parse(eventJson(event))).toMatchObject({ event: event.event, atMs: at.atMs });
        }
      }),
    );
  });
});
