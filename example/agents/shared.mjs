// What do all agents of the example need? A place for what they found, files to work on, and the same chance every time.
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The agents run in the example's folder; this keeps them right when they are called from elsewhere. */
export const EXAMPLE = dirname(import.meta.dirname);
export const DIST = process.env.SHOP_DIST ?? join(EXAMPLE, 'dist');
/** What `npm ci` brought: real text and real sources, the same on every machine. */
export const MODULES = join(EXAMPLE, '..', 'node_modules');

/** Prints what an agent found, one `name:value` a line, and leaves it for the release notes in dist/reports/. */
export function report(name, facts) {
  for (const [key, value] of Object.entries(facts)) console.log(`${key}:${value}`);
  writeDist(join('reports', `${name}.json`), JSON.stringify(facts, undefined, 2));
}

/** Writes a file below dist/ in one step, so that nobody ever reads half of it. */
export function writeDist(name, data) {
  const path = join(DIST, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}.tmp`, data);
  renameSync(`${path}.${process.pid}.tmp`, path);
}

/** Paths of the files in node_modules whose name ends so, sorted. */
export function moduleFiles(...ends) {
  return readdirSync(MODULES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ends.some((end) => entry.name.endsWith(end)))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes(`${MODULES}/.`))
    .sort();
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
