/** Can a value ever be taken for more than a value: a further line, a key, or an order to a terminal? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyValueLine, renderAnswer, type Answer, type LineValue } from '../../lib/output/answer.ts';
import { hostileText } from '../support/hostile.ts';

/** What shells, Python's splitlines and terminals take for the end of a line, and every other order to a terminal. */
const BREAKS = /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const ORDERS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/;

const answer = (lines: Answer['lines'], change: Partial<Answer> = {}): Answer => ({
  exitCode: 0,
  json: { lines },
  lines,
  ...change,
});
const piped = { json: false, terminal: false };

describe('keyValueLine', () => {
  it.each<[Exclude<LineValue, undefined>, string]>([
    ['', 'key:'],
    ['plain', 'key:plain'],
    ['a:b', 'key:a:b'],
    [' a  b\tc ', 'key: a  b\tc '],
    ['a\nkey:forged', 'key:a key:forged'],
    ['a\r\n\r\nb', 'key:a b'],
    ['a\u2028b\u2029c\x85d\x0be', 'key:a b c d e'],
    ['\x1b[2J\x1b]0;title\x07', 'key: [2J ]0;title '],
    ['größer ✓ 日本', 'key:größer ✓ 日本'],
    [0, 'key:0'],
    [-1.5, 'key:-1.5'],
    [false, 'key:false'],
  ])('%j is %j', (value, line) => {
    expect(keyValueLine('key', value)).toBe(line);
  });
});

describe('renderAnswer', () => {
  it('is one line for each known value, with its own key, whatever the values hold', async () => {
    const text = fc.oneof(hostileText(), fc.constantFrom('\nkey9:forged', '\r', '\u2028x', '\x85'));
    const value = fc.oneof(text, fc.double(), fc.boolean(), fc.constant(undefined));
    await fc.assert(
      fc.asyncProperty(fc.array(value), async (values) => {
        const lines = values.map((one, at): [string, LineValue] => [`key${at}`, one]);
        const known = lines.filter(([, one]) => one !== undefined).map(([key]) => key);
        const said = await renderAnswer(answer(lines), piped);
        expect(said === '' || said.endsWith('\n')).toBe(true);
        const found = said.split(BREAKS).filter((line) => line !== '');
        expect(found.map((line) => line.slice(0, line.indexOf(':')))).toEqual(known);
        expect(found.join('')).not.toMatch(ORDERS);
      }),
    );
  }); // prettier-ignore

  it.each<[string, Answer, { json: boolean; terminal: boolean }, string]>([
    ['nothing to say is nothing, not an empty line', answer([]), piped, ''],
    ['unknown is left out, not 0', answer([['a', undefined], ['b', 0]]), piped, 'b:0\n'],
    ['a key may come more than once, in order', answer([['a', 2], ['a', 1]]), piped, 'a:2\na:1\n'],
    ['a pipe gets lines, never the table', answer([['a', 1]], { table: () => 'table' }), piped, 'a:1\n'],
    ['a terminal gets the table', answer([['a', 1]], { table: () => 'table' }), { json: false, terminal: true }, 'table\n'],
    ['a terminal gets lines where there is no table', answer([['a', 1]]), { json: false, terminal: true }, 'a:1\n'],
    ['a table that ends in a newline gets no second one', answer([], { table: () => 'table\n' }), { json: false, terminal: true }, 'table\n'],
    ['JSON is the decision itself', answer([['a', 1]], { json: { b: [1, undefined] } }), { json: true, terminal: false }, '{"b":[1,null]}\n'],
    ['JSON on a terminal is indented', answer([], { json: { b: 1 } }), { json: true, terminal: true }, '{\n  "b": 1\n}\n'],
  ])('%s', async (_what, one, form, text) => {
    expect(await renderAnswer(one, form)).toBe(text);
  }); // prettier-ignore

  it('is one line of JSON in a pipe, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (json) => {
        const text = await renderAnswer(answer([], { json }), { json: true, terminal: false });
        expect(text.slice(0, -1)).not.toMatch(/[\n\r]/);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });
});
