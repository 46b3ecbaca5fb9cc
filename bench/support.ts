/** What do all benchmarks share? Flags, clean environments, CPU and memory of processes from /proc, and the one way of telling. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readProcessTable, readPss } from '../lib/probe/processes.ts';
import { readShortFile, unlessHidden } from '../lib/probe/proc.ts';
import { leanCommand, toolkitRoot } from '../lib/probe/toolkit.ts';

/** USER_HZ: the unit of the times in /proc, 100 a second on every Linux that Node runs on. */
export const TICK_MS = 10;

/** One thing that must hold: `measured` at most `most`. */
export interface Bound {
  readonly what: string;
  readonly measured: number;
  readonly most: number;
  readonly unit: string;
}

/** What a benchmark found: the rows of its table by column, and what must hold. */
export interface Findings {
  readonly question: string;
  readonly rows: readonly Readonly<Record<string, string | number | undefined>>[];
  readonly bounds: readonly Bound[];
  /** What could not be measured here, and how to get it. */
  readonly missing: readonly string[];
  readonly notes: readonly string[];
}

/** The flags of a benchmark: what it declares, `--json`, and `--help`, which ends it. Values are text. */
export function readFlags<K extends string>(
  usage: string,
  defaults: Readonly<Record<K, string>>,
): Record<K, string> & { readonly json: boolean } {
  const options = {
    json: { type: 'boolean' as const },
    help: { type: 'boolean' as const },
    ...Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }])),
  };
  const values: Record<string, unknown> = parseArgs({ options }).values;
  if (values['help'] === true) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  const texts = Object.fromEntries(
    Object.entries<string>(defaults).map(([name, text]) => [name, values[name] ?? text]),
  ) as Record<K, string>;
  return { ...texts, json: values['json'] === true };
}

/** A whole number of at least 1 from a flag. */
export function count(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`--${name} ${text}: a whole number is needed`);
  return Number(text);
}

/** Prints the findings as a table or, with `json`, as one document; leaves exit code 1 where a bound is missed. */
export function tell(findings: Findings, json: boolean): void {
  const bounds = findings.bounds.map((bound) => ({ ...bound, held: bound.measured <= bound.most }));
  if (bounds.some(({ held }) => !held)) process.exitCode = 1;
  const name = basename(process.argv[1] ?? '', '.ts');
  if (json) {
    console.log(JSON.stringify({ bench: name, node: process.version, ...findings, bounds }, undefined, 2));
    return;
  }
  console.log(`${findings.question}\n`);
  console.log(tableOf(findings.rows));
  console.log('');
  for (const { what, measured, most, unit, held } of bounds) {
    console.log(`${held ? 'held  ' : 'MISSED'}  ${what}: ${shown(measured)}${unit} (at most ${most}${unit})`);
  }
  for (const note of findings.notes) console.log(`note    ${note}`);
  for (const line of findings.missing) console.log(`missing ${line}`);
}

function tableOf(rows: Findings['rows']): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = [columns, ...rows.map((row) => columns.map((column) => shown(row[column])))];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  const pad = (text: string, at: number): string =>
    at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0);
  return cells.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

function shown(value: string | number | undefined): string {
  if (value === undefined) return '-';
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1);
}

/** The middle value; NaN of none. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** A folder of its own for home, state and projects, with the environment that leads there; removed at the end. */
export function openScene(parent: string = tmpdir()): {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
} {
  const dir = mkdtempSync(join(parent, 'claude-pm-bench-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  for (const folder of ['home', 'state', 'project']) mkdirSync(join(dir, folder));
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    HOME: join(dir, 'home'),
    CLAUDE_PM_STATE_DIR: join(dir, 'state'),
    TMPDIR: dir,
    // npm would otherwise ask its registry for a newer npm during the first call.
    npm_config_update_notifier: 'false',
  };
  for (const name of Object.keys(env)) {
    const isOurs = name.startsWith('CLAUDE_PM_') && name !== 'CLAUDE_PM_STATE_DIR';
    // Further certificates double the start of a Node 20.
    if (isOurs || ['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'CLAUDECODE', 'CLAUDE_PID'].includes(name))
      Reflect.deleteProperty(env, name);
  }
  return { dir, env };
}

/** Words that start a script of ours from its bundle, built now where it is older than the sources. */
export function bundled(script: string): string[] {
  const isBundle = (words: readonly string[]): boolean => words.at(-1)?.endsWith('.mjs') ?? false;
  const words = leanCommand(script);
  if (isBundle(words)) return words;
  const build = spawnSync(process.execPath, [join(toolkitRoot(), 'tools', 'build.mjs')], {
    encoding: 'utf8',
  });
  const built = leanCommand(script);
  if (build.status !== 0 || !isBundle(built)) throw new Error(`the bundle cannot be built: ${build.stderr}`);
  return built;
}

/** Whether a program is in PATH. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

export const PARALLEL_MISSING =
  'GNU parallel, the other side: apt-get install parallel (Debian, Ubuntu), dnf install parallel, brew install parallel';

interface CpuTimes {
  /** User and system time of the process itself, all its threads. */
  readonly ownMs: number;
  /** The same of its children and theirs, once they were waited for. */
  readonly childrenMs: number;
}

/** CPU of a process so far, in steps of 10 ms; undefined where it is gone. Source: proc_pid_stat(5), fields 14 to 17. */
export function readCpu(pid: number | 'self'): CpuTimes | undefined {
  const text = unlessHidden(() => readShortFile(`/proc/${pid}/stat`));
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user = NaN, system = NaN, childrenUser = NaN, childrenSystem = NaN] = fields
    .slice(11, 15)
    .map(Number);
  return { ownMs: (user + system) * TICK_MS, childrenMs: (childrenUser + childrenSystem) * TICK_MS };
}

/** CPU of everything that `deed` started and waited for, ms. */
export function childrenCpuMs(deed: () => void): number {
  const before = readCpu('self')?.childrenMs ?? NaN;
  deed();
  return (readCpu('self')?.childrenMs ?? NaN) - before;
}

/** A process and all below it, by parent, as they are now. */
export function treeOf(pid: number): number[] {
  const table = readProcessTable();
  const tree = new Set([pid]);
  for (let before = 0; before < tree.size;) {
    before = tree.size;
    for (const { pid: child, parentPid } of table.values()) if (tree.has(parentPid)) tree.add(child);
  }
  return [...tree].filter((member) => table.has(member));
}

/** Proportional memory of these processes, bytes. */
export function pssOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (readPss(pid) ?? 0), 0);
}

/** Uniform numbers from 0 to 1 that are the same in every run (Mulberry32, a 32-bit generator in the public domain). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
