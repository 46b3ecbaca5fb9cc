/** Is the answer of an agent found in what it wrote, whatever its client's form? */
import { expect, it } from 'vitest';
import { readAnswer } from '../../lib/policy/prompt-answer.ts';

const result = (text: string, isError = false): string => JSON.stringify({ type: 'result', subtype: 'success', is_error: isError, result: text }); // prettier-ignore
const message = JSON.stringify({ type: 'assistant', message: 'thinking' });

it.each<[string, string, string, boolean]>([
  ['plain text', '\n Two holes.\n', 'Two holes.', false],
  ['nothing', '', '', false],
  ['one result', result('done'), 'done', false],
  ['a result that is an error', result('over budget', true), 'over budget', true],
  ['an error without a result', '{"type":"result","subtype":"error_max_turns","is_error":true}', 'error_max_turns', true],
  ['a list of messages', `[${message},${result('done')}]`, 'done', false],
  ['a message a line', `${message}\n${result('first')}\n${message}\n${result('last')}\n`, 'last', false],
  ['other JSON', '{"holes": 2}', '{"holes": 2}', false],
  ['text that ends in JSON', 'I found:\n{"holes": 2}', 'I found:\n{"holes": 2}', false],
  ['torn JSON', '{"type":"result","resu', '{"type":"result","resu', false],
  ['lines of other JSON', '{"a":1}\n{"b":2}', '{"a":1}\n{"b":2}', false],
])('%s', (_, stdout, text, isError) => {
  expect(readAnswer(stdout)).toEqual({ text, isError });
}); // prettier-ignore
