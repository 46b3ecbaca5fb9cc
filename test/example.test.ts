/** Does the shipped example hold together: can every stream start, must some wait, and do its agents really compute? */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSettings } from '../lib/config/load.ts';
import type { Stream } from '../lib/model.ts';
import type { AgentKind } from '../lib/settings-model.ts';
import { loadStreams } from '../lib/state/streams.ts';
import { GIB, MIB, parseSize } from '../lib/units.ts';

const ROOT = dirname(import.meta.dirname);
const EXAMPLE = join(ROOT, 'example');
const BUDGET = '900MB';
const BUDGET_BYTES = parseSize(BUDGET) ?? NaN;

let streams: readonly Stream[];
let notes: readonly string[];
let kinds: ReadonlyMap<string, AgentKind>;

beforeAll(async () => {
  ({ streams, notes } = await loadStreams({ projectDir: EXAMPLE, epic: 'shop', source: { from: 'epic' } }));
  const { settings, warnings } = await loadSettings({
    homeDir: undefined,
    projectDir: EXAMPLE,
    env: {},
    overrides: {},
    machineTotalBytes: 4 * GIB,
  });
  expect(warnings).toEqual([]);
  kinds = settings.agents;
});

/** The words that start a stream, its own before its kind's. */
function words(stream: Stream): readonly string[] {
  const own = stream.command;
  return typeof own === 'string' ? own.split(' ') : (own ?? kinds.get(stream.kind)?.command ?? []);
}

function estimate(stream: Stream): number {
  return stream.estimateBytes ?? kinds.get(stream.kind)?.estimateBytes ?? NaN;
}

function limit(stream: Stream): number {
  return stream.limitBytes ?? kinds.get(stream.kind)?.limitBytes ?? NaN;
}

describe('the epic', () => {
  test('is read whole, with nothing left over that was not understood', () => {
    expect(notes).toEqual([]);
    expect(streams.map(({ key }) => key)).toEqual(
      ['1/A', '1/B', '1/C', '2/A', '2/B', '3/A', '3/B', '3/C', '4/A', '5/A'].map((key) => `shop/${key}`),
    );
  });

  test('starts every stream by a command, and every kind is used', () => {
    for (const stream of streams) expect(words(stream)[0], stream.key).toBe('node');
    expect([...kinds.keys()].sort()).toEqual([...new Set(streams.map(({ kind }) => kind))].sort());
  });

  test('names only agents that exist, and has no agent that nobody starts', () => {
    const started = streams.map((stream) => words(stream).find((word) => word.endsWith('.mjs')) ?? '');
    for (const file of started) expect(existsSync(join(EXAMPLE, file)), file).toBe(true);
    const files = readdirSync(join(EXAMPLE, 'agents')).filter((name) => name !== 'shared.mjs');
    expect(started.map((file) => file.replace('agents/', '')).sort()).toEqual(files.sort());
  });

  test('lets issue 5 wait for all others and keeps 2 and 4 apart', () => {
    const byKey = new Map(streams.map((stream) => [stream.key, stream]));
    expect(byKey.get('shop/5/A')?.dependsOn).toHaveLength(streams.length - 1);
    expect(byKey.get('shop/1/C')?.dependsOn).toEqual(['shop/1/A']);
    expect(byKey.get('shop/4/A')?.conflictsWith).toEqual(['shop/2/A', 'shop/2/B']);
  });
});

describe('the budget', () => {
  test('is the one that npm run example gives', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Readonly<Record<string, string>>;
    };
    expect(scripts['example']).toContain(`--budget ${BUDGET}`);
  });

  test('is smaller than what the streams that could start at once ask for, so some must wait', () => {
    const ready = streams.filter(({ dependsOn }) => dependsOn.length === 0);
    const asked = ready.reduce((sum, stream) => sum + estimate(stream), 0);
    expect(asked).toBeGreaterThan(1.5 * BUDGET_BYTES);
  });

  test('holds the two largest streams together, so that two cores stay busy', () => {
    const [first = NaN, second = NaN] = streams.map(estimate).sort((a, b) => b - a);
    expect(first + second).toBeLessThanOrEqual(BUDGET_BYTES);
  });

  test('leaves room on a machine of 4 GB', () => {
    expect(BUDGET_BYTES).toBeLessThanOrEqual(GIB);
  });

  test('has limits with room above the estimates and the heap', () => {
    for (const stream of streams) {
      const heapMb = stream.heapMb ?? kinds.get(stream.kind)?.heapMb ?? NaN;
      expect(limit(stream), stream.key).toBeGreaterThanOrEqual(1.5 * estimate(stream));
      expect(limit(stream), stream.key).toBeGreaterThanOrEqual(1.25 * heapMb * MIB);
    }
  });
});

describe('an agent', () => {
  const dist = mkdtempSync(join(tmpdir(), 'example-dist-'));
  afterAll(() => rmSync(dist, { recursive: true, force: true }));

  /** Runs one agent as the runner does, but with a folder of its own for what it leaves; the lines as a map. */
  function runAgent(...args: readonly string[]): {
    status: number | null;
    stderr: string;
    facts: Map<string, string>;
  } {
    const env = { ...process.env, SHOP_DIST: dist };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: EXAMPLE,
      env,
      encoding: 'utf8',
    });
    const lines = stdout.split('\n').map((line) => /^([a-z_0-9]+):(.+)$/.exec(line));
    return { status, stderr, facts: new Map(lines.flatMap((line) => (line ? [[line[1]!, line[2]!]] : []))) };
  }

  test('that ranks modules knows fewer imports than pairs, and a hub among them', () => {
    const { status, stderr, facts } = runAgent('agents/rank.mjs');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [modules, imports, pairs] = ['modules', 'imports', 'pairs'].map((name) => Number(facts.get(name)));
    expect(modules).toBeGreaterThan(1000);
    expect(imports).toBeGreaterThan(1000);
    expect(pairs).toBeGreaterThan(imports!);
    expect(existsSync(join(ROOT, 'node_modules', facts.get('hub') ?? '-'))).toBe(true);
  });

  test('that forecasts gives the same answer every time, more stock for more campaign', () => {
    const runs = [runAgent('agents/forecast.mjs', '300'), runAgent('agents/forecast.mjs', '300')];
    for (const { status, stderr } of runs) expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const facts = runs[0]!.facts;
    expect(facts).toEqual(runs[1]!.facts);
    expect(facts.get('days')).toBe(String(300 * 365 * 3));
    const stock = [30, 60, 90].map((share) => Number(facts.get(`campaign_${share}_percent_stock`)));
    expect(stock).toEqual([...stock].sort((a, b) => a - b));
    expect(stock[0]).toBeGreaterThan(100);
  });

  test('that finds nothing fails', () => {
    const { status, stderr } = runAgent('agents/release-notes.mjs');
    expect(status).toBe(1);
    expect(stderr).toContain('reports are missing');
  });
});
