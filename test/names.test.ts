import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../lib/failure.ts';
import {
  checkName,
  cleanText,
  isKey,
  nearest,
  parseKey,
  resolveStream,
  shown,
  streamKey,
} from '../lib/names.ts';

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);

/** What a terminal would take for more than text. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

describe('checkName', () => {
  it.each([
    'a', 'A', '1', '0', 'login', 'login-2', 'v1.2_x', 'a..b', 'constructor', 'toString', 'hasOwnProperty', 'a'.repeat(100),
  ])('takes %s', (text) => {
    expect(checkName('epic', text)).toBe(text);
  }); // prettier-ignore

  it.each([
    ['nothing', ''],
    ['101 characters', 'a'.repeat(101)],
    ['the parent folder', '..'],
    ['the folder itself', '.'],
    ['a way out', '../x'],
    ['a slash', 'a/b'],
    ['a backslash', 'a\\b'],
    ['a newline at the end', 'a\n'],
    ['a newline within', 'a\nb'],
    ['a NUL', 'a\0b'],
    ['an escape sequence', '\x1b[31mred'],
    ['a prototype', '__proto__'],
    ['a flag', '-rf'],
    ['a hidden file', '.git'],
    ['a space', 'a b'],
    ['a letter that is none of ASCII', 'é'],
    ['10 kB', 'x'.repeat(10_240)],
    ['10 kB of ESC', '\x1b'.repeat(10_240)],
  ])('refuses %s with one short line and exit code 2', (_what, text) => {
    const failure = failureOf(() => checkName('stream', text));
    expect(failure.exitCode).toBe(2);
    expect(failure.message).toMatch(/^".*" is no stream name: /);
    expect(failure.message).not.toMatch(CONTROL);
    expect(failure.message.length).toBeLessThan(180);
  });
});

describe('shown', () => {
  it.each([
    ['plain', 'plain'],
    ['a\nb', 'a\\nb'],
    ['\x1b[31m', '\\x1b[31m'],
    ['\0', '\\x00'],
    ['\x9b', '\\x9b'],
    ['\u202Egnp', '\\u202egnp'],
    ['\uD800', '\\ud800'],
    ['é 🦀', 'é 🦀'],
    ['x'.repeat(60), 'x'.repeat(60)],
    ['x'.repeat(61), `${'x'.repeat(59)}…`],
  ])('writes %j as %s', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  it('is at most 60 printable characters, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(shown(text).length).toBeLessThanOrEqual(60);
        expect(shown(text)).not.toMatch(CONTROL);
        expect(shown(text)).not.toMatch(/\p{Cs}/u);
      }),
    );
  });
});

describe('cleanText', () => {
  it.each([
    ['Login  form\n\tand more ', 'Login form and more'],
    ['\x1b[1;31mred\x1b[0m', 'red'],
    ['\x1b]0;title\x07text', 'text'],
    ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['\x9b31mred', 'red'],
    ['a\0b\x08c', 'abc'],
    ['\u202Eevil', 'evil'],
    ['é 🦀', 'é 🦀'],
    ['x'.repeat(21), `${'x'.repeat(19)}…`],
    ['🦀'.repeat(11), `${'🦀'.repeat(9)}…`],
    ['', ''],
  ])('makes of %j the line %j', (text, expected) => {
    expect(cleanText(text, 20)).toBe(expected);
  });

  it('leaves one well-formed line without control characters, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (text, max) => {
          const line = cleanText(text, max);
          expect(line.length).toBeLessThanOrEqual(max);
          expect(line).not.toMatch(CONTROL);
          expect(line).not.toMatch(/\p{Cs}/u);
        },
      ),
    );
  });

  it.each([' ', '\x1b', '\x1b[', '\x1b]', '\n'])('makes nothing of a million times %j', (char) => {
    expect(cleanText(char.repeat(1_000_000), 200)).toBe('');
  });
});

describe('keys', () => {
  it('come apart into the names that they were made of', () => {
    fc.assert(
      fc.property(name, name, name, (epic, issue, id) => {
        const key = streamKey(epic, issue, id);
        expect(parseKey(key)).toEqual({ epic, issue, id });
        expect(isKey(key)).toBe(true);
      }),
    );
  });

  it.each(['', 'a', 'a/b', 'a/b/c/d', '/b/c', 'a//c', 'a/../c', 'a/b/__proto__', 'a/b/c\n'])(
    'are not %j',
    (text) => {
      expect(isKey(text)).toBe(false);
      expect(failureOf(() => parseKey(text)).message).not.toMatch(CONTROL);
    },
  );

  it('are no 20 kB of slashes', () => {
    expect(isKey('x/'.repeat(9999))).toBe(false);
    expect(failureOf(() => parseKey('x/'.repeat(9999))).message.length).toBeLessThan(150);
  });
});

describe('resolveStream', () => {
  const streams = ['e/1/A', 'e/1/B', 'e/10/A', 'e/2/10', 'e/2/1'].map((key) => ({ key, ...parseKey(key) }));

  it.each([
    ['e/1/A', 'e/1/A'],
    ['10/A', 'e/10/A'],
    ['1/A', 'e/1/A'],
    ['B', 'e/1/B'],
    ['1', 'e/2/1'],
    ['10', 'e/2/10'],
  ])('takes %s for %s alone', async (text, key) => {
    expect((await resolveStream(streams, text)).key).toBe(key);
  });

  it.each([
    ['A', '"A" is ambiguous: write e/1/A or e/10/A'],
    ['1/C', 'no stream "1/C": did you mean e/1/A?'],
    ['e/1/AB', 'no stream "e/1/AB": did you mean e/1/A?'],
    ['0', 'no stream "0": there are e/1/A, e/1/B, e/10/A, e/2/10 or e/2/1'],
    ['100', 'no stream "100": did you mean e/2/10?'],
    ['nothing-like-it', 'no stream "nothing-like-it": there are e/1/A, e/1/B, e/10/A, e/2/10 or e/2/1'],
    ['', 'no stream "": there are e/1/A, e/1/B, e/10/A, e/2/10 or e/2/1'],
  ])('does not guess what %j means', async (text, message) => {
    await expect(resolveStream(streams, text)).rejects.toThrow(message);
  });

  it.each([
    ['a prototype', '__proto__'],
    ['a method', 'toString'],
    ['a way out', '../A'],
    ['a newline', 'A\n'],
    ['10 kB', 'x'.repeat(10_240)],
  ])('refuses %s in one line', async (_what, text) => {
    const failure = await resolveStream(streams, text).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect((failure as Failure).message).not.toMatch(CONTROL);
  });

  it('says so when there is no stream at all', async () => {
    await expect(resolveStream([], 'A')).rejects.toThrow(/^no stream "A"$/);
  });
});

describe('nearest', () => {
  it.each([
    ['lgoin', 'login'],
    ['Login', 'login'],
    ['xyzzy', undefined],
    ['', undefined],
  ])('finds for %j %s', async (text, expected) => {
    expect(await nearest(text, ['login', 'search'])).toBe(expected);
  });
});

function failureOf(deed: () => unknown): Failure {
  try {
    deed();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it was taken');
}
