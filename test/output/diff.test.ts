/** Does a diff show what changed, so that `patch` could apply it? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unifiedDiff } from '../../lib/output/diff.ts';

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, at) => `${from + at}\n`).join('');

test.each([
  ['equal texts', 'a\nb\n', 'a\nb\n', ''],
  ['a line of three', 'a\nb\nc\n', 'a\nx\nc\n', '--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n'],
  ['a new file', '', 'a\n', '--- f\n+++ f\n@@ -1,0 +1,1 @@\n+a\n'],
  ['two places far apart', lines(1, 20), `0\n${lines(1, 19)}x\n`, `--- f\n+++ f\n@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -17,4 +18,4 @@\n 17\n 18\n 19\n-20\n+x\n`],
])('%s', (_, before, after, diff) => {
  expect(unifiedDiff(before, after, 'f')).toBe(diff);
}); // prettier-ignore

test('what it takes away and what it adds are what differs, in order', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const joined = (words: readonly string[]): string => words.map((word) => `${word}\n`).join('');
      const diff = unifiedDiff(joined(before), joined(after), 'f').split('\n').slice(2, -1);
      const removed = diff.filter((line) => line.startsWith('-')).length;
      const added = diff.filter((line) => line.startsWith('+')).length;
      expect(before.length - removed).toBe(after.length - added);
      expect(diff.length > 0).toBe(joined(before) !== joined(after));
    }),
  );
});
