/** What is the worst that people write into a title, a prompt or a name? Any character, the dangerous ones most of all. */
import fc from 'fast-check';

const character = fc.oneof(
  // C0, C1, quotes, and what shells and terminals obey.
  fc.integer({ min: 0, max: 0xff }),
  fc.constantFrom(0x1b, 0x0a, 0x0d, 0x85, 0x2028, 0x2029, 0x202e, 0xfeff),
  fc.integer({ min: 0, max: 0xffff }),
  fc.integer({ min: 0x10000, max: 0x10ffff }),
);

/** Text of any characters, halves of surrogate pairs among them. */
export const hostileText = (maxLength = 40): fc.Arbitrary<string> =>
  fc.array(character, { maxLength }).map((codes) => String.fromCodePoint(...codes));
