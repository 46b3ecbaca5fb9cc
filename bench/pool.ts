/**
 * What does reusing agents save, and does a task ever get lost or done twice? Twelve tasks through a pool of two, against twelve
 * fresh processes four at a time and all at once; then a thousand tasks through four live agents, whose callers and agents are
 * killed at random.
 *
 *   npx tsx bench/pool.ts [--part memory|kills|all] [--tasks 1000] [--callers 6] [--seed 1000] [--turn-ms 3000] [--json]
 *
 * Workers are Node programs that load the TypeScript compiler and translate a source file for each task. Clients of Claude
 * Code are measured too where `claude` is in PATH, against a stand-in API on this machine (bench/stand-in-api.ts). Memory is the
 * highest sum of PSS over all of the agents' processes, looked at every 25 ms; start-up is what each worker measured of itself,
 * from its process's start to its readiness. Everything runs through the real scripts.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIdentity } from '../lib/probe/identity.ts';
import { readProcessTable, readTag } from '../lib/probe/processes.ts';
import type { PoolState } from '../lib/pool-model.ts';
import { MIB } from '../lib/units.ts';
import { openStandInApi, PID_HEADER } from './stand-in-api.ts';
import {
  bundled,
  count,
  isInstalled,
  openScene,
  pssOf,
  readFlags,
  seeded,
  sleep,
  tell,
  TICK_MS,
  type Bound,
} from './support.ts';

const TASKS = 12;
const MOST_MEMORY_SHARE = 30;
const LOOK_MS = 25;

const flags = readFlags(
  'npx tsx bench/pool.ts [--part memory|kills|all] [--tasks N] [--callers N] [--seed N] [--claude PROGRAM] [--turn-ms N] [--json]',
  {
    part: 'all',
    tasks: '1000',
    callers: '6',
    seed: '1000',
    claude: process.env['CLAUDE_BIN'] || 'claude',
    'turn-ms': '3000',
  },
);
const { dir, env } = openScene();
const project = join(dir, 'project');
const state = join(dir, 'state');
const run = bundled('coordination-memory');
const pool = bundled('agent-pool');
const rows: Record<string, string | number | undefined>[] = [];
const bounds: Bound[] = [];
const missing: string[] = [];
const notes: string[] = [];

/** Takes one task on its command line, or task after task on stdin; notes how long its start took, and each task that it finished. */
const WORKER = `
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
const plain = process.env.PLAIN === '1';
const ts = plain ? undefined : (await import(process.env.TYPESCRIPT)).default;
appendFileSync(process.env.STARTS, performance.now() + '\\n');
async function work(task) {
  const pause = Number(/sleep (\\d+)/.exec(task)?.[1] ?? 0);
  if (pause > 0) await sleep(pause);
  const nonce = randomUUID();
  if (plain) return nonce;
  const text = readFileSync(process.env.SOURCE, 'utf8');
  for (let at = 0; at < 20; at++) ts.transpileModule(text, { compilerOptions: { target: 'es2022' } });
  return nonce;
}
const once = process.argv[2];
if (once !== undefined) console.log(await work(once));
else
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, task } = JSON.parse(line);
    const answer = await work(task);
    // One write: the answer is in the file, whole, or the task is not done.
    process.stdout.write(JSON.stringify({ id, answer }) + '\\n');
    appendFileSync(process.env.DONE, id + ' ' + answer + '\\n');
  }
`;
const worker = join(dir, 'worker.mjs');
writeFileSync(worker, WORKER);
const starts = join(dir, 'starts.txt');
const done = join(dir, 'done.txt');
Object.assign(env, {
  STARTS: starts,
  DONE: done,
  TYPESCRIPT: new URL('../node_modules/typescript/lib/typescript.js', import.meta.url).href,
  SOURCE: new URL('../lib/act/runner.ts', import.meta.url).pathname,
});

/** How long clients ran before their first prompts, ms, by pid. */
const clientStarts = new Map<number, number>();

/** What one way of doing twelve tasks took. */
interface Way {
  readonly peakMb: number;
  readonly wallS: number;
  readonly startS: number;
  readonly processes: number;
}

function settings(kinds: object): void {
  writeFileSync(join(project, '.claude-pm.yaml'), JSON.stringify({ agents: kinds }));
}

/** The agents' processes of this scene: they bear a lease and our state folder. */
function agents(): number[] {
  return [...readProcessTable().keys()].filter(
    (pid) => readTag(pid, 'CLAUDE_PM_STATE_DIR') === state && readTag(pid, 'CLAUDE_PM_LEASE') !== undefined,
  );
}

async function way(kind: string, slots: number, isPooled: boolean): Promise<Way> {
  const streams = Array.from({ length: TASKS }, (_, at) => ({
    id: `S${at}`,
    issue: 1,
    kind,
    prompt: `task ${at}`,
  }));
  const file = join(dir, 'streams.json');
  writeFileSync(file, JSON.stringify({ streams }));
  writeFileSync(starts, '');
  clientStarts.clear();
  const flagsOfRun = [
    'run',
    '--streams',
    file,
    ...(isPooled ? ['--pool'] : []),
    '--set',
    `memory_management.max_concurrent_agents=${slots}`,
    '--set',
    'pool.size=2',
    '--set',
    'memory_management.coordinator_memory_gb=0',
  ];
  const [program = '', ...words] = [...run, `${kind}-${slots}-${isPooled ? 'pool' : 'fresh'}`, ...flagsOfRun];
  const startedMs = performance.now();
  const child = spawn(program, words, { cwd: project, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let peakBytes = 0;
  const seen = new Set<number>();
  for (;;) {
    const pids = agents();
    for (const pid of pids) seen.add(pid);
    peakBytes = Math.max(peakBytes, pssOf(pids));
    const code = await Promise.race([ended, sleep(LOOK_MS).then(() => undefined)]);
    if (code === undefined) continue;
    if (code !== 0) throw new Error(`the run of ${kind} ended with ${code}:\n${said}`);
    break;
  }
  const wallS = (performance.now() - startedMs) / 1000;
  spawnSync(pool[0] ?? '', [...pool.slice(1), 'stop', '--all'], { cwd: project, env });
  const told = readFileSync(starts, 'utf8').split('\n').filter(Boolean).map(Number);
  const ownStarts = [...told, ...clientStarts.values()];
  return {
    peakMb: peakBytes / MIB,
    wallS,
    startS: ownStarts.reduce((sum, ms) => sum + ms, 0) / 1000,
    processes: Math.max(seen.size, ownStarts.length),
  };
}

async function compare(kind: string, name: string): Promise<void> {
  const fresh12 = await way(kind, TASKS, false);
  const fresh4 = await way(kind, 4, false);
  const pooled = await way(kind, 4, true);
  const told = (what: string, { peakMb, wallS, startS, processes }: Way): void =>
    void rows.push({ what: `${name}, ${what}`, processes, 'peak MB': peakMb, 'start-up s': startS, 'time s': wallS }); // prettier-ignore
  told('12 fresh, all at once', fresh12);
  told('12 fresh, 4 at a time', fresh4);
  told('12 through a pool of 2', pooled);
  bounds.push({
    what: `${name}: peak memory of the pool in that of all twelve at once`,
    measured: (100 * pooled.peakMb) / fresh12.peakMb,
    most: MOST_MEMORY_SHARE,
    unit: ' %',
  });
  bounds.push({ what: `${name}: start-up time of the pool in that of 12 fresh, 4 at a time`, measured: (100 * pooled.startS) / fresh4.startS, most: 50, unit: ' %' }); // prettier-ignore
  notes.push(
    `${name}: ${(100 - (100 * pooled.peakMb) / fresh12.peakMb).toFixed(1)} % less memory than all twelve at once, ${(fresh4.startS - pooled.startS).toFixed(1)} s of start-up saved against 4 at a time`,
  );
}

async function measureMemory(): Promise<void> {
  const one = { memory: '200MB', limit: '1GB' };
  settings({
    worker: { ...one, command: ['node', worker, '{prompt}'], pool: { command: ['node', worker] } },
  });
  await compare('worker', 'Node worker');
  if (!isInstalled(flags.claude)) {
    missing.push(
      'clients of Claude Code: npm i -g @anthropic-ai/claude-code, CLAUDE_BIN=/path/to/claude, or --claude PROGRAM',
    );
    return;
  }
  const api = await openStandInApi(count('turn-ms', flags['turn-ms']), noteClient);
  Object.assign(env, {
    ANTHROPIC_API_KEY: 'stand-in',
    ANTHROPIC_BASE_URL: api.url,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
  });
  // The shell becomes the client, which then tells its own pid with each prompt.
  const client = ['sh', '-c', `export ANTHROPIC_CUSTOM_HEADERS="${PID_HEADER}: $$"; exec "$0" "$@"`, flags.claude, '-p']; // prettier-ignore
  const stream = ['--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose', '--replay-user-messages']; // prettier-ignore
  settings({
    client: { memory: '400MB', limit: '2GB', command: [...client, '{prompt}', '--output-format', 'json'], pool: { command: [...client, ...stream], protocol: 'stream-json', recycle: 'fresh' } }, // prettier-ignore
  });
  try {
    await compare('client', 'Claude Code');
    const version = spawnSync(flags.claude, ['--version'], { encoding: 'utf8', env }).stdout.trim();
    notes.push(`Claude Code: ${version}; ${api.requests()} prompts were answered by the stand-in API`);
  } finally {
    api.close();
  }
}

/** A client's first prompt has come: how old is its process? In steps of 10 ms, the kernel's. */
function noteClient(pid: number): void {
  if (clientStarts.has(pid)) return;
  const startTicks = readIdentity(pid)?.startTicks;
  if (startTicks === undefined) throw new Error(`a prompt came from pid ${pid}, which is not there`);
  const upMs = 1000 * Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  clientStarts.set(pid, upMs - startTicks * TICK_MS);
}

interface Tally {
  readonly answers: Map<string, Set<string>>;
  callersKilled: number;
  agentsKilled: number;
  calls: number;
  /** The most agents that were in the pool at once, at any look. */
  mostAgents: number;
}

/** One caller: submits the task until it is answered; now and then it is killed, as a user's shell may be. */
async function callUntilAnswered(
  id: string,
  text: string,
  chance: () => number,
  tally: Tally,
): Promise<void> {
  for (;;) {
    tally.calls += 1;
    const [program, ...words] = [
      ...pool,
      'submit',
      '--kind',
      'worker',
      '--id',
      id,
      '--raw',
      '--retry',
      '3',
      text,
    ];
    const child: ChildProcess = spawn(program, words, {
      cwd: project,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    let complaint = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const isDoomed = chance() < 0.1;
    if (isDoomed) {
      await Promise.race([ended, sleep(60 + 500 * chance())]);
      if (child.exitCode === null && child.kill('SIGKILL')) tally.callersKilled += 1;
    }
    const code = await ended;
    if (said.trim() !== '') tally.answers.set(id, (tally.answers.get(id) ?? new Set()).add(said.trim()));
    if (code === 0) return;
    if (code !== null && code !== 75) throw new Error(`submit of ${id} ended with ${code}: ${complaint}`);
  }
}

/** The pids of the agents that the pool has now. */
function poolPids(): number[] {
  const file = join(state, 'pool', 'pool.json');
  if (!existsSync(file)) return [];
  const { agents: entries } = JSON.parse(readFileSync(file, 'utf8')) as PoolState;
  return entries.flatMap(({ process }) => (process ? [process.pid] : []));
}

async function measureKills(): Promise<void> {
  const tasks = count('tasks', flags.tasks);
  const callers = count('callers', flags.callers);
  env['PLAIN'] = '1';
  writeFileSync(starts, '');
  writeFileSync(done, '');
  settings({ worker: { memory: '60MB', limit: '500MB', pool: { command: ['node', worker] } } });
  const chance = seeded(count('seed', flags.seed));
  const tally: Tally = { answers: new Map(), callersKilled: 0, agentsKilled: 0, calls: 0, mostAgents: 0 };
  const startedMs = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < tasks) {
      const at = next++;
      await callUntilAnswered(`task-${at}`, `sleep ${Math.floor(chance() * 60)}`, chance, tally);
    }
  };
  let isOver = false;
  const killer = async (): Promise<void> => {
    while (!isOver) {
      await sleep(400 + 1200 * chance());
      const pids = poolPids();
      tally.mostAgents = Math.max(tally.mostAgents, pids.length);
      const pid = pids[Math.floor(chance() * pids.length)];
      if (pid === undefined) continue;
      try {
        process.kill(pid, 'SIGKILL');
        tally.agentsKilled += 1;
      } catch {
        // Gone meanwhile.
      }
    }
  };
  const killing = killer();
  await Promise.all(Array.from({ length: callers }, caller));
  isOver = true;
  await killing;
  const wallS = (performance.now() - startedMs) / 1000;
  spawnSync(pool[0] ?? '', [...pool.slice(1), 'stop', '--all'], { cwd: project, env });

  const finished = new Map<string, Set<string>>();
  for (const line of readFileSync(done, 'utf8').split('\n').filter(Boolean)) {
    const [id = '', nonce = ''] = line.split(' ');
    finished.set(id, (finished.get(id) ?? new Set()).add(nonce));
  }
  const ids = Array.from({ length: tasks }, (_, at) => `task-${at}`);
  const lost = ids.filter((id) => !tally.answers.has(id)).length;
  const noncesOf = (id: string): string[] => [
    ...new Set([...(tally.answers.get(id) ?? []), ...(finished.get(id) ?? [])]),
  ];
  const doubles = ids.filter((id) => noncesOf(id).length > 1);
  for (const id of doubles) notes.push(`${id} was done as ${noncesOf(id).join(' and as ')}`);
  const twice = doubles.length;
  rows.push({
    what: `${tasks} tasks, ${callers} callers`,
    'agents at once': tally.mostAgents,
    processes: readFileSync(starts, 'utf8').split('\n').filter(Boolean).length,
    'time s': wallS,
    'callers killed': tally.callersKilled,
    'agents killed': tally.agentsKilled,
    calls: tally.calls,
    lost,
    'done twice': twice,
  });
  const { leases } = JSON.parse(readFileSync(join(state, 'ledger.json'), 'utf8')) as { leases: unknown[] };
  bounds.push(
    { what: 'tasks lost', measured: lost, most: 0, unit: '' },
    { what: 'tasks done twice', measured: twice, most: 0, unit: '' },
    { what: 'processes left behind', measured: agents().length, most: 0, unit: '' },
    { what: 'shares left behind', measured: leases.length, most: 0, unit: '' },
  );
}

mkdirSync(project, { recursive: true });
if (flags.part !== 'kills') await measureMemory();
if (flags.part !== 'memory') await measureKills();
tell(
  {
    question: 'What does reusing agents save, and is a task ever lost or done twice?',
    rows,
    bounds,
    missing,
    notes,
  },
  flags.json,
);
