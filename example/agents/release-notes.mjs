// What was done? Reads what every other agent left, and refuses to write the notes if something is missing.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, report, writeDist } from './shared.mjs';

const AGENTS = [
  'type-check',
  'lint',
  'test',
  'bundle',
  'load-test',
  'search',
  'rank',
  'forecast',
  'pictures',
];

const found = AGENTS.map((name) => ({ name, path: join(DIST, 'reports', `${name}.json`) }));
const missing = found.filter(({ path }) => !existsSync(path)).map(({ name }) => name);
assert.deepEqual(missing, [], 'reports are missing');

const sections = found.map(({ name, path }) => {
  const facts = Object.entries(JSON.parse(readFileSync(path, 'utf8')));
  assert.ok(facts.length > 0, `${name} reported nothing`);
  return [`## ${name}`, '', ...facts.map(([key, value]) => `- ${key.replaceAll('_', ' ')}: ${value}`), ''];
});
writeDist('RELEASE.md', ['# Release', '', ...sections.flat()].join('\n'));

report('release-notes', { reports: sections.length, notes: 'dist/RELEASE.md' });
