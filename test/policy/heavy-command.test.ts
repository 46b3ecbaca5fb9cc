/** Is a heavy command known by its first words, wherever in a line it stands, and nothing else by its letters? */
import { expect, it } from 'vitest';
import { HEAVY_COMMANDS } from '../../lib/config/heavy.ts';
import { heavyPattern, jobVariables } from '../../lib/policy/heavy-command.ts';

it.each<[string, string | undefined]>([
  ['npm test', 'npm test'],
  ['npm  test -- a', 'npm test'],
  ['cd web && npm test', 'npm test'],
  ['(npm test)', 'npm test'],
  ['CI=1 FORCE_COLOR=0 npx vitest run', 'vitest'],
  ['sudo nice -n 10 make -j8', undefined],
  ['nice make', 'make'],
  ['/usr/bin/make', 'make'],
  ['./node_modules/.bin/jest --ci', 'jest'],
  ['true; cargo build | tee log', 'cargo build'],
  ['find / -name x', 'find /'],
  ['find /srv', 'find /'],
  ['find . -name x', undefined],
  ['grep -r x .', 'grep -r'],
  ['grep x file', undefined],
  ['echo npm test', undefined],
  ['npm testing', undefined],
  ['makefile', undefined],
  ['git commit -m "npm test"', undefined],
  ['', undefined],
  [`${'a'.repeat(20_000)}; npm test`, undefined],
])('%j is %s', (line, pattern) => {
  expect(heavyPattern(line, HEAVY_COMMANDS)).toBe(pattern);
});

it('jobs are whole numbers in variables of a shell, or none', () => {
  expect(jobVariables(0)).toEqual([]);
  for (const [name, value] of jobVariables(3)) expect(`${name}=${value}`).toMatch(/^[A-Z_]+=3$/);
});
