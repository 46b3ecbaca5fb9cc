/** What does the guard take while nothing happens: CPU and memory of the runner, beside a Node that does nothing? */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readProcessTable } from '../lib/probe/processes.ts';
import { MIB } from '../lib/units.ts';
import { bundled, pssOf, readCpu, sleep, treeOf, type Bound } from './support.ts';
import { load, scene, start, streamsFile, waitFor, type Part } from './guard-support.ts';

interface Forest {
  readonly trees: number;
  readonly processes: number;
  readonly limitMb: number;
  /** undefined: shown, not held to. */
  readonly mostCpu: number | undefined;
  readonly mostMb: number | undefined;
}

/** How often the guard looks depends on how near a limit is: 2 GB is what `profile: auto` gives an agent on 24 GB. */
const FORESTS: readonly Forest[] = [
  { trees: 16, processes: 130, limitMb: 2048, mostCpu: 1, mostMb: 60 },
  { trees: 200, processes: 200, limitMb: 2048, mostCpu: 5, mostMb: undefined },
  { trees: 16, processes: 130, limitMb: 256, mostCpu: undefined, mostMb: undefined },
];
/** Young agents are looked at more often. */
const SETTLE_MS = 10_000;
const MEASURE_MS = 30_000;
const LIFE_S = 600;

export const measureRest: Part = async () => {
  const idle = await measureIdle();
  const rows: Record<string, string | number | undefined>[] = [
    { who: 'a Node that does nothing', 'CPU %': idle.cpuPercent, 'PSS MB': idle.pssMb, load: load() },
  ];
  const bounds: Bound[] = [];
  for (const forest of FORESTS) {
    const { trees, processes, limitMb, mostCpu, mostMb } = forest;
    const { cpuPercent, pssMb, strangers, stopS } = await measure(forest);
    const aboveMb = pssMb - idle.pssMb;
    rows.push({
      who: 'coordination-memory run',
      trees,
      processes,
      'limit MB': limitMb,
      'other processes': strangers,
      'CPU %': cpuPercent,
      'PSS MB': pssMb,
      'above idle MB': aboveMb,
      'Ctrl-C s': stopS,
      load: load(),
    });
    const what = `${trees} trees of ${processes} processes`;
    if (mostCpu !== undefined)
      bounds.push({ what: `CPU of one core, ${what}`, measured: cpuPercent, most: mostCpu, unit: ' %' });
    if (mostMb !== undefined)
      bounds.push({ what: `PSS above an idle Node, ${what}`, measured: aboveMb, most: mostMb, unit: ' MB' });
  }
  return {
    question: `What does the runner take at rest? (user and system time of its own over ${MEASURE_MS / 1000} s)`,
    rows,
    bounds,
    missing: [],
    notes: [
      '"Ctrl-C s": until all trees have ended and the run with them',
      'all processes of the machine are looked at again and again: the others on it are part of the cost',
      'the last row is not held to: within 256 MB of a limit a leak of 2 GB/s is there in an eighth of a second',
    ],
  };
};

interface Cost {
  readonly cpuPercent: number;
  readonly pssMb: number;
}

async function measureIdle(): Promise<Cost> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 2000)'], { stdio: 'ignore' });
  try {
    await sleep(2000);
    return await costOf(child.pid ?? 0, MEASURE_MS / 3);
  } finally {
    child.kill('SIGKILL');
  }
}

async function costOf(pid: number, ms: number): Promise<Cost> {
  const before = readCpu(pid)?.ownMs ?? NaN;
  const startedMs = performance.now();
  await wait(ms);
  const cpuMs = (readCpu(pid)?.ownMs ?? NaN) - before;
  return { cpuPercent: (100 * cpuMs) / (performance.now() - startedMs), pssMb: pssOf([pid]) / MIB };
}

/** Trees of sleeping processes, as even as can be. */
async function measure({
  trees,
  processes,
  limitMb,
}: Forest): Promise<Cost & { strangers: number; stopS: number }> {
  const streams = Array.from({ length: trees }, (_, at) => {
    const size = Math.floor(processes / trees) + (at < processes % trees ? 1 : 0);
    const children = `sleep ${LIFE_S} & `.repeat(size - 1);
    return {
      id: `tree${at}`,
      command: size === 1 ? ['sleep', String(LIFE_S)] : ['sh', '-c', `${children}wait`],
      memory: '16MB',
      limit: `${limitMb}MB`,
    };
  });
  const settings = ['max_concurrent_agents', 'coordinator_memory_gb', 'cleanup_timeout'].flatMap(
    (key, at) => ['--set', `memory_management.${key}=${[trees, 0, 5][at] ?? 0}`],
  );
  const name = `rest-${trees}-${limitMb}`;
  const file = streamsFile(name, streams);
  const run = start(
    [...bundled('coordination-memory'), name, 'run', '--streams', file, '--json', ...settings],
    {
      cwd: join(scene.dir, 'project'),
    },
  );
  const stop = async (): Promise<number> => {
    const askedMs = performance.now();
    run.child.kill('SIGINT');
    await run.ended;
    return (performance.now() - askedMs) / 1000;
  };
  try {
    const isUp = (): boolean => treeOf(run.pid).length === processes + 1;
    await waitFor(`${processes} processes`, isUp, 120_000);
    await sleep(SETTLE_MS);
    const cost = await costOf(run.pid, MEASURE_MS);
    if (!isUp()) throw new Error('some of the trees did not outlast the measurement');
    const strangers = readProcessTable().size - processes - 1;
    return { ...cost, strangers, stopS: await stop() };
  } finally {
    await stop();
  }
}
