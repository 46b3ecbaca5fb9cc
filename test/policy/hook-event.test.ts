/** Is only what the client means taken out of its JSON, and nothing of a prompt or a tool's input? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostileText } from '../support/hostile.ts';
import { HOOK_EVENTS, readHookEvent, type HookWord } from '../../lib/policy/hook-event.ts';

const S = 'a7f0c1d2-0000-4000-8000-000000000001';
const A = 'a16c229ec9a6b0963';
const T = 'toolu_01';
const words = Object.keys(HOOK_EVENTS) as HookWord[];

describe('an event', () => {
  it.each<[HookWord, object, object]>([
    ['pre-tool-use', { tool_name: 'Agent', tool_use_id: T, tool_input: { subagent_type: 'Explore' } }, { event: 'ask', call: T, kind: 'Explore', agent: undefined, wakes: undefined }],
    ['pre-tool-use', { tool_name: 'Task', tool_use_id: T, agent_id: A, tool_input: {} }, { event: 'ask', kind: 'general-purpose', agent: A }],
    ['pre-tool-use', { tool_name: 'Workflow', tool_use_id: T, tool_input: { script: 'x' } }, { event: 'ask', kind: 'workflow' }],
    ['pre-tool-use', { tool_name: 'SendMessage', tool_use_id: T, tool_input: { to: A } }, { event: 'ask', kind: 'message', wakes: A }],
    // A name may be anybody's: nothing is reserved for a message that may wake nobody.
    ['pre-tool-use', { tool_name: 'SendMessage', tool_use_id: T, tool_input: { to: 'researcher' } }, { event: 'other' }],
    ['pre-tool-use', { tool_name: 'Bash', tool_use_id: T, tool_input: { command: 'npm test' } }, { event: 'shell', command: 'npm test' }],
    ['pre-tool-use', { tool_name: 'Read', tool_use_id: T, tool_input: {} }, { event: 'other' }],
    ['pre-tool-use', { tool_name: 'toString', tool_use_id: T }, { event: 'other' }],
    ['post-tool-use', { tool_name: 'Agent', tool_use_id: T, tool_response: { status: 'completed', agentId: A } }, { event: 'answered', launched: false, became: A }],
    ['post-tool-use', { tool_name: 'Agent', tool_use_id: T, tool_response: { isAsync: true, agentId: A } }, { event: 'answered', launched: true, became: A }],
    ['post-tool-use', { tool_name: 'Workflow', tool_use_id: T, tool_response: { status: 'async_launched', taskId: 'w1' } }, { event: 'answered', launched: true, became: undefined }],
    ['post-tool-use', { tool_name: 'SendMessage', tool_use_id: T, tool_input: { to: A }, tool_response: { success: true, resumedAgentId: A } }, { event: 'answered', launched: true, became: A }],
    ['post-tool-use', { tool_name: 'SendMessage', tool_use_id: T, tool_input: { to: A }, tool_response: { success: true } }, { event: 'answered', launched: false, became: undefined }],
    ['post-tool-use-failure', { tool_name: 'Agent', tool_use_id: T, error: 'x' }, { event: 'failed', call: T }],
    ['subagent-start', { agent_id: A, agent_type: 'workflow-subagent' }, { event: 'started', agent: A, kind: 'workflow-subagent' }],
    ['subagent-stop', { agent_id: A }, { event: 'ended', agent: A }],
    ['stop', { background_tasks: [{ id: A, type: 'subagent', status: 'running' }, { id: 'w', type: 'workflow', status: 'completed' }, 7, {}] }, { event: 'turn-over', tasks: [{ id: A, isWorkflow: false, isRunning: true }, { id: 'w', isWorkflow: true, isRunning: false }] }],
    ['stop', {}, { event: 'turn-over', tasks: undefined }],
    ['session-start', { source: 'resume' }, { event: 'session-start', session: S }],
    ['session-end', { reason: 'clear' }, { event: 'session-end', reason: 'clear' }],
  ])('%s %j is read', (word, fields, event) => {
    expect(readHookEvent(word, { session_id: S, hook_event_name: HOOK_EVENTS[word], ...fields })).toMatchObject({ event });
  }); // prettier-ignore

  it.each<[HookWord, unknown, RegExp]>([
    ['stop', undefined, /no JSON object/],
    ['stop', [], /no JSON object/],
    ['stop', {}, /no session_id/],
    ['stop', { session_id: '../../etc' }, /no session_id/],
    ['stop', { session_id: 'a\nb' }, /no session_id/],
    ['stop', { session_id: S, hook_event_name: 'PreToolUse' }, /another event/],
    ['subagent-start', { session_id: S }, /no agent_id/],
    ['subagent-stop', { session_id: S, agent_id: 'a b' }, /no agent_id/],
    ['pre-tool-use', { session_id: S, tool_name: 'Agent', tool_use_id: 'x/y' }, /no tool_use_id/],
  ])('%s %j is a fault', (word, value, fault) => {
    expect(readHookEvent(word, value)).toEqual({ fault: expect.stringMatching(fault) as string });
  });

  it('never carries more than short names of letters, digits and ._-, whatever the client sends', () => {
    const anything = fc.oneof(hostileText(30), fc.constantFrom('..', 'a/b', '__proto__', A, T), fc.jsonValue({ maxDepth: 2 })); // prettier-ignore
    const input = fc.record(
      Object.fromEntries(
        ['session_id', 'agent_id', 'agent_type', 'tool_use_id', 'reason', 'background_tasks', 'tool_response'].map((key) => [key, anything]),
      ),
      { requiredKeys: ['session_id'] },
    ); // prettier-ignore
    fc.assert(
      fc.property(fc.constantFrom(...words), input, anything, fc.constantFrom('Agent', 'SendMessage', 'Workflow'), (word, fields, inner, tool) => {
        const read = readHookEvent(word, { ...fields, tool_name: tool, tool_input: { subagent_type: inner, to: inner, prompt: inner } });
        const texts = JSON.stringify(read).match(/"(?:[^"\\]|\\.)*"/g) ?? [];
        for (const text of texts) expect(text).toMatch(/^"[\p{L}\p{N} ._:-]{0,100}"$/u);
      }),
      { numRuns: 200 },
    ); // prettier-ignore
  });
});
