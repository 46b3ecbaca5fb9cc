/** Is an agent's own record believed where its exit code says 0 to everything? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT_PROGRAMS } from '../../lib/policy/agent-programs.ts';
import { judgeAgentResult, saysHowItEnded } from '../../lib/policy/agent-result.ts';
import { hostileText } from '../support/hostile.ts';

const line = (...events: object[]): string => events.map((event) => JSON.stringify(event)).join('\n');
const done = {
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: 'ok',
  terminal_reason: 'completed',
};

describe('the record of', () => {
  it.each<[string, string, boolean | undefined, RegExp?]>([
    ['claude', line(done), true],
    ['claude', `${JSON.stringify(done, undefined, 2)}\n`, true],
    ['claude', line({ type: 'system' }, { type: 'assistant' }, done) + '\n', true],
    ['claude', line({ ...done, is_error: true, result: 'API Error: 529\nOverloaded' }), false, /it says: API Error: 529 Overloaded$/],
    ['claude', line({ ...done, subtype: 'error_max_turns', is_error: true, result: undefined, errors: ['Reached 2 turns'] }), false, /Reached 2 turns/],
    ['claude', line({ ...done, terminal_reason: 'aborted_streaming' }), false, /interrupted/],
    ['claude', line({ ...done, terminal_reason: 'tool_deferred' }), false, /--resume ID/],
    ['claude', line({ ...done, terminal_reason: 'hook_stopped' }), false, /ended with hook_stopped/],
    // Several can come: a turn that failed, and one after it that did not.
    ['claude', line({ ...done, is_error: true }, done), true],
    ['claude', line(done, { ...done, is_error: true, result: 'x' }), false, /it says: x/],
    ['claude', `…torn"}\n${line(done)}\nbye`, true],
    ['claude', 'I have done it all.', undefined],
    ['claude', line({ type: 'assistant', is_error: true }), undefined],
    ['claude', '', undefined],
    ['codex', line({ type: 'thread.started' }, { type: 'turn.completed', usage: {} }), true],
    ['codex', line({ type: 'turn.started' }, { type: 'turn.failed', error: { message: 'no credit' } }), false, /no credit/],
    ['codex', line({ type: 'error', message: 'stream lost' }, { type: 'turn.completed' }), true],
    ['codex', line({ type: 'turn.completed' }, { type: 'error', message: 'stream lost' }), false, /stream lost/],
    ['gemini', JSON.stringify({ response: 'ok', stats: {} }, undefined, 2), true],
    ['gemini', JSON.stringify({ session_id: 'x', error: { type: 'ApiError', message: 'quota' } }), false, /quota/],
    ['gemini', line({ type: 'init' }, { type: 'result', status: 'error', error: { message: 'turns' } }), false, /turns/],
    ['gemini', line({ type: 'result', status: 'success' }), true],
    ['opencode', line({ type: 'step_start' }, { type: 'error', error: { name: 'APIError', data: { message: 'down' } } }), false, /down/],
    ['opencode', line({ type: 'error', error: {} }, { type: 'step_finish' }), true],
    ['opencode', line({ type: 'text' }), undefined],
    ['bash', line({ ...done, is_error: true }), undefined],
    ['toString', line(done), undefined],
  ])('%s: %j', (program, tail, succeeded, reason = /^/) => {
    const verdict = judgeAgentResult(program, tail);
    expect(verdict?.succeeded).toBe(succeeded);
    if (verdict?.succeeded === false) expect(verdict.reason).toMatch(reason);
  }); // prettier-ignore

  it('anything else breaks nothing, and its words stay short and on one line', () => {
    const programs = fc.constantFrom('claude', 'codex', 'gemini', 'opencode');
    const wild = fc.record({ type: fc.constantFrom('result', 'error', 'turn.failed'), is_error: fc.boolean(), result: hostileText(400), error: fc.jsonValue(), message: hostileText(400) }); // prettier-ignore
    fc.assert(
      fc.property(
        programs,
        fc.oneof(
          hostileText(100),
          wild.map((event) => JSON.stringify(event)),
        ),
        (program, tail) => {
          const verdict = judgeAgentResult(program, tail);
          if (verdict?.succeeded === false) expect(verdict.reason).toMatch(/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]{1,240}$/); // prettier-ignore
        },
      ),
    );
  });
});

it('every shipped program has a record that we can read, and others have none', () => {
  for (const { name, command } of AGENT_PROGRAMS) {
    expect(saysHowItEnded(name)).toBe(true);
    // Nothing is read from words for people.
    expect(command.join(' ')).toMatch(/json/);
  }
  for (const name of ['node', 'toString', '']) expect(saysHowItEnded(name)).toBe(false);
});
