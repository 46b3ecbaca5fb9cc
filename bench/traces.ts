/** How close to an oracle do our rules pack real traces of agents, with how many kills, and where do the rules of others stand? */
import { readFileSync } from 'node:fs';
import { loadSettings } from '../lib/config/load.ts';
import { compileRun, type CompiledRun } from '../lib/policy/forecast.ts';
import { profileOf } from '../lib/policy/profile.ts';
import { countRule, freeRule, oracleRule, peakQuantile, reserveRule } from '../lib/policy/simulate-others.ts';
import { OUR_RULES } from '../lib/policy/our-rules.ts';
import { ourRule, SAFETY_SHARE } from '../lib/policy/simulate-ours.ts';
import {
  simLowerBoundMs,
  simulate,
  type SimResult,
  type SimRule,
  type SimTask,
} from '../lib/policy/simulate.ts';
import type { Settings } from '../lib/settings-model.ts';
import { choices } from './drawing.ts';
import { count, readFlags, tell } from './support.ts';

/** What must hold on traces like those it was made on. */
const MOST = { kills: 2, overOracle: 1.25 };
const MOST_STEPS = 60_000;
const STEP_MS = 1000;

const flags = readFlags(
  'npx tsx bench/traces.ts --traces FILE [--orders N] [--agents N] [--gb 6,12] [--history others|halves]\n' +
    '  [--scale X] [--stretch X] [--rules all|ours] [--json]\n' +
    'FILE: a JSON object a line, {"id", "mb": [the most in second 0, 1, 2 …]}, 1 MB = 10^6 bytes; so are the GB of --gb.',
  {
    traces: '',
    orders: '10',
    agents: '150',
    gb: '6,12',
    history: 'others',
    scale: '1',
    stretch: '1',
    rules: 'all',
    caution: String(OUR_RULES.cautionBesideReserve),
  },
);
if (flags.traces === '') throw new Error('--traces FILE is needed: the traces are not part of this package');

interface Trace {
  readonly id: string;
  readonly bytes: Float64Array;
  readonly run: CompiledRun;
}

function readTraces(path: string, scale: number, stretch: number): Trace[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { id, mb } = JSON.parse(line) as { id: string; mb: number[] };
      const length = Math.max(1, Math.round(mb.length * stretch));
      const bytes = Float64Array.from(
        { length },
        (_, at) => (mb[Math.min(mb.length - 1, Math.floor(at / stretch))] ?? 0) * 1e6 * scale,
      );
      const samples = Array.from(bytes, (held, at) => ({ atMs: (at + 1) * STEP_MS, bytes: held }));
      const run = compileRun({ profile: profileOf(samples), isCensored: false });
      if (run === undefined) throw new Error(`${id} has no samples`);
      return { id, bytes, run };
    });
}

/** From whom runs are drawn, and whose past runs each agent's forecast may rest on: never its own trace. */
interface Setting {
  readonly pool: readonly Trace[];
  readonly history: readonly Trace[];
}

const traces = readTraces(flags.traces, Number(flags.scale), Number(flags.stretch));
const even = traces.filter((_, at) => at % 2 === 0);
const odd = traces.filter((_, at) => at % 2 === 1);
const settingsOf: Readonly<Record<string, readonly Setting[]>> = {
  others: [{ pool: traces, history: traces }],
  halves: [
    { pool: even, history: odd },
    { pool: odd, history: even },
  ],
};
const setups = settingsOf[flags.history];
if (setups === undefined) throw new Error(`--history ${flags.history}: others or halves`);
const orders = count('orders', flags.orders);
const agents = count('agents', flags.agents);

/** The default settings, on a machine that is all budget. */
async function readSettings(budgetBytes: number): Promise<Settings> {
  const { settings } = await loadSettings({
    homeDir: undefined,
    projectDir: '/nonexistent',
    env: {},
    overrides: {},
    machineTotalBytes: budgetBytes,
  });
  const admission = {
    ...settings.admission,
    safetyBytes: budgetBytes * SAFETY_SHARE,
    lookahead: 20,
  };
  return {
    ...settings,
    maxConcurrentAgents: 1000,
    coordinatorMemoryBytes: 0,
    totalMemoryLimitBytes: Infinity,
    admission,
  };
}

interface Drawn {
  readonly tasks: readonly SimTask[];
  readonly pastOf: (task: SimTask) => readonly CompiledRun[];
}

function draw({ pool, history }: Setting, seed: number): Drawn {
  const drawn = choices(pool, agents, seed);
  const past = new Map<string, readonly CompiledRun[]>();
  const ids = new Map(drawn.map(({ id }, at) => [`${at}`, id]));
  const pastOf = ({ key }: SimTask): readonly CompiledRun[] => {
    const id = ids.get(key) ?? '';
    const known = past.get(id) ?? history.filter((trace) => trace.id !== id).map(({ run }) => run);
    past.set(id, known);
    return known;
  };
  return { tasks: drawn.map(({ bytes }, at) => ({ key: `${at}`, kind: 'agent', bytes })), pastOf };
}

function rulesFor(
  budgetBytes: number,
  settings: Settings,
  tasks: readonly SimTask[],
): ((drawn: Drawn) => SimRule)[] {
  const quantile = (share: number) => peakQuantile(tasks, share);
  const forecast = { caution: Number(flags.caution), priorBytes: budgetBytes * OUR_RULES.priorShare };
  const ours = ({ pastOf }: Drawn) =>
    ourRule({
      name: 'ours',
      settings,
      forecast,
      pastOfKind: ({ task }) => pastOf(task),
      pastOfStream: () => [],
      learns: false,
      pauses: true,
      growthBytesPerS: budgetBytes * OUR_RULES.growthSharePerS,
      admitEverySteps: 3,
    });
  const others = [
    () => reserveRule('P90 reserved', () => quantile(0.9), 20),
    () => reserveRule('P95 reserved', () => quantile(0.95), 20),
    () => reserveRule('a twelfth each', () => budgetBytes / 12, 20),
    () => freeRule('P90, not reserved', quantile(0.9)),
    () => freeRule('free above 500 MB', 500e6),
    () => countRule(16),
  ];
  return [() => oracleRule(20), ours, ...(flags.rules === 'ours' ? [] : others)];
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const rows: Record<string, string | number>[] = [];
const bounds = [];
for (const gb of flags.gb.split(',').map(Number)) {
  const budgetBytes = gb * 1e9;
  const settings = await readSettings(budgetBytes);
  const drawns = setups.flatMap((setup) => Array.from({ length: orders }, (_, at) => draw(setup, at + 1)));
  const pool = setups.flatMap(({ pool: each }) =>
    each.map(({ id, bytes }) => ({ key: id, kind: 'agent', bytes })),
  );
  const limits = { budgetBytes, stepMs: STEP_MS, mostSteps: MOST_STEPS };
  const lowerMs = mean(drawns.map(({ tasks }) => simLowerBoundMs(tasks, budgetBytes, STEP_MS)));
  rows.push({ GB: gb, rule: 'lower bound', 'makespan s': Math.round(lowerMs / 1000) });
  let oracleMs = NaN;
  for (const rule of rulesFor(budgetBytes, settings, pool)) {
    const results = drawns.map((drawn) => simulate(drawn.tasks, rule(drawn), limits));
    const of = (pick: (result: SimResult) => number): number => mean(results.map(pick));
    const name = results[0]?.rule ?? '';
    const makespanMs = of((result) => result.makespanMs);
    if (name === 'oracle') oracleMs = makespanMs;
    const unfinished = results.filter(({ isFinished }) => !isFinished).length;
    rows.push({
      GB: gb,
      rule: name,
      'makespan s': `${unfinished > 0 ? '>' : ''}${Math.round(makespanMs / 1000)}`,
      'of oracle': (makespanMs / oracleMs).toFixed(2),
      kills: of(({ kills }) => kills).toFixed(1),
      'lost s': Math.round(of(({ lostMs }) => lostMs) / 1000),
      'halted s': Math.round(of(({ pausedMs }) => pausedMs) / 1000),
      'used %': Math.round(100 * of(({ usedShare }) => usedShare)),
    });
    if (name !== 'ours') continue;
    bounds.push(
      {
        what: `kills of ${agents} at ${gb} GB`,
        measured: of(({ kills }) => kills),
        most: MOST.kills,
        unit: '',
      },
      {
        what: `makespan over the oracle's at ${gb} GB`,
        measured: makespanMs / oracleMs,
        most: MOST.overOracle,
        unit: ' ×',
      },
    );
  }
}

tell(
  {
    question: `How close to an oracle do ${traces.length} traces pack? Mean of ${orders * setups.length} orders of ${agents} agents drawn with replacement; a kill restarts from zero`,
    rows,
    bounds,
    missing: [],
    notes: [
      flags.history === 'halves'
        ? 'runs are drawn from one half of the traces, forecasts rest on the other; both ways round'
        : "an agent's forecast rests on all traces but its own",
      'a look a second: a run looks ten times as often where memory is scarce',
    ],
  },
  flags.json,
);
