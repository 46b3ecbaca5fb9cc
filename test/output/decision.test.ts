/** Does an answer to "may it start" say yes or no with the right code, and on no what is missing and when to ask again? */
import { describe, expect, it } from 'vitest';
import type { AdmissionDecision } from '../../lib/policy/admission.ts';
import { decisionAnswer, type DecisionView } from '../../lib/output/decision.ts';
import { renderAnswer } from '../../lib/output/answer.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someLease, someProcess } from '../support/nouns.ts';

const common = {
  reason: 'because',
  mode: 'full_parallel',
  liveAgents: 2,
  maxConcurrent: 4,
  wouldFitBytes: 1.5 * MIB,
  memory: { holdSinceMs: undefined, lastMemoryEventMs: undefined },
} as const;
const admit: AdmissionDecision = {
  ...common,
  decision: 'admit',
  estimateBytes: GIB,
  limitBytes: 2 * GIB,
  warning: undefined,
};
const wait: AdmissionDecision = {
  ...common,
  decision: 'wait',
  binding: 'machine',
  shortByBytes: 1,
  retryAfterMs: 1,
};
const refuse: AdmissionDecision = { ...common, decision: 'refuse', binding: 'budget', shortByBytes: GIB }; // prettier-ignore

const codes = { admitted: 0, later: 75, never: 30 } as const;
const lease = someLease({ id: 'lease', owner: someProcess(7), sinceMs: 0 });
const view = (change: Partial<DecisionView>): DecisionView => ({ key: 'shop/1/A', voided: [], ...change });

describe('decisionAnswer', () => {
  it.each<[string, DecisionView, number, string[]]>([
    ['yes', view({ decision: admit, lease }), 0, ['decision:admit', 'lease:lease', 'estimate_mb:1024', 'limit_mb:2048', 'owner_pid:7']],
    ['later: what is missing is rounded up, what fits down', view({ decision: wait }), 75, ['decision:wait', 'limited_by:machine', 'short_by_mb:1', 'would_fit_mb:1', 'retry_after_seconds:1']],
    ['never', view({ decision: refuse }), 30, ['decision:refuse', 'limited_by:budget', 'short_by_mb:1024']],
    ['twice', view({ twin: lease }), 30, ['decision:refuse', 'reason:shop/1/A is running already (pid 7), since 1970-01-01T00:00:00.000Z; `complete` gives its share back']],
    ['leases that count nothing are listed', view({ decision: admit, voided: [{ key: 'shop/1/B', life: 'void-owner-dead' }] }), 0, ['void_lease:shop/1/B void-owner-dead']],
  ])('%s', async (_what, one, code, lines) => {
    const answer = decisionAnswer(one, codes, []);
    const said = (await renderAnswer(answer, { json: false, terminal: false })).split('\n');
    expect(answer.exitCode).toBe(code);
    expect(said).toEqual(expect.arrayContaining(lines));
    expect(answer.json).toBe(one);
  }); // prettier-ignore

  it('never tells when to ask again where that is never', async () => {
    const said = await renderAnswer(decisionAnswer(view({ decision: refuse }), codes, []), { json: false, terminal: false });
    expect(said).not.toContain('retry_after');
    expect(await decisionAnswer(view({ decision: refuse }), codes, []).table?.()).toMatch(/^Never: because\./);
  }); // prettier-ignore

  it('puts a warning on the side, after what was there', () => {
    const warned: AdmissionDecision = { ...admit, warning: 'single-agent mode' };
    expect(decisionAnswer(view({ decision: warned }), codes, ['first']).talk).toEqual([
      'first',
      'single-agent mode',
    ]);
  });
});
