/** Does a mere question get the answer that an admission would? */
import { expect, it } from 'vitest';
import { judgePreflight } from '../../lib/policy/preflight.ts';
import { GIB } from '../../lib/units.ts';
import { someChecked, someMemory, someSettings } from '../support/nouns.ts';

const closed = { allowed: true, probe: false, state: 'closed' } as const;
const open = { allowed: false, state: 'open', reason: 'opened by ann', retryAfterMs: 60_000 } as const;
const facts = {
  settings: someSettings(),
  memory: someMemory(12 * GIB),
  leases: [],
  breaker: closed,
  memoryOf: { holdSinceMs: undefined, lastMemoryEventMs: undefined },
  nowMs: 1_000_000,
  bytes: 2 * GIB,
  count: 1,
};

it.each<[string, Partial<Parameters<typeof judgePreflight>[0]>, object]>([
  ['there is room', {}, { allowed: true, reason: undefined, retryAfterMs: undefined }],
  ['the breaker is open', { breaker: open }, { allowed: false, reason: 'opened by ann', retryAfterMs: 60_000 }],
  ['more than ever fits', { bytes: 100 * GIB }, { allowed: false, retryAfterMs: undefined }],
  ['all places are taken', { leases: [1, 2, 3, 4].map((id) => someChecked({ id: String(id) })) }, { allowed: false, retryAfterMs: expect.any(Number) as number }],
  ['not as many as asked for', { count: 100 }, { allowed: false, reason: expect.stringMatching(/^\d of 100 agents of 2\.0GB fit now$/) as string }],
])('%s', (_, change, answer) => {
  expect(judgePreflight({ ...facts, ...change })).toMatchObject(answer);
}); // prettier-ignore
