/** Is a task handed over in one line, and is only its own answer taken for an answer? */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { awaitAnswer, PROTOCOLS, protocolOf } from '../../lib/policy/protocol.ts';
import { hostileText } from '../support/hostile.ts';

const ID = '11111111-1111-4111-8111-111111111111';
const result = (more: object) =>
  JSON.stringify({ type: 'result', subtype: 'success', is_error: false, ...more });

it.each<[string, 'lines' | 'stream-json', string, unknown]>([
  ['an answer in text', 'lines', `{"id":"${ID}","answer":"yes"}`, { ok: true, text: 'yes' }],
  ['an answer of any form', 'lines', `{"id":"${ID}","answer":{"a":1}}`, { ok: true, text: '{"a":1}' }],
  ['an empty answer', 'lines', `{"id":"${ID}","answer":null}`, { ok: true, text: 'null' }],
  ['an error', 'lines', `{"id":"${ID}","error":"no"}`, { ok: false, text: 'no' }],
  ["another task's answer", 'lines', '{"id":"2","answer":"yes"}', 'nothing'],
  ['progress', 'lines', `{"id":"${ID}","percent":3}`, 'nothing'],
  ['words', 'lines', 'hello', 'nothing'],
  ['half a line', 'lines', `{"id":"${ID}","answer`, 'nothing'],
  ['a list', 'lines', '[1]', 'nothing'],
  ['a result', 'stream-json', result({ result: 'done' }), { ok: true, text: 'done' }],
  ['a result that failed', 'stream-json', result({ result: 'x', is_error: true }), { ok: false, text: 'x' }],
  ['an interrupted turn', 'stream-json', JSON.stringify({ type: 'result', subtype: 'error_during_execution', is_error: true, errors: ['a', 'b'] }), { ok: false, text: 'a\nb' }],
  ['a turn without words', 'stream-json', JSON.stringify({ type: 'result', subtype: 'error_max_turns', is_error: true }), { ok: false, text: 'error_max_turns' }],
  ['its message repeated', 'stream-json', JSON.stringify({ type: 'user', uuid: ID }), 'begun'],
  ["another's message repeated", 'stream-json', JSON.stringify({ type: 'user', uuid: '2' }), 'nothing'],
  ['its start', 'stream-json', JSON.stringify({ type: 'system', subtype: 'init' }), 'nothing'],
])('%s (%s)', (_, name, line, meaning) => {
  expect(protocolOf(name).read(line, ID)).toEqual(meaning);
}); // prettier-ignore

it('an answer that comes before the echo of the task is some earlier one', () => {
  const read = awaitAnswer(PROTOCOLS['stream-json'], ID, true);
  expect(read(result({ result: 'late' }))).toBeUndefined();
  expect(read(JSON.stringify({ type: 'user', uuid: ID }))).toBeUndefined();
  expect(read(result({ result: 'mine' }))).toEqual({ ok: true, text: 'mine' });
  expect(awaitAnswer(PROTOCOLS['stream-json'], ID, false)(result({ result: 'any' }))?.text).toBe('any');
});

it('whatever a task says, it is one line, and comes out as it went in', () => {
  fc.assert(
    fc.property(hostileText(), hostileText(), (text, key) => {
      for (const protocol of [PROTOCOLS.lines, PROTOCOLS['stream-json']]) {
        const line = protocol.request({ id: ID, text, key });
        expect(line.indexOf('\n')).toBe(line.length - 1);
      }
      expect(JSON.parse(PROTOCOLS.lines.request({ id: ID, text, key }))).toEqual({ id: ID, task: text, key });
    }),
  );
});
