/**
 * What does asking cost? `npx tsx scripts/memory-monitor.ts check` may take at most 1.3 times the CPU of an empty script
 * that is started the same way. Beside it, without a bound: the lean ways, and what each way holds while it stands.
 *
 *   npx tsx bench/start-up.ts [--rounds 9] [--nodes DIR,DIR] [--json]
 *
 * CPU is user and system time of the whole chain of processes (npx, its shell, tsx, the script), the median of rounds in
 * which every way has its turn, so that a loaded machine slows all of them alike. `--nodes`: folders that hold
 * bin/node of other versions (`npm install --prefix DIR node@24` puts one into DIR/node_modules/node), which run
 * the same sources without tsx from 22.18 on.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readProcessTable } from '../lib/probe/processes.ts';
import { toolkitRoot } from '../lib/probe/toolkit.ts';
import { MIB } from '../lib/units.ts';
import {
  bundled,
  childrenCpuMs,
  count,
  median,
  openScene,
  pssOf,
  readFlags,
  tell,
  treeOf,
} from './support.ts';

const MOST_RATIO = 1.3;
/** A start is measured in steps of 10 ms: several to a sample. */
const RUNS_PER_SAMPLE = 2;
const OK_CODES = new Set([0, 20]);

const flags = readFlags('npx tsx bench/start-up.ts [--rounds N] [--nodes DIR,DIR] [--json]', {
  rounds: '9',
  nodes: '',
});
const rounds = count('rounds', flags.rounds);
const root = toolkitRoot();
const { dir, env } = openScene();
const monitor = join(root, 'scripts', 'memory-monitor.ts');
// Beside the sources: tsx and Node judge a file by the package.json above it.
const empty = join(root, 'bench', `empty-${process.pid}.ts`);
const emptyModule = join(dir, 'empty.mjs');
writeFileSync(empty, '');
writeFileSync(emptyModule, '');
process.once('exit', () => rmSync(empty, { force: true }));

interface Way {
  readonly name: string;
  readonly version: string;
  /** What starts a script. */
  readonly empty: readonly string[];
  readonly check: readonly string[];
  readonly watch: readonly string[];
}

const missing: string[] = [];
const bundle = bundled('memory-monitor');
const ways: Way[] = [
  wayOf('npx tsx', process.version, ['npx', 'tsx']),
  wayOf('node --import tsx', process.version, [process.execPath, '--import', 'tsx']),
  {
    name: 'node dist (the bundle)',
    version: process.version,
    empty: [process.execPath, emptyModule],
    check: [...bundle, 'check'],
    watch: [...bundle, 'watch', '--interval', '1m'],
  },
  ...flags.nodes.split(',').filter(Boolean).flatMap(nativeWays),
];
if (flags.nodes === '')
  missing.push(
    'other versions of Node: npm install --prefix DIR node@24, then --nodes DIR/node_modules/node',
  );

function wayOf(name: string, version: string, starter: readonly string[]): Way {
  return {
    name,
    version,
    empty: [...starter, empty],
    check: [...starter, monitor, 'check'],
    watch: [...starter, monitor, 'watch', '--interval', '1m'],
  };
}

/** A foreign Node runs the sources by stripping types and, for comparison, the bundle. */
function nativeWays(folder: string): Way[] {
  const node = [
    join(folder, 'bin', 'node'),
    join(folder, 'node_modules', 'node', 'bin', 'node'),
    folder,
  ].find((path) => existsSync(path) && spawnSync(path, ['--version'], { env }).status === 0);
  const version = node && spawnSync(node, ['--version'], { env, encoding: 'utf8' }).stdout.trim();
  if (node === undefined || version === undefined) {
    missing.push(`${folder} holds no bin/node: npm install --prefix ${folder} node@24`);
    return [];
  }
  const native = wayOf('node, types stripped', version, [node]);
  if (spawnSync(node, [empty], { env, stdio: 'ignore' }).status !== 0) {
    missing.push(`${version} does not strip types by itself: 22.18 or later is needed`);
    return [];
  }
  const script = bundle.at(-1) ?? '';
  return [
    native,
    {
      name: 'node dist (the bundle)',
      version,
      empty: [node, emptyModule],
      check: [node, script, 'check'],
      watch: [node, script, 'watch', '--interval', '1m'],
    },
  ];
}

function start([program = '', ...words]: readonly string[], more: readonly string[] = []): void {
  const run = spawnSync(program, [...words, ...more], { cwd: root, env, encoding: 'utf8' });
  if (run.status === null || !OK_CODES.has(run.status))
    throw new Error(`${[program, ...words].join(' ')}: exit ${run.status ?? run.signal}\n${run.stderr}`);
}

/** CPU ms of one start. */
function sample(words: readonly string[], more?: readonly string[]): number {
  const cpuMs = childrenCpuMs(() => {
    for (let run = 0; run < RUNS_PER_SAMPLE; run += 1) start(words, more);
  });
  return cpuMs / RUNS_PER_SAMPLE;
}

/** Processes of a `watch` that has made its first look and stands, and what they hold: by PSS, and of their own. */
async function standing([program = '', ...words]: readonly string[]): Promise<{
  processes: number;
  mb: number;
  ownMb: number;
}> {
  const child = spawn(program, words, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const pid = child.pid ?? 0;
  try {
    await once(child.stdout, 'data');
    // The first look's garbage, and what npx does behind its child.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const pids = treeOf(pid);
    const table = readProcessTable();
    const ownBytes = pids.reduce((sum, one) => sum + (table.get(one)?.privateBytes ?? 0), 0);
    return { processes: pids.length, mb: pssOf(pids) / MIB, ownMb: ownBytes / MIB };
  } finally {
    // The whole group is ours: npx does not pass on a signal.
    process.kill(-pid, 'SIGKILL');
    await once(child, 'exit');
  }
}

/** A settings file with kinds of agents in it needs the full reader. */
const exampleProject = ['--project', join(root, 'example')];
const samples = new Map<string, number[]>();
const note = (key: string, ms: number): void => void samples.set(key, [...(samples.get(key) ?? []), ms]);

for (const { empty: nothing, check, watch } of ways) {
  // What was compiled is kept: the first start of a changed file is no rule.
  start(nothing);
  start(check);
  start(check, exampleProject);
  start(watch, ['--count', '1']);
}
for (let round = 0; round < rounds; round += 1) {
  for (const { name, version, empty: nothing, check } of ways) {
    note(`${name} ${version} empty`, sample(nothing));
    note(`${name} ${version} check`, sample(check));
    note(`${name} ${version} example`, sample(check, exampleProject));
  }
}

const rows = [];
for (const { name, version, watch } of ways) {
  const at = (what: string): number => median(samples.get(`${name} ${version} ${what}`) ?? []);
  const { processes, mb, ownMb } = await standing(watch);
  rows.push({
    way: name,
    node: version,
    'empty ms': at('empty'),
    'check ms': at('check'),
    ratio: at('check') / at('empty'),
    'with agents: ms': at('example'),
    'watch: processes': processes,
    'own MB': ownMb,
    'PSS MB': mb,
  });
}

tell(
  {
    question: `What does one \`memory-monitor check\` cost? CPU ms of the whole chain, median of ${rounds} × ${RUNS_PER_SAMPLE}`,
    rows,
    bounds: [
      {
        what: '`npx tsx` check / empty script',
        measured: rows[0]?.ratio ?? NaN,
        most: MOST_RATIO,
        unit: ' x',
      },
    ],
    missing,
    notes: [
      '"with agents": a settings file that names kinds of agents, which takes the yaml package to read',
      'own MB: RSS less shared pages, what ending it frees; PSS also has its share of the Node program, which is smaller the more Nodes run',
    ],
  },
  flags.json,
);
