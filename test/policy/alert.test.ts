/** Is a receiver told of each agent and level once a minute, and of nothing below its level? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AlertLevel } from '../../lib/model.ts';
import { ALERT_ORDER, QUIET_MS, decideAlert, isAtLeast, type SentTimes } from '../../lib/policy/alert.ts';

const SENT: SentTimes = new Map([['warning a', 1000]]);

test.each<[string, AlertLevel, string, AlertLevel, number, 'send' | 'hold', string]>([
  ['the first alert', 'warning', 'b', 'warning', 1000, 'send', 'due'],
  ['the same at the same instant', 'warning', 'a', 'warning', 1000, 'hold', 'sent-just-now'],
  ['the same just before a minute is over', 'warning', 'a', 'warning', 60_999, 'hold', 'sent-just-now'],
  ['the same after a minute', 'warning', 'a', 'warning', 61_000, 'send', 'due'],
  ['a worse level of the same agent', 'critical', 'a', 'warning', 1000, 'send', 'due'],
  ['the worst level of the same agent', 'over', 'a', 'critical', 1000, 'send', 'due'],
  ['a level below the least', 'warning', 'b', 'critical', 1000, 'hold', 'below-min-level'],
  ['a level just at the least', 'critical', 'b', 'critical', 1000, 'send', 'due'],
])('%s', (_, level, subprocess_id, minLevel, nowMs, decision, reason) => {
  const decided = decideAlert(SENT, { level, subprocess_id }, minLevel, nowMs);
  expect(decided).toMatchObject({ decision, reason });
  expect(decided.sent).toEqual(
    decision === 'hold'
      ? SENT
      : new Map([...(nowMs < 61_000 ? SENT : []), [`${level} ${subprocess_id}`, nowMs]]),
  );
});

test('levels are ordered from warning to over', () => {
  const pairs = ALERT_ORDER.flatMap((one) => ALERT_ORDER.map((other) => isAtLeast(one, other)));
  expect(pairs).toEqual([true, false, false, true, true, false, true, true, true]);
});

test('whatever comes, no agent and level is sent twice within a minute, and what is remembered is a minute old at most', () => {
  const alerts = fc.array(
    fc.record({
      level: fc.constantFrom(...ALERT_ORDER),
      subprocess_id: fc.constantFrom('a', 'a b', 'b'),
      stepMs: fc.integer({ min: 0, max: 40_000 }),
    }),
  );
  fc.assert(
    fc.property(alerts, (list) => {
      let nowMs = 0;
      let sent: SentTimes = new Map();
      const last = new Map<string, number>();
      for (const { stepMs, ...alert } of list) {
        nowMs += stepMs;
        const decided = decideAlert(sent, alert, 'warning', nowMs);
        sent = decided.sent;
        const key = JSON.stringify(alert);
        const dueMs = (last.get(key) ?? -Infinity) + QUIET_MS;
        expect(decided.decision).toBe(nowMs >= dueMs ? 'send' : 'hold');
        if (decided.decision === 'send') {
          last.set(key, nowMs);
          expect([...sent.values()].every((atMs) => nowMs - atMs < QUIET_MS)).toBe(true);
        }
      }
    }),
  );
});
