/**
 * What does one call of the gate cost a client? The median of the bundled hook may take at most 1.5 times plain `node -e 0`
 * and 50 MB; eight at once, as a message with eight calls brings them, finish within one second on two cores.
 *
 *   npx tsx bench/hook.ts [--rounds 9] [--json]
 *
 * CPU is user and system time of the call, the median of rounds in which every way has its turn, several calls in a row (the
 * kernel counts in steps of 10 ms); wall time stands beside it, and on a busy machine says more of the machine than of the hook.
 * The events are the life of one sub-agent beside three others, in a project with its settings worked out and compiled
 * code kept, as from the second call on.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOOK_EVENTS, type HookWord } from '../lib/policy/hook-event.ts';
import { MIB } from '../lib/units.ts';
import {
  bundled,
  childrenCpuMs,
  count,
  median,
  openScene,
  pssOf,
  readFlags,
  sleep,
  tell,
} from './support.ts';

const MOST_RATIO = 1.5;
const MOST_MB = 50;
const MOST_SECONDS = 1;
const AT_ONCE = 8;
/** Calls of one way in one round. */
const RUNS_PER_SAMPLE = 8;

const flags = readFlags('npx tsx bench/hook.ts [--rounds N] [--json]', { rounds: '9' });
const rounds = count('rounds', flags.rounds);
const { dir, env: scene } = openScene();
const project = join(dir, 'project');
const module = bundled('claude-hook').at(-1) ?? '';
const hook = module.replace(/\.mjs$/, '.cjs');
const emptyModule = join(dir, 'empty.mjs');
writeFileSync(emptyModule, '');
const env = { ...scene, CLAUDE_PROJECT_DIR: project, CLAUDE_PID: String(process.pid) };
mkdirSync(join(project, '.claude'), { recursive: true });
// All that run here fit on any machine.
writeFileSync(
  join(project, '.claude-pm.yaml'),
  'memory_management: { max_concurrent_agents: 20, memory_per_agent_gb: 0.25, coordinator_memory_gb: 0 }\n',
);

let calls = 0;
const agentCall = (fields: object): object => ({ tool_name: 'Agent', tool_input: { prompt: 'x'.repeat(2000), subagent_type: 'general-purpose' }, ...fields }); // prettier-ignore

/** What is said of one sub-agent, in its order. */
function lifeOf(number: number): [HookWord, object][] {
  const id = `a${String(number).padStart(8, '0')}`;
  const call = `toolu_${number}`;
  return [
    ['pre-tool-use', agentCall({ tool_use_id: call })],
    ['subagent-start', { agent_id: id, agent_type: 'general-purpose' }],
    ['subagent-stop', { agent_id: id, agent_type: 'general-purpose', background_tasks: [] }],
    ['post-tool-use', agentCall({ tool_use_id: call, tool_response: { status: 'completed', agentId: id } })],
    ['stop', { background_tasks: [{ id: 'a0000000f', type: 'subagent', status: 'running' }] }],
  ];
}

function textOf(word: HookWord, fields: object): string {
  return JSON.stringify({
    session_id: `bench-${process.pid}`,
    hook_event_name: HOOK_EVENTS[word],
    ...fields,
  });
}

interface Sample {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** One call. */
function called(words: readonly string[], input = ''): void {
  const { status, stderr, stdout } = spawnSync(process.execPath, words, { env, input, encoding: 'utf8' });
  if (status !== 0 || stderr !== '' || stdout.includes('systemMessage'))
    throw new Error(`${words.join(' ')}: exit ${status} ${stderr}${stdout}`);
}

const samples = new Map<string, Sample[]>();

/** Calls of one way in a row; their mean is one sample, so that the kernel's steps are spread over all of them. */
function block(way: string, words: readonly string[], inputs: readonly string[]): void {
  const startMs = performance.now();
  const cpuMs = childrenCpuMs(() => {
    for (const input of inputs) called(words, input);
  });
  const wallMs = performance.now() - startMs;
  const sample = { cpuMs: cpuMs / inputs.length, wallMs: wallMs / inputs.length };
  samples.set(way, [...(samples.get(way) ?? []), sample]);
}

/** Each way several times: the lives of as many sub-agents, event by event. */
function round(): void {
  const nothing = Array.from({ length: RUNS_PER_SAMPLE }, () => '');
  block('node -e 0', ['-e', '0'], nothing);
  block('node empty.mjs', [emptyModule], nothing);
  const lives = nothing.map(() => lifeOf((calls += 1)));
  const textsOf = (word: HookWord, at: number): string[] =>
    lives.map((life) => textOf(word, life[at]?.[1] ?? {}));
  for (const [at, [word]] of lifeOf(0).entries()) block(word, [hook, word], textsOf(word, at));
  block('pre-tool-use, .mjs', [module, 'pre-tool-use'], textsOf('pre-tool-use', 0));
  for (const text of textsOf('post-tool-use-failure', 0)) called([hook, 'post-tool-use-failure'], text);
}

/** Three others that hold shares meanwhile, and everything worked out and compiled once. */
for (const number of [9001, 9002, 9003])
  for (const [word, fields] of lifeOf(number).slice(0, 2)) called([hook, word], textOf(word, fields));
round();
samples.clear();
for (let at = 0; at < rounds; at += 1) round();

/** PSS of a hook that has been started and waits for its event; alone on the machine nothing of Node is shared. */
async function standing(words: readonly string[]): Promise<{ pss: number; rss: number }> {
  const child = spawn(process.execPath, words, { env, stdio: ['pipe', 'ignore', 'ignore'] });
  const pid = child.pid ?? 0;
  await sleep(500);
  const rss = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  const pss = pssOf([pid]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { pss: pss / MIB, rss: rss / MIB };
}

/** Eight calls of one message, from the first start to the last end, seconds. */
async function atOnce(): Promise<number> {
  const startMs = performance.now();
  const ends = Array.from({ length: AT_ONCE }, async () => {
    const [[word, fields] = ['stop', {}] as [HookWord, object]] = lifeOf((calls += 1));
    const child = spawn(process.execPath, [hook, word], { env, stdio: ['pipe', 'ignore', 'inherit'] });
    child.stdin.end(textOf(word, fields));
    await once(child, 'exit');
  });
  await Promise.all(ends);
  const tookS = (performance.now() - startMs) / 1000;
  called([hook, 'session-end'], textOf('session-end', { reason: 'other' }));
  return tookS;
}

const crowd: number[] = [];
for (let at = 0; at < Math.max(5, Math.ceil(rounds / 3)); at += 1) crowd.push(await atOnce());
const { pss, rss } = await standing([hook, 'pre-tool-use']);
rmSync(project, { recursive: true, force: true });

const medianOf = (way: string, of: keyof Sample): number =>
  median((samples.get(way) ?? []).map((sample) => sample[of]));
const plain = { cpu: medianOf('node -e 0', 'cpuMs'), wall: medianOf('node -e 0', 'wallMs') };
const rows = [...samples.keys()].map((way) => ({
  way,
  'CPU ms': medianOf(way, 'cpuMs'),
  'x node -e 0': medianOf(way, 'cpuMs') / plain.cpu,
  'wall ms': medianOf(way, 'wallMs'),
  'wall x': medianOf(way, 'wallMs') / plain.wall,
}));
const events = rows.filter(({ way }) => way in HOOK_EVENTS);
tell(
  {
    question: `What does a hook's call cost? Median of ${rounds} × ${RUNS_PER_SAMPLE}`,
    rows,
    bounds: [
      ...events.map(({ way, 'x node -e 0': ratio }) => ({
        what: `${way} / node -e 0`,
        measured: ratio,
        most: MOST_RATIO,
        unit: ' x',
      })),
      {
        what: 'memory of a hook: most resident, so PSS is at most that',
        measured: rss,
        most: MOST_MB,
        unit: ' MB',
      },
      { what: `${AT_ONCE} at once, median`, measured: median(crowd), most: MOST_SECONDS, unit: ' s' },
    ],
    missing: [],
    notes: [
      `PSS of the same hook beside other Nodes: ${pss.toFixed(1)} MB`,
      `${AT_ONCE} at once, longest: ${Math.max(...crowd).toFixed(2)} s`,
    ],
  },
  flags.json,
);
