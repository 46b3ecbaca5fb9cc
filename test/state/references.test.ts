import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPhrase } from '../../lib/state/references.ts';

const known = { epic: 'login', issue: '12', ids: ['A', 'B', 'C', 'D'], issues: new Set(['11', '12', 'api']) };
const numbered = { ...known, ids: ['1', '2', '3'] };

/** What a phrase of stream D names, issues with a `#`. */
function named(phrase: string, which = known): string {
  const { references } = readPhrase(phrase, which.ids.at(-1) ?? '', which, 'f:1');
  return references.map((one) => (one.whole ? `#${one.text}` : one.text)).join(' ');
}

describe('a phrase', () => {
  it.each([
    ['Stream A', 'A'],
    ['stream a', 'A'],
    ['A', 'A'],
    ['A, B', 'A B'],
    ['A and C', 'A C'],
    ['Stream A, B', 'A B'],
    ['Stream A, Stream B', 'A B'],
    ['Streams A and B', 'A B'],
    ['Streams A & B (service APIs)', 'A B'],
    ['Streams A, B, and C complete', 'A B C'],
    ['Streams A-C', 'A B C'],
    ['Streams A–C', 'A B C'],
    ['Streams A to C', 'A B C'],
    ['**Stream A**', 'A'],
    ['`A`', 'A'],
    ['Stream A.', 'A'],
    ['Stream A Step 1', 'A'],
    ['Stream A and B foundational work', 'A B'],
    ['Stream A completion for core stability', 'A'],
    ['Stream A and Stream B. Stream D alone may change the rest', 'A B'],
    ["only after Stream A's exports and Stream B's binding/", 'A B'],
    ['after Stream A completes (needs B)', 'A'],
    ['after A completes', 'A'],
    ['Immediately after Stream A', 'A'],
    ['no earlier than Stream A', 'A'],
    ['11, A', '#11 A'],
    ['Stream A, needs the schema', 'A'],
    ['All streams', 'A B C'],
    ['all other streams (tests everything)', 'A B C'],
    ['12/A', '12/A'],
    ['login/11/B', 'login/11/B'],
    ['api/A and Stream B', 'B api/A'],
    ['99/Z', '99/Z'],
    ['Issue #11', '#11'],
    ['Task 11, Stream A', 'A #11'],
    ['#11', '#11'],
    ['Issue 12', ''],
  ])('"%s" names %s', (phrase, expected) => {
    expect(named(phrase)).toBe(expected);
    expect(readPhrase(phrase, 'D', known, 'f:1').faults).toEqual([]);
  });

  it.each([
    ['Streams 1-2 (completed)', '1 2'],
    ['Streams 1, and 2 must be 75% complete', '1 2'],
    ['1', '1'],
  ])('"%s" names streams with numbers: %s', (phrase, expected) => {
    expect(named(phrase, numbered)).toBe(expected);
  });

  it.each(['', 'none', 'None (uses Stream A read-only)', 'none - see Stream A', 'N/A', '-', '—', 'Nothing', 'immediately', 'No dependencies'])(
    '"%s" names nothing, and nothing was missed', (phrase) => {
      expect(readPhrase(phrase, 'D', known, 'f:1')).toEqual({ references: [], faults: [], unread: false });
    },
  ); // prettier-ignore

  it.each(['the database', 'Existing TypeScript set-up', 'stream processing works', 'src/lib/db.ts', 'I/O done', 'Issue 68', 'noone'])(
    '"%s" says something that names no stream', (phrase) => {
      expect(readPhrase(phrase, 'D', known, 'f:1')).toEqual({ references: [], faults: [], unread: true });
    },
  ); // prettier-ignore

  it.each([
    ['Stream Z', 'Z'],
    ['Streams A and Z', 'Z'],
    ['E', 'E'],
    ['Streams A-Z', 'A-Z'],
    ['Stream 7', '7'],
  ])('"%s" names a stream that is not there', (phrase, name) => {
    const { faults } = readPhrase(phrase, 'D', known, 'f:1');
    expect(faults.map((fault) => fault.message)).toEqual([
      `issue 12 has no stream "${name}" (there is A, B, C, D)`,
    ]);
  });

  it('with "previous" names what stands before', () => {
    expect(readPhrase('all previous streams', 'C', known, 'f:1').references.map((one) => one.text)).toEqual([
      'A',
      'B',
    ]);
  });

  it('never names its own stream through "all", nor anything that is not there', () => {
    const word = fc.constantFrom('Stream', 'Streams', 'all', 'A', 'B', 'Z', ',', 'and', '&', '12/A', '#11', '(', ')', '-', '.', '\0', '__proto__', ' ');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 14 }), (words) => {
        for (const { text, whole } of readPhrase(words.join(' '), 'D', known, 'f:1').references)
          expect(whole ? known.issues.has(text) : [...known.ids, '12/A'].includes(text)).toBe(true);
      }),
      { numRuns: 500 },
    );
  }); // prettier-ignore

  it.each(['(', 'Stream A, ', 'a/', 'Streams ', '#', ' '])('of a megabyte of "%s" ends', (part) => {
    expect(
      readPhrase(part.repeat(1_000_000 / part.length), 'D', known, 'f:1').references.length,
    ).toBeLessThan(3);
  });
});
