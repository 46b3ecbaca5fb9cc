/** Is a child gone that took a session of its own, forked twice and ignores TERM; and was no stranger sent a signal? */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundled, type Bound } from './support.ts';
import {
  end,
  ESCAPE,
  GRACE,
  GRACE_MS,
  leakWords,
  lives,
  load,
  readLeak,
  scene,
  start,
  streamsFile,
  textOf,
  waitFor,
  type Part,
} from './guard-support.ts';

const LIMIT_MB = 300;
const MOST_MS = GRACE_MS + 1000;

interface Case {
  readonly guard: 'memory-monitor run' | 'coordination-memory run';
  /** Over its limit its agent is stopped as a whole; or it ends well and leaves the daemon behind. */
  readonly end: 'over its limit' | 'by itself';
  /** Whether the daemon keeps the environment that it was started with. */
  readonly env: 'kept' | 'cleared';
}

const CASES: readonly Case[] = [
  { guard: 'memory-monitor run', end: 'over its limit', env: 'kept' },
  { guard: 'memory-monitor run', end: 'over its limit', env: 'cleared' },
  { guard: 'coordination-memory run', end: 'over its limit', env: 'kept' },
  { guard: 'coordination-memory run', end: 'over its limit', env: 'cleared' },
  { guard: 'coordination-memory run', end: 'by itself', env: 'kept' },
  { guard: 'coordination-memory run', end: 'by itself', env: 'cleared' },
];

const daemonFile = join(scene.dir, 'daemon');
const record = join(scene.dir, 'leak-escape');

export const measureEscapes: Part = async () => {
  const strangers = await startStrangers();
  const rows = [];
  const bounds: Bound[] = [];
  try {
    for (const one of CASES) {
      const { goneMs, signals } = await escape(one);
      const what = `${one.guard}, ${one.end}, environment ${one.env}`;
      rows.push({ guard: one.guard, 'its agent ended': one.end, environment: one.env, 'gone after ms': goneMs, signals, load: load() });
      bounds.push({ what: `gone after (${what})`, measured: goneMs, most: MOST_MS, unit: ' ms' });
    } // prettier-ignore
    const gone = strangers.filter(({ pid }) => !lives(pid)).map(({ name }) => name);
    const heard = strangers.filter(({ heard }) => heard() > 0).map(({ name }) => name);
    bounds.push(
      { what: ['strangers ended', ...gone].join(', '), measured: gone.length, most: 0, unit: '' },
      { what: ['strangers that got a signal', ...heard].join(', '), measured: heard.length, most: 0, unit: '' },
    ); // prettier-ignore
  } finally {
    for (const { pid } of strangers) end(pid);
  }
  return {
    question: `A daemon with a session of its own, a double fork and no ear for TERM: how long after its agent's stop or end is it gone? (grace ${GRACE_MS / 1000} s)`,
    rows,
    bounds,
    missing: [],
    notes: [
      `strangers that ran beside it: ${strangers.map(({ name }) => name).join('; ')}`,
      'an environment that was cleared before the first look is found through its parent, or by the kernel group where there is one',
    ],
  };
};

interface Stranger {
  readonly name: string;
  readonly pid: number;
  /** Lines of its file beyond its pid: one for each signal that it got and could notice. */
  readonly heard: () => number;
}

/** Processes that resemble ours in all that one might search by. */
async function startStrangers(): Promise<Stranger[]> {
  const tagged = { ...scene.env, CLAUDE_PM_LEASE: 'f'.repeat(16) };
  const kinds = [
    { name: 'same command line, in the runner’s process group', detached: false, env: scene.env },
    { name: 'same command line, a session of its own', detached: true, env: scene.env },
    { name: 'tagged with another lease', detached: true, env: tagged },
  ];
  const strangers = kinds.map(({ name, detached, env }, at) => {
    const file = join(scene.dir, `stranger${at}`);
    const child = spawn(process.execPath, [ESCAPE, 'daemon', file], { detached, env, stdio: 'ignore' });
    child.unref();
    return { name, pid: child.pid ?? 0, file, heard: () => (textOf(file)?.split('\n').length ?? 0) - 2 };
  });
  for (const { name, file } of strangers) await waitFor(name, () => textOf(file) !== undefined);
  return strangers;
}

async function escape(one: Case): Promise<{ goneMs: number; signals: string }> {
  rmSync(daemonFile, { force: true });
  rmSync(record, { force: true });
  const bare = one.env === 'cleared' ? ' bare' : '';
  const first = `${process.execPath} ${ESCAPE} first ${daemonFile}${bare}`;
  const wait = `until test -s ${daemonFile}; do sleep 0.02; done`;
  const then =
    one.end === 'by itself'
      ? 'sleep 0.5'
      : `exec ${leakWords(record, { mbPerS: 200, mostMb: 10 * LIMIT_MB }).join(' ')}`;
  const agent = ['sh', '-c', `${first}; ${wait}; ${then}`];
  const run =
    one.guard === 'memory-monitor run'
      ? start([...bundled('memory-monitor'), 'run', '--max', `${LIMIT_MB}MB`, ...GRACE, '--', ...agent])
      : start(coordinated(agent));
  const pid = Number(await waitFor('the daemon', () => textOf(daemonFile)?.split('\n')[0]));
  try {
    const fromMs = await waitFor('the end of its agent', () => endMs(one, run));
    const goneMs = await waitFor('the end of the daemon', () => !lives(pid) && Date.now(), 15_000).catch(() => Infinity);
    await run.ended;
    return { goneMs: Math.max(0, goneMs - fromMs), signals: textOf(daemonFile)?.split('\n').slice(1, -1).join(' ') ?? '' };
  } finally {
    end(pid);
  }
} // prettier-ignore

let epics = 0;

function coordinated(command: readonly string[]): string[] {
  const streams = [{ id: 'escape', command, memory: '100MB', limit: `${LIMIT_MB}MB` }];
  const share = ['--set', 'memory_management.coordinator_memory_gb=0'];
  const words = ['run', '--streams', streamsFile('escape', streams), '--json', ...share, ...GRACE];
  return [...bundled('coordination-memory'), `escape${(epics += 1)}`, ...words];
}

/** When the stop began: when the leak was halted, or when the agent had ended. */
function endMs(one: Case, run: ReturnType<typeof start>): number | undefined {
  if (one.end === 'over its limit')
    return /LIMIT: |"event":"stopping"/.test(run.output()) ? readLeak(record)?.atMs : undefined;
  const ended = run.events().find((event) => event.event === 'end');
  return ended?.result.endedMs;
}
