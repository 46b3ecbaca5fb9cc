/**
 * Does the guard hold what it promises? Real leaks, real trees, real escapes; each figure beside that of a plain side.
 *
 *   npx tsx bench/guard.ts [--only a,b,c,d,e] [--runs 10] [--json]
 *
 *   a  how far past a hard limit of 1 GB a leak of 200 MB/s and of 1 GB/s comes, beside a look every two seconds
 *   b  a leak of 1 GB/s beside three good agents, in all four orders of start, the leak itself or a child of it
 *   c  what the guard takes at rest: 16 trees of 130 processes, 200 trees of one
 *   d  a child with a session of its own, a double fork and no ear for TERM; and that no stranger gets a signal
 *   e  what is left after each kind of failure
 *
 * b and parts of e need a memory cgroup (root, v1 or v2), in which memory really runs out; without one they say so.
 * With --json each part is a document of its own. About six minutes in all.
 */
import { tell, count, readFlags } from './support.ts';
import type { Part } from './guard-support.ts';

const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  a: async () => (await import('./guard-overshoot.ts')).measureOvershoot,
  b: async () => (await import('./guard-culprit.ts')).measureCulprit,
  c: async () => (await import('./guard-rest.ts')).measureRest,
  d: async () => (await import('./guard-escapes.ts')).measureEscapes,
  e: async () => (await import('./guard-leftovers.ts')).measureLeftovers,
};

const flags = readFlags(
  `npx tsx bench/guard.ts [--only ${Object.keys(PARTS).join(',')}] [--runs N] [--json]`,
  {
    only: Object.keys(PARTS).join(','),
    runs: '10',
  },
);
const runs = count('runs', flags.runs);
const wanted = flags.only.split(',');
const unknown = wanted.find((name) => !Object.hasOwn(PARTS, name));
if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${Object.keys(PARTS).join(', ')}`);

for (const name of wanted) {
  const measure = await PARTS[name]?.();
  if (measure === undefined) continue;
  tell(await measure(runs), flags.json);
  if (!flags.json) console.log('');
}
