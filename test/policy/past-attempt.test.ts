/** What does an attempt leave to the history, and when did it need more than was seen? */
import { expect, test } from 'vitest';
import type { Cause, Outcome } from '../../lib/model.ts';
import { pastAttempt, type EndedAttempt } from '../../lib/policy/past-attempt.ts';
import { MIB } from '../../lib/units.ts';

const ended = (change: Partial<EndedAttempt>): EndedAttempt => ({
  key: 'shop/1/A',
  kind: 'tester',
  tool: 'node test.mjs',
  outcome: 'done',
  cause: undefined,
  estimateBytes: 400 * MIB,
  limitBytes: undefined,
  heapMb: undefined,
  peakBytes: 300 * MIB,
  peakKind: 'rss',
  averageBytes: 200 * MIB,
  peakAfterMs: 400,
  profile: [{ untilMs: 900, bytes: 300 * MIB }],
  startedMs: 1000,
  endedMs: 3000,
  machine: 'm',
  ...change,
});

test.each<[Outcome, Cause | undefined, string, boolean]>([
  ['done', undefined, 'done', false],
  ['done', 'success', 'done', false],
  ['failed', undefined, 'failed', false],
  ['failed', 'crash', 'crash', false],
  ['failed', 'heap-limit', 'heap-limit', true],
  ['failed', 'killed-unknown', 'killed-unknown', true],
  ['killed-limit', undefined, 'our-limit', true],
  ['killed-machine', undefined, 'our-machine', true],
  ['killed-kernel', undefined, 'kernel-oom', true],
  ['killed-user', undefined, 'user', true],
  ['stopped', undefined, 'interrupt', true],
])('an attempt that is %s (cause %s) is on record as %s, stopped: %s', (outcome, cause, told, isCensored) => {
  expect(pastAttempt(ended({ outcome, cause }))).toMatchObject({ cause: told, isCensored });
});

test('what was never measured leaves no record', () => {
  expect(pastAttempt(ended({ peakBytes: undefined, peakKind: undefined }))).toBeUndefined();
});

test('its course lasts until its end, and bears no label', () => {
  expect(pastAttempt(ended({}))).toMatchObject({
    label: undefined,
    durationMs: 2000,
    profile: [{ untilMs: 2000, bytes: 300 * MIB }],
  });
});
