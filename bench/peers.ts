/**
 * Who gets the same work done soonest in the same memory? Seeded Node processes of six kinds (plateau, ramp, late spike, leak, two
 * faces, hump), run by ours cold, by ours after one run, by GNU parallel with --memfree (tuned -j and not) and --memsuspend, and by
 * xargs at the safe count and without a limit.
 *
 *   npx tsx bench/peers.ts [--tasks 24] [--budget 2048] [--seed 1] [--json]
 *
 * Each side runs in a memory cgroup of its own where one can be made (root, v1 or v2), so that over-commitment shows as kills by
 * the kernel; else on the machine, where ours gets --budget and the others' --memfree keeps all but the budget free. A task
 * notes its start and its end; RSS of all tasks is summed ten times a second, and what belongs to no end was wasted. The lower
 * bound is the memory-time area over the budget, or the longest task. One that fails is tried again by those that can.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMemory } from '../lib/probe/memory.ts';
import { readStat } from '../lib/probe/processes.ts';
import { MIB } from '../lib/units.ts';
import { openBudgetGroup } from './budget-group.ts';
import { bundled, count, isInstalled, openScene, PARALLEL_MISSING, readCpu, readFlags, seeded, sleep, tell } from './support.ts'; // prettier-ignore

const flags = readFlags('npx tsx bench/peers.ts [--tasks N] [--budget MB] [--seed N] [--json]', {
  tasks: '24',
  budget: '2048',
  seed: '1',
});
const budgetMb = count('budget', flags.budget);
const { dir, env } = openScene();
const project = join(dir, 'project');
const LOOK_MS = 100;
const LARGEST_MB = 700;
/** What a Node holds before it holds anything. */
const NODE_MB = 45;

/** Points of memory over time: [ms, MB]. */
type Course = readonly (readonly [number, number])[];
interface Task {
  readonly name: string;
  readonly kind: string;
  readonly course: Course;
}

const random = seeded(count('seed', flags.seed));
const between = (least: number, most: number): number => Math.round(least + random() * (most - least));
const KINDS: Readonly<Record<string, () => Course>> = {
  plateau: () => { const [mb, ms] = [between(60, 120), between(1000, 2500)]; return [[0, 50], [200, mb], [ms, mb]]; },
  ramp: () => { const [mb, ms] = [between(150, 500), between(2500, 6000)]; return [[0, 50], [ms * 0.9, mb], [ms, mb]]; },
  spike: () => { const [mb, ms] = [between(250, LARGEST_MB), between(3000, 6000)]; return [[0, 50], [ms * 0.7, 80], [ms * 0.82, mb], [ms, mb]]; },
  leak: () => { const [mb, ms] = [between(100, 600), between(3000, 7000)]; return [[0, 50], [ms, mb]]; },
  faces: () => { const [mb, ms] = [random() < 0.35 ? between(400, LARGEST_MB) : between(60, 110), between(2000, 5000)]; return [[0, 50], [ms * 0.3, mb], [ms, mb]]; },
  hump: () => { const [mb, ms] = [between(200, 500), between(2000, 5000)]; return [[0, 50], [ms * 0.3, mb], [ms * 0.6, mb], [ms * 0.65, 80], [ms, 80]]; },
}; // prettier-ignore
const names = Object.keys(KINDS);
const tasks = Array.from({ length: count('tasks', flags.tasks) }, (_, at): Task => {
  const kind = names[at % names.length] ?? 'ramp';
  return { name: `${kind}-${at}`, kind, course: KINDS[kind]?.() ?? [] };
})
  .map((task) => ({ task, by: random() }))
  .sort((a, b) => a.by - b.by)
  .map(({ task }) => task);

/** Holds what its course says by its own clock, which a halt stops, and notes its start and its end. */
const program = join(dir, 'task.mjs');
writeFileSync(
  program,
  `import { appendFileSync } from 'node:fs';
const [name, log, points] = process.argv.slice(2);
const course = points.split(',').map((point) => point.split(':').map(Number));
appendFileSync(log, 'S ' + name + ' ' + process.pid + '\\n');
const held = [];
let own = 0, last = Date.now();
const step = () => {
  const now = Date.now();
  own += Math.min(now - last, 60);
  last = now;
  const at = course.findIndex(([ms]) => ms > own);
  if (at < 0) { appendFileSync(log, 'E ' + name + ' ' + process.pid + '\\n'); return; }
  const [[fromMs, fromMb], [toMs, toMb]] = [course[at - 1] ?? course[0], course[at]];
  const mb = fromMb + (toMb - fromMb) * Math.max(0, (own - fromMs) / Math.max(1, toMs - fromMs)) - ${NODE_MB};
  while (held.length * 2 < mb) held.push(Buffer.alloc(${2 * MIB}, 1));
  while (held.length * 2 > mb + 2) held.pop();
  setTimeout(step, 20);
};
step();
`,
);
const wordsOf = ({ name, course }: Task, log: string): string[] => [process.execPath, '--expose-gc', program, name, log, course.map((point) => point.join(':')).join(',')]; // prettier-ignore

interface Outcome {
  readonly seconds: number;
  readonly done: number;
  readonly attempts: number;
  readonly kernelKills: number | undefined;
  readonly wastedGbs: number;
  readonly usefulGbs: number;
  readonly cpuSeconds: number;
}

/** Runs one side to its end, whatever its exit code. Its CPU: that of all it started, less what the tasks themselves took. */
async function run(name: string, words: (log: string) => readonly string[]): Promise<Outcome> {
  const log = join(dir, `log-${name}`);
  writeFileSync(log, '');
  const group = openBudgetGroup(budgetMb * MIB);
  const input = join(dir, `input-${name}`);
  writeFileSync(input, tasks.map((task) => `${wordsOf(task, log).join(' ')}\n`).join(''));
  const fds = [openSync(input, 'r'), openSync(join(dir, `${name}.out`), 'w')];
  const [first = '', ...rest] = [...(group?.enter ?? []), ...words(log)];
  const heldMbs = new Map<string, number>();
  const taskMs = new Map<string, number>();
  const childrenBeforeMs = readCpu('self')?.childrenMs ?? 0;
  const startedMs = performance.now();
  try {
    const child = spawn(first, rest, { cwd: project, env, stdio: [...fds, fds[1] ?? 'ignore'] });
    const end = new Promise<'ended'>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => resolve('ended'));
    });
    let lookedMs = startedMs;
    while ((await Promise.race([sleep(LOOK_MS), end])) !== 'ended') {
      const nowMs = performance.now();
      for (const pid of pidsOf(log, 'S')) {
        const bytes = readStat(Number(pid))?.residentBytes ?? 0;
        heldMbs.set(pid, (heldMbs.get(pid) ?? 0) + (bytes / MIB) * ((nowMs - lookedMs) / 1000));
        const cpuMs = readCpu(Number(pid))?.ownMs;
        if (cpuMs !== undefined) taskMs.set(pid, cpuMs);
      }
      lookedMs = nowMs;
    }
    const seconds = (performance.now() - startedMs) / 1000;
    const won = new Set(pidsOf(log, 'E'));
    const gbs = (isWon: boolean): number =>
      [...heldMbs].reduce((sum, [pid, mbs]) => sum + (won.has(pid) === isWon ? mbs : 0), 0) / 1024;
    const allMs = (readCpu('self')?.childrenMs ?? 0) - childrenBeforeMs;
    return {
      seconds,
      done: new Set(lines(log, 'E').map(([, task]) => task)).size,
      attempts: pidsOf(log, 'S').length,
      kernelKills: group?.kernelKills(),
      wastedGbs: gbs(false),
      usefulGbs: gbs(true),
      cpuSeconds: Math.max(0, allMs - [...taskMs.values()].reduce((sum, ms) => sum + ms, 0)) / 1000,
    };
  } finally {
    for (const fd of fds) closeSync(fd);
    await group?.close();
  }
}

function lines(log: string, mark: 'S' | 'E'): string[][] {
  return readFileSync(log, 'utf8').split('\n').map((line) => line.split(' ')).filter(([first]) => first === mark); // prettier-ignore
}

function pidsOf(log: string, mark: 'S' | 'E'): string[] {
  return lines(log, mark).map(([, , pid = '']) => pid);
}

const streams = join(dir, 'streams.json');
const ours = (log: string): string[] => {
  const list = tasks.map((task) => ({ id: task.name, kind: task.kind, command: wordsOf(task, log), limit: `${budgetMb}MB`, heap: '64MB' })); // prettier-ignore
  writeFileSync(streams, JSON.stringify(list));
  const set = ['memory_management.coordinator_memory_gb=0', 'memory_management.max_concurrent_agents=400', 'memory_management.cleanup_timeout=1', 'admission.limited_mb=0', 'admission.sequential_mb=0']; // prettier-ignore
  return [...bundled('coordination-memory'), 'peers', 'run', '--streams', streams, '--budget', `${budgetMb}MB`, ...set.flatMap((one) => ['--set', one])]; // prettier-ignore
};

const probe = openBudgetGroup(budgetMb * MIB);
await probe?.close();
/** On the machine all but the budget, and this much of it, must stay free. */
const besideMb = probe ? 0 : Math.max(0, Math.floor(readMemory().availableBytes / MIB) - budgetMb);
const keep = (mb: number): string => `${Math.round(besideMb + mb)}M`;
const hasParallel = isInstalled('parallel');
const hasXargs = isInstalled('xargs');
env['PARALLEL_HOME'] = join(dir, 'parallel');
mkdirSync(env['PARALLEL_HOME']);
const parallel = ['parallel', '--plain', '--will-cite', '--retries', '20'];
const xargs = (atOnce: number): string[] => ['xargs', '-d', '\n', '-P', String(atOnce), '-n', '1', 'sh', '-c', 'eval "$0" || exit 1']; // prettier-ignore
const safe = Math.max(1, Math.floor(budgetMb / (LARGEST_MB + NODE_MB)));
const tuned = Math.max(2, Math.round(budgetMb / 256));
type Side = readonly [name: string, words: (log: string) => readonly string[], isHere: boolean];
const sides: readonly Side[] = [
  ['ours, knowing nothing', ours, true],
  ['ours, after one run', ours, true],
  [`parallel --memfree ${keep(budgetMb / 4)}`, () => [...parallel, `-j${tasks.length}`, '--memfree', keep(budgetMb / 4)], hasParallel],
  [`parallel --memfree ${keep(budgetMb / 5)} -j${tuned} --delay .1`, () => [...parallel, `-j${tuned}`, '--delay', '0.1', '--memfree', keep(budgetMb / 5)], hasParallel],
  [`parallel --memsuspend ${keep(budgetMb / 4)}`, () => [...parallel, `-j${tasks.length}`, '--memsuspend', keep(budgetMb / 4)], hasParallel],
  [`xargs -P ${safe} (the safe count)`, () => xargs(safe), hasXargs],
  // Without a group the kernel would choose among everything on the machine.
  ['xargs -P 0', () => xargs(0), hasXargs && probe !== undefined],
]; // prettier-ignore

const outcomes: { readonly name: string; readonly outcome: Outcome }[] = [];
for (const [at, [name, words, isHere]] of sides.entries())
  if (isHere) outcomes.push({ name, outcome: await run(`side${at}`, words) });

const areaGbs = Math.max(...outcomes.filter(({ outcome }) => outcome.done === tasks.length).map(({ outcome }) => outcome.usefulGbs), 0); // prettier-ignore
const longestSeconds = Math.max(...tasks.map(({ course }) => course.at(-1)?.[0] ?? 0)) / 1000;
const boundSeconds = Math.max(areaGbs / (budgetMb / 1024), longestSeconds);
const ourSides = outcomes.filter(({ name }) => name.startsWith('ours'));
tell(
  {
    question: `${tasks.length} tasks of ${NODE_MB} to ${LARGEST_MB} MB in ${budgetMb} MB (${probe ? 'a memory cgroup' : 'on the machine'}): who is done first? No schedule can be before ${boundSeconds.toFixed(1)} s.`,
    rows: outcomes.map(({ name, outcome }) => ({
      runner: name,
      done: `${outcome.done} of ${tasks.length}`,
      'time s': outcome.seconds,
      'over the bound': outcome.seconds / boundSeconds,
      attempts: outcome.attempts,
      'kernel kills': outcome.kernelKills,
      'wasted GB s': outcome.wastedGbs,
      'own CPU s': outcome.cpuSeconds,
    })),
    bounds: ourSides.flatMap(({ name, outcome }) => [
      { what: `tasks not done, ${name}`, measured: tasks.length - outcome.done, most: 0, unit: '' },
      { what: `kernel kills, ${name}`, measured: outcome.kernelKills ?? 0, most: 0, unit: '' },
    ]),
    missing: [
      ...(hasParallel ? [] : [PARALLEL_MISSING]),
      ...(hasXargs ? [] : ['xargs: install findutils']),
      ...(probe ? [] : ['a memory cgroup (root and a v1 or v2 memory controller): kills by the kernel are not counted, and xargs without a limit is left out']), // prettier-ignore
    ],
    notes: [
      "Own CPU: all that a side started, less what its tasks took at the last look at each; a task's last tenth of a second counts as the side's.",
    ],
  },
  flags.json,
);
if (existsSync(dir)) rmSync(dir, { recursive: true, force: true });
