/** One agent leaks at 1 GB/s beside three good ones: who goes, by whose hand, in each order of start? Ours, and a look every two seconds. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { MIB } from '../lib/units.ts';
import { readProcessTable } from '../lib/probe/processes.ts';
import { openBudgetGroup, type BudgetGroup } from './budget-group.ts';
import { bundled, sleep, treeOf, type Bound } from './support.ts';
import {
  GRACE,
  GROUP_MISSING,
  leakWords,
  load,
  readLeak,
  scene,
  start,
  streamsFile,
  textOf,
  warm,
  type Part,
} from './guard-support.ts';

const GOOD = 3;
const GOOD_MB = 300;
const GOOD_LIMIT_MB = 500;
const CULPRIT_LIMIT_MB = 700;
const CULPRIT_MB_PER_S = 1000;
const FREE_ABOVE_MB = 1024;
/** The runner itself, shells, page cache of the outputs. */
const BESIDE_MB = 200;
const BUDGET_MB = GOOD * GOOD_MB + CULPRIT_LIMIT_MB + FREE_ABOVE_MB + BESIDE_MB;
/** Good ones are at their size by then, and have that long to go. */
const CULPRIT_DELAY_MS = 1000;
const GOOD_HOLD_MS = 3500;
const PLAIN_MS = 2000;

interface Agent {
  readonly id: string;
  readonly command: readonly string[];
  readonly memory: string;
  readonly limit: string;
}

interface Outcome {
  readonly goodDone: number;
  /** ours: told as stopped by us, the leak itself or a tool of its agent. */
  readonly culprit: string;
  readonly isRight: boolean;
  readonly overMb: number | undefined;
  readonly mbPerS: number | undefined;
  readonly kernelKills: number | undefined;
}

export const measureCulprit: Part = async () => {
  const rows = [];
  const outcomes: Outcome[] = [];
  let inGroup = false;
  for (const asChild of [false, true]) {
    for (let place = 0; place <= GOOD; place += 1) {
      const sides = [
        { guard: 'coordination-memory run', isOurs: true, run: runOurs },
        // As a plain guard sees processes, a child or the agent makes no difference: one of the two is enough.
        ...(asChild ? [] : [{ guard: `a look every ${PLAIN_MS / 1000} s, then KILL`, isOurs: false, run: runPlain }]),
      ]; // prettier-ignore
      for (const { guard, isOurs, run } of sides) {
        const outcome = await inBudget((group) => run(agents(place, asChild), group, asChild));
        inGroup = outcome.kernelKills !== undefined;
        if (isOurs) outcomes.push(outcome);
        rows.push({
          guard,
          leak: asChild ? 'child' : 'agent',
          started: `${place + 1}.`,
          'good done': `${outcome.goodDone} of ${GOOD}`,
          culprit: outcome.culprit,
          'over MB': outcome.overMb,
          'MB/s reached': outcome.mbPerS,
          'kernel kills': outcome.kernelKills,
          load: load(),
        });
      }
    }
  }
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
  const bounds: Bound[] = [
    { what: 'ours: good agents lost', measured: sum(({ goodDone }) => GOOD - goodDone), most: 0, unit: '' },
    { what: 'ours: culprits that were not stopped rightly', measured: sum(({ isRight }) => Number(!isRight)), most: 0, unit: '' },
    { what: 'ours: kernel kills', measured: sum(({ kernelKills }) => kernelKills ?? 0), most: 0, unit: '' },
  ]; // prettier-ignore
  return {
    question: `A leak of 1 GB/s (limit ${CULPRIT_LIMIT_MB} MB) beside ${GOOD} good agents of ${GOOD_MB} MB, 1 GB free above: who goes? (${inGroup ? `memory cgroup of ${BUDGET_MB} MB` : 'on the machine'})`,
    rows,
    bounds,
    missing: inGroup ? [] : [GROUP_MISSING],
    notes: [
      'where a child of an agent is the leak, the child goes, and its agent reads exit 137 and goes on to its own end',
    ],
  };
};

const recordOf = (id: string): string => join(scene.dir, `leak-${id}`);
const CODE_FILE = join(scene.dir, 'tool-code');

/** Three good ones, and the culprit at its place among them. */
function agents(place: number, asChild: boolean): Agent[] {
  const good = Array.from({ length: GOOD }, (_, at) => ({
    id: `good${at}`,
    command: leakWords(recordOf(`good${at}`), { mbPerS: 400, mostMb: GOOD_MB - 5, holdMs: GOOD_HOLD_MS }),
    memory: `${GOOD_MB}MB`,
    limit: `${GOOD_LIMIT_MB}MB`,
  }));
  const leak = leakWords(recordOf('culprit'), {
    mbPerS: CULPRIT_MB_PER_S,
    mostMb: 2 * BUDGET_MB,
    holdMs: 0,
    delayMs: CULPRIT_DELAY_MS,
  });
  // The agent itself holds nothing; what its tool's end was like is its own end.
  const agent = ['sh', '-c', 'f=$0; "$@"; code=$?; echo $code > "$f"; test $code = 137', CODE_FILE, ...leak];
  const culprit = {
    id: 'culprit',
    command: asChild ? agent : leak,
    memory: `${GOOD_MB}MB`,
    limit: `${CULPRIT_LIMIT_MB}MB`,
  };
  return [...good.slice(0, place), culprit, ...good.slice(place)];
}

async function inBudget(run: (group: BudgetGroup | undefined) => Promise<Outcome>): Promise<Outcome> {
  for (const id of ['culprit', ...Array.from({ length: GOOD }, (_, at) => `good${at}`)])
    rmSync(recordOf(id), { force: true });
  rmSync(CODE_FILE, { force: true });
  warm(BUDGET_MB);
  const group = openBudgetGroup(BUDGET_MB * MIB);
  try {
    return await run(group);
  } finally {
    await group?.close();
  }
}

let epics = 0;

async function runOurs(
  streams: readonly Agent[],
  group: BudgetGroup | undefined,
  asChild: boolean,
): Promise<Outcome> {
  const share = ['--set', 'memory_management.coordinator_memory_gb=0'];
  const words = ['run', '--streams', streamsFile('culprit', streams), '--json', ...share, ...GRACE];
  const run = start([
    ...(group?.enter ?? []),
    ...bundled('coordination-memory'),
    `culprit${(epics += 1)}`,
    ...words,
  ]);
  await run.ended;
  const results = run.summary()?.results ?? [];
  const resultOf = (id: string) => results.find(({ key }) => key.endsWith(`/${id}`));
  const culprit = resultOf('culprit');
  const tool = asChild ? textOf(CODE_FILE)?.trim() : undefined;
  const stopped = run.events().filter((event) => event.event === 'stopping');
  const leak = readLeak(recordOf('culprit'));
  return {
    goodDone: results.filter(({ key, outcome }) => key.includes('/good') && outcome === 'done').length,
    culprit: asChild ? `${culprit?.outcome ?? 'lost'}, tool's exit ${tool ?? '?'}` : (culprit?.outcome ?? 'lost'),
    isRight:
      stopped.length === 1 &&
      stopped[0]?.key.endsWith('/culprit') === true &&
      (asChild ? culprit?.outcome === 'done' && tool === '137' : culprit?.outcome === 'killed-limit'),
    overMb: leak && leak.mb - CULPRIT_LIMIT_MB,
    mbPerS: leak?.mbPerS,
    kernelKills: group && group.kernelKills() + (run.summary()?.killedByKernel ?? NaN),
  }; // prettier-ignore
}

/** The same four, started by hand in this order, and a look at their trees every two seconds. */
async function runPlain(streams: readonly Agent[], group: BudgetGroup | undefined): Promise<Outcome> {
  const children = streams.map(({ id, command, limit }) => {
    const [program = '', ...words] = [...(group?.enter ?? []), ...command];
    const child = spawn(program, words, { stdio: 'ignore' });
    return { id, child, limitBytes: parseInt(limit, 10) * MIB, end: endOf(child) };
  });
  let ours = 0;
  const looks = setInterval(() => {
    const table = readProcessTable();
    for (const { child, limitBytes } of children) {
      const tree = treeOf(child.pid ?? 0);
      const bytes = tree.reduce((sum, pid) => sum + (table.get(pid)?.residentBytes ?? 0), 0);
      if (bytes > limitBytes && child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        ours += 1;
      }
    }
  }, PLAIN_MS);
  const ends = await Promise.all(children.map(async ({ id, end }) => ({ id, code: await end })));
  clearInterval(looks);
  // The kernel's counter follows its kill by a moment.
  await sleep(50);
  const leak = readLeak(recordOf('culprit'));
  return {
    goodDone: ends.filter(({ id, code }) => id !== 'culprit' && code === 0).length,
    culprit: ours > 0 ? 'killed by the look' : ends.some(({ id, code }) => id === 'culprit' && code !== 0) ? 'killed by the kernel' : 'done',
    isRight: ours === 1,
    overMb: leak && leak.mb - CULPRIT_LIMIT_MB,
    mbPerS: leak?.mbPerS,
    kernelKills: group?.kernelKills(),
  }; // prettier-ignore
}

const endOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? -1));
  });
