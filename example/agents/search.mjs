// Where is something written? An index of every word of the sources in node_modules: one V8 heap that fills up.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { MODULES, moduleFiles, report } from './shared.mjs';

const MOST_BYTES = 30_000_000;
const phrase = (process.argv[2] ?? 'resident set size').toLowerCase().match(/\w+/g) ?? [];

/** Word -> file, position, file, position … */
const postings = new Map();
const files = [];
let [bytes, tokens] = [0, 0];
for (const path of moduleFiles('.d.ts', '.md', '.js', '.mjs')) {
  const text = readFileSync(path, 'utf8');
  if (bytes + text.length > MOST_BYTES) continue;
  bytes += text.length;
  addFile(files.push({ path, length: 0 }) - 1, text);
}

function addFile(file, text) {
  for (const [word] of text.matchAll(/\w+/g)) {
    const key = word.toLowerCase();
    let list = postings.get(key);
    if (!list) postings.set(key, (list = []));
    list.push(file, files[file].length++);
    tokens += 1;
  }
}

/** Files that hold the words one after the other, with how often; those that say it most often for their length first. */
function search(words) {
  let places = placesOf(words[0]);
  for (const word of words.slice(1)) {
    const here = placesOf(word);
    places = new Set([...places].map((place) => place + 1).filter((place) => here.has(place)));
  }
  const counts = new Map();
  for (const place of places) {
    const file = Math.floor(place / 2 ** 32);
    counts.set(file, (counts.get(file) ?? 0) + 1);
  }
  const weight = ([file, count]) => count / (count + (files[file].length * files.length) / tokens);
  return [...counts].sort((a, b) => weight(b) - weight(a));
}

/** All places of a word, file and position in one number. */
function placesOf(word) {
  const list = postings.get(word) ?? [];
  const places = new Set();
  for (let at = 0; at < list.length; at += 2) places.add(list[at] * 2 ** 32 + list[at + 1]);
  return places;
}

const found = search(phrase);
assert.ok(found.length > 0, `"${phrase.join(' ')}" is nowhere`);
for (const [file, count] of found) {
  const again = readFileSync(files[file].path, 'utf8').toLowerCase().match(/\w+/g).join(' ');
  assert.equal(` ${again} `.split(` ${phrase.join(' ')} `).length - 1, count, files[file].path);
}

const best = relative(MODULES, files[found[0][0]].path);
report('search', { files: files.length, words: postings.size, tokens, hits: found.length, best });
