/** Does the quick reader of plain files read exactly what the full reader reads, and leave the rest to it? */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPlainFile } from '../../lib/config/tree.ts';
import type { Entry } from '../../lib/config/tree.ts';
import { readYamlFile } from '../../lib/config/yaml.ts';

/** Keys, lines and words, without the lines of values, which differ where a map begins. */
function essence(entries: readonly Entry[] | undefined): unknown {
  return entries?.map(({ key, line, value }) => ({
    key,
    line,
    value: value.kind === 'scalar' ? value.text : value.kind === 'map' ? essence(value.entries) : value.kind,
  }));
}

test('a plain file gives sections, keys, words and lines', () => {
  const text =
    '# c\nprofile: auto\n\nthresholds:  # here\n  # deeper\n  warning_mb: 500 # MB\n  abort: no\npressure:\n';
  expect(essence(readPlainFile(text))).toEqual([
    { key: 'profile', line: 2, value: 'auto' },
    {
      key: 'thresholds',
      line: 4,
      value: [
        { key: 'warning_mb', line: 6, value: '500' },
        { key: 'abort', line: 7, value: 'no' },
      ],
    },
    { key: 'pressure', line: 8, value: 'empty' },
  ]);
});

test.each([
  'a: "x"',
  'a: x y',
  'a: [1]',
  'a: {b: 1}',
  'a: &x 1',
  'a: *x',
  'a: null',
  'a: NULL',
  'a: ~',
  'a: -1',
  'a: x: y',
  'a: 1\n  b: 2',
  'a:\n   b: 2',
  'a:\n  b:\n    c: 1',
  'a:\n  - 1',
  'a: 1\r\n',
  '\tb: 1',
  '\uFEFFa: 1',
  '---\na: 1',
  'a: x#y',
  'text',
  '? a',
  'a:1',
  'a: |',
  '__proto__ : 1',
])('%j is left to the full reader', (text) => {
  expect(readPlainFile(text)).toBeUndefined();
});

const piece = fc.constantFrom(
  ...[
    'a:',
    'b_c:',
    '  d: 1',
    '  e: 8GB',
    'f: on',
    '  g: 0x10 # x',
    '',
    '   ',
    '# t',
    '    # u',
    '  h:',
    '    i: 1',
  ],
  ...[
    '  j: [1]',
    '- k',
    '  l: "m"',
    'n: 70%',
    '  o: a.b ',
    '  p: null',
    ' q: 1',
    's: 1 #',
    '  t: 1#2',
    'u: # v',
    '...',
  ],
  ...[
    '  w: 1:2',
    '--- ',
    '  y: .5',
    '  z: true',
    'a: 1',
    '  d: é',
    '  d: ,',
    '  d: x,',
    '#\u0000',
    '  d:  5  ',
  ],
);

test('what the quick reader accepts, it reads as the full reader does', () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 5 }), (lines) => {
      const text = lines.join('\n');
      const plain = readPlainFile(text);
      if (plain === undefined) return;
      accepted += 1;
      const full = readYamlFile(text);
      expect(full.faults).toEqual([]);
      expect(essence(plain)).toEqual(essence(full.entries));
    }),
    { numRuns: 2000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

test('the full reader keeps numbers as they were written and aliases unexpanded', () => {
  const { entries } = readYamlFile('a: 0x10\nb: "8"\nc: &x [1]\nd: *x\n? [e]\n: 1\nf: {g: }\n');
  expect(essence(entries)).toEqual([
    { key: 'a', line: 1, value: '0x10' },
    { key: 'b', line: 2, value: '8' },
    { key: 'c', line: 3, value: 'list' },
    { key: 'd', line: 4, value: 'other' },
    { key: '?', line: 1, value: '1' },
    { key: 'f', line: 7, value: [{ key: 'g', line: 7, value: 'empty' }] },
  ]);
});
