/** Which agents does a run draw? As Python's `random.Random(seed).choices` draws them, so that others can draw the same ones. */

const WORDS = 624;

/** The Mersenne Twister (Matsumoto and Nishimura 1998, MT19937), seeded as Python seeds it with a whole number below 2^32; gives numbers of 53 bits in [0, 1). */
export function pythonRandom(seed: number): () => number {
  const state = seededByArray([seed >>> 0]);
  let at = WORDS;
  const word = (): number => {
    if (at === WORDS) {
      twist(state);
      at = 0;
    }
    let value = state[at] ?? 0;
    at += 1;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  };
  return () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53;
}

/** So many of these, with replacement. */
export function choices<T>(items: readonly T[], count: number, seed: number): T[] {
  const random = pythonRandom(seed);
  return Array.from({ length: count }, () => items[Math.floor(random() * items.length)] as T);
}

function seededByNumber(seed: number): Uint32Array {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let at = 1; at < WORDS; at += 1) {
    const before = state[at - 1] ?? 0;
    state[at] = Math.imul(1812433253, before ^ (before >>> 30)) + at;
  }
  return state;
}

function seededByArray(key: readonly number[]): Uint32Array {
  const state = seededByNumber(19650218);
  let at = 1;
  const mix = (factor: number, add: number): void => {
    const before = state[at - 1] ?? 0;
    state[at] = ((state[at] ?? 0) ^ Math.imul(before ^ (before >>> 30), factor)) + add;
    at += 1;
    if (at < WORDS) return;
    state[0] = state[WORDS - 1] ?? 0;
    at = 1;
  };
  for (let round = 0; round < WORDS; round += 1)
    mix(1664525, (key[round % key.length] ?? 0) + (round % key.length));
  for (let round = 1; round < WORDS; round += 1) mix(1566083941, -at);
  state[0] = 0x80000000;
  return state;
}

function twist(state: Uint32Array): void {
  for (let at = 0; at < WORDS; at += 1) {
    const joined = ((state[at] ?? 0) & 0x80000000) | ((state[(at + 1) % WORDS] ?? 0) & 0x7fffffff);
    state[at] = (state[(at + 397) % WORDS] ?? 0) ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
  }
}
