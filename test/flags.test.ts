/** Are the words of a command line taken for what they say, and shown so that a terminal obeys none of them? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../lib/failure.ts';
import {
  didYouMean,
  flagBytes,
  flagDuration,
  flagText,
  parseWords,
  shownWord,
  wholeNumber,
  type Call,
  type Command,
  type Flag,
} from '../lib/flags.ts';
import { GIB, MIB } from '../lib/units.ts';
import { program } from './fixtures/small-program.ts';
import { hostileText } from './support/hostile.ts';

const callWith = (flags: Call['flags']): Call => ({
  program: 'small',
  command: 'echo',
  subject: '',
  args: [],
  flags,
  rest: [],
  json: false,
  terminal: false,
  projectDir: '/',
  env: {},
  out: () => undefined,
  err: () => undefined,
  readerGone: () => false,
});
const failureOf = (deed: () => unknown): Failure => {
  try {
    deed();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing failed');
};

describe('parseWords', () => {
  const flags = {
    on: { meaning: '' },
    size: { meaning: '', value: 'SIZE' },
    tag: { meaning: '', value: 'TAG', many: true },
  } satisfies Record<string, Flag>;
  const command: Command = { summary: '', args: '[WORD...]', flags, load: () => Promise.reject(new Error()) };
  const parse = (words: readonly string[]) => parseWords(program, 'x', command, words, {});

  it('answers what was written, or one Failure with code 2 in one line, whatever is written', async () => {
    const word = fc.oneof(
      hostileText(),
      fc.constantFrom('--on', '--on=1', '--size', '--size=', '--size=3', '--tag', '--tag=a', '-', '--=', '--=x', '-s', '--__proto__', '--constructor=1', '--size=\n', 'a'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word.filter((text) => text !== '--'), { maxLength: 6 }), async (words) => {
        const parsed = await parse(words).catch((error: unknown) => error);
        if (parsed instanceof Failure) {
          expect(parsed.exitCode).toBe(2);
          expect(parsed.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
          return;
        }
        if (parsed instanceof Error) throw parsed;
        const { values, positionals } = parsed as Awaited<ReturnType<typeof parse>>;
        expect(Object.keys(values).every((name) => name in flags)).toBe(true);
        expect(words).toEqual(expect.arrayContaining(positionals));
      }),
    );
  }); // prettier-ignore

  it('keeps the order of words and of repeated flags', async () => {
    const { values, positionals } = await parse(['c', '--tag', 'z', 'a', '--tag=y', '--tag', 'z', 'b']);
    expect([positionals, { ...values }]).toEqual([['c', 'a', 'b'], { tag: ['z', 'y', 'z'] }]);
  });

  it.each([
    ['A B', 0, /needs A B/],
    ['A B', 1, /needs B/],
    ['A B', 2, undefined],
    ['A B', 3, /has no use for `w2`/],
    ['A [B]', 0, /needs A;/],
    ['A [B]', 1, undefined],
    ['A [B]', 2, undefined],
    ['A [B]', 3, /has no use/],
    ['A...', 0, /needs A\.\.\./],
    ['A...', 9, undefined],
    ['[A...]', 0, undefined],
    ['', 1, /has no use for `w0`/],
    [undefined, 0, undefined],
  ])('takes as many words as `%s` says: %d', async (args, count, fault) => {
    const words = Array.from({ length: count }, (_, at) => `w${at}`);
    const some: Command = { summary: '', ...(args === undefined ? {} : { args }), load: command.load };
    const answer = await parseWords(program, 'x', some, words, {}).catch((error: unknown) => error);
    if (fault === undefined) expect(answer).toMatchObject({ positionals: words });
    else expect(answer).toMatchObject({ exitCode: 2, message: expect.stringMatching(fault) as unknown });
  });
});

describe('shownWord', () => {
  it.each([
    ['', '``'],
    ['a b', '`a b`'],
    ['a"b\\c', '`a\\"b\\\\c`'],
    ['a\nb\tc\0', '`a\\nb\\tc\\u0000`'],
    ['\x1b[2J\x9b\x7f', '`\\u001b[2J??`'],
    ['x'.repeat(60), `\`${'x'.repeat(60)}\``],
    ['x'.repeat(61), `\`${'x'.repeat(57)}...\``],
  ])('%j is shown as %s', (word, shown) => {
    expect(shownWord(word)).toBe(shown);
  });

  it('is one short line without control characters, whatever the word', () => {
    fc.assert(
      fc.property(hostileText(300), (word) => {
        expect(shownWord(word)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        expect(shownWord(word).length).toBeLessThan(60 * 6 + 3);
      }),
    );
  });
});

describe('didYouMean', () => {
  it.each([
    ['usgae', ['usage', 'check'], '', '; did you mean usage?'],
    ['jsn', ['json'], '--', '; did you mean --json?'],
    ['xyzzyx', ['usage', 'check'], '', ''],
    ['', ['usage'], '', ''],
    ['usage', [], '', ''],
    ['x'.repeat(61), ['x'.repeat(60)], '', ''],
  ])('%j among %j', async (word, known, prefix, hint) => {
    expect(await didYouMean(word, known, prefix)).toBe(hint);
  });
});

describe('values of flags', () => {
  it.each([
    ['4GB', 4 * GIB],
    ['1', 1],
    ['512 MB', 512 * MIB],
  ])('the size %j is %d bytes', (text, bytes) => {
    expect(flagBytes(callWith({ size: text }), 'size')).toBe(bytes);
  });

  it.each(['0', '0GB', '', '-1', 'much', '1e9', '25%', '\x1b[31m'])('%j is no size', (text) => {
    const failure = failureOf(() => flagBytes(callWith({ size: text }), 'size'));
    expect([failure.exitCode, failure.message]).toEqual([2, `--size ${shownWord(text)} is no size; write 512MB or 4GB`]);
  }); // prettier-ignore

  it.each([['30s', 30_000], ['0', 0], ['500ms', 500]])('the duration %j is %d ms', (text, ms) => {
    expect(flagDuration(callWith({ for: text }), 'for')).toBe(ms);
  }); // prettier-ignore

  it.each(['', 'soon', '-1s', '1s2'])('%j is no duration', (text) => {
    expect(failureOf(() => flagDuration(callWith({ for: text }), 'for')).message).toContain('is no duration');
  });

  it('are unknown where the flag was not given, or takes none', () => {
    const call = callWith({ on: true, tag: ['a'] });
    expect([flagText(call, 'size'), flagText(call, 'on'), flagText(call, 'tag'), flagBytes(call, 'size'), flagDuration(call, 'size')]).toEqual([undefined, undefined, undefined, undefined, undefined]);
  }); // prettier-ignore
});

describe('wholeNumber', () => {
  it.each([['1', 1], ['01', 1], ['10', 10]])('%j is %d', (text, value) => {
    expect(wholeNumber('N', text, 1, 10)).toBe(value);
  }); // prettier-ignore

  it.each(['0', '11', '', ' 1', '1.0', '1e1', '-1', '+1', '0x1', '٣', '9'.repeat(400), 'NaN'])(
    '%j is none from 1 to 10',
    (text) => {
      const failure = failureOf(() => wholeNumber('N', text, 1, 10));
      expect([failure.exitCode, failure.message]).toEqual([2, `N ${shownWord(text)} is no whole number from 1 to 10`]);
    },
  ); // prettier-ignore
});
