// Which module would break most others? The graph of all imports in node_modules, as objects that point at each other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { MODULES, moduleFiles, report } from './shared.mjs';

const IMPORT = /(?:from|import|require)\s*\(?\s*['"](\.[^'"\n]+|@?[a-z][^'"\n]*)['"]/g;

const nodes = new Map();
for (const path of moduleFiles('.js', '.mjs', '.cjs', '.d.ts', '.d.mts'))
  nodes.set(path, { path, uses: new Set(), usedBy: new Set(), rank: 0 });
for (const node of nodes.values()) {
  for (const [, name] of readFileSync(node.path, 'utf8').matchAll(IMPORT)) {
    const target = resolve(node.path, name);
    if (target && target !== node) (node.uses.add(target), target.usedBy.add(node));
  }
}

function resolve(from, name) {
  const base = name.startsWith('.') ? join(dirname(from), name) : join(MODULES, name);
  const stem = base.replace(/\.[cm]?js$/, '');
  const ends = from.includes('.d.')
    ? ['.d.ts', '.d.mts', '/index.d.ts']
    : ['.js', '.mjs', '.cjs', '/index.js'];
  return nodes.get(base) ?? ends.map((end) => nodes.get(stem + end)).find(Boolean);
}

/** PageRank: a module is important when important modules use it. */
function rank(list, rounds = 50) {
  for (const node of list) node.rank = 1 / list.length;
  for (let round = 0; round < rounds; round++) {
    const lost = list.reduce((sum, node) => sum + (node.uses.size === 0 ? node.rank : 0), 0);
    const next = new Map(list.map((node) => [node, (0.15 + 0.85 * lost) / list.length]));
    for (const node of list)
      for (const used of node.uses) next.set(used, next.get(used) + (0.85 * node.rank) / node.uses.size);
    for (const node of list) node.rank = next.get(node);
  }
}

/** Everything that stops working with this module, each with the number of imports on the shortest way. */
function dependents(node) {
  const distances = new Map([[node, 0]]);
  for (const [each, distance] of distances)
    for (const user of each.usedBy) if (!distances.has(user)) distances.set(user, distance + 1);
  return distances;
}

/** Brandes: on how many of the shortest chains of imports a module lies, for all pairs at once. */
function betweenness(list) {
  const score = new Map(list.map((node) => [node, 0]));
  for (const start of list) {
    const paths = new Map([[start, 1]]);
    const distances = new Map([[start, 0]]);
    const before = new Map([[start, []]]);
    for (const [node, distance] of distances) {
      for (const used of node.uses) {
        if (!distances.has(used))
          (distances.set(used, distance + 1), paths.set(used, 0), before.set(used, []));
        if (distances.get(used) !== distance + 1) continue;
        paths.set(used, paths.get(used) + paths.get(node));
        before.get(used).push(node);
      }
    }
    const through = new Map();
    for (const node of [...distances.keys()].reverse()) {
      const own = through.get(node) ?? 0;
      if (node !== start) score.set(node, score.get(node) + own);
      for (const previous of before.get(node)) {
        const share = (paths.get(previous) / paths.get(node)) * (1 + own);
        through.set(previous, (through.get(previous) ?? 0) + share);
      }
    }
  }
  return [...score].sort((a, b) => b[1] - a[1]);
}

const list = [...nodes.values()];
rank(list);
const [[hub, chains]] = betweenness(list);
const reach = list.map((node) => ({ node, distances: dependents(node) }));
reach.sort((a, b) => b.distances.size - a.distances.size || b.node.rank - a.node.rank);
const [critical] = reach;

const sum = list.reduce((total, node) => total + node.rank, 0);
assert.ok(Math.abs(sum - 1) < 1e-6, `the ranks add up to ${sum}`);
assert.ok(hub.uses.size > 0 && hub.usedBy.size > 0, 'a hub has both sides');
for (const user of critical.node.usedBy) assert.equal(critical.distances.get(user), 1);

report('rank', {
  modules: list.length,
  imports: list.reduce((total, node) => total + node.uses.size, 0),
  pairs: reach.reduce((total, { distances }) => total + distances.size - 1, 0),
  most_critical: relative(MODULES, critical.node.path),
  breaks: critical.distances.size - 1,
  hub: relative(MODULES, hub.path),
  chains_through_hub: Math.round(chains),
});
