/** What is left after each kind of failure: processes, leases, locks, temporary files, groups of the kernel? */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findGroups } from '../lib/probe/group-state.ts';
import { readEnvironment, readStatTable } from '../lib/probe/processes.ts';
import { loadLedger } from '../lib/state/ledger.ts';
import { MIB } from '../lib/units.ts';
import { openBudgetGroup, type BudgetGroup } from './budget-group.ts';
import { bundled, type Bound } from './support.ts';
import {
  end,
  ESCAPE,
  GRACE,
  GROUP_MISSING,
  leakWords,
  lives,
  load,
  scene,
  start,
  streamsFile,
  textOf,
  waitFor,
  type Part,
  type Running,
} from './guard-support.ts';

const LIMIT_MB = 300;
const LONG_S = 60;

/** A failure, how to bring it about, and the word that shows that it came. `group`: only where memory can really run out. */
interface Failing {
  readonly kind: string;
  readonly budgetMb?: number;
  readonly produce: (scene: Stage) => Promise<string>;
  readonly sign: RegExp;
}

interface Stage {
  readonly epic: string;
  readonly group: BudgetGroup | undefined;
  /** Starts a script of ours, in the group where there is one. */
  readonly call: (script: string, ...words: readonly string[]) => Running;
  /** `coordination-memory EPIC run` of these commands. */
  readonly run: (commands: readonly Command[], ...words: readonly string[]) => Running;
}

interface Command {
  readonly words: readonly string[];
  readonly limitMb?: number;
}

const daemonFile = join(scene.dir, 'left-daemon');
/** Leaves a daemon behind that ignores TERM, then becomes what it is given. */
const withDaemon = (then: string): string[] => [
  'sh',
  '-c',
  `${process.execPath} ${ESCAPE} first ${daemonFile}; until test -s ${daemonFile}; do sleep 0.02; done; ${then}`,
];
const leak = (mbPerS: number, mostMb: number, holdMs?: number): string =>
  `exec ${leakWords(join(scene.dir, `leak-left-${mostMb}`), { mbPerS, mostMb, ...(holdMs === undefined ? {} : { holdMs }) }).join(' ')}`;
const isUp = (): Promise<unknown> => waitFor('the daemon', () => textOf(daemonFile));
const pidOf = (run: Running): Promise<number> =>
  waitFor('the start of the agent', () => {
    const started = run.events().find((event) => event.event === 'start');
    return started?.pid;
  });
const outcomes = (run: Running): string =>
  run
    .summary()
    ?.results.map(({ outcome }) => outcome)
    .join(' ') ?? run.output();

const FAILURES: readonly Failing[] = [
  {
    kind: 'its hard limit (run)',
    sign: /^killed-limit$/,
    produce: async ({ run }) => finished(run([{ words: withDaemon(leak(200, 3000)) }])),
  },
  {
    kind: 'its hard limit (memory-monitor)',
    sign: /LIMIT/,
    produce: async ({ call }) => {
      const words = withDaemon(leak(200, 3000));
      const one = call('memory-monitor', 'run', '--max', `${LIMIT_MB}MB`, ...GRACE, '--', ...words);
      await one.ended;
      return /LIMIT/.exec(one.output())?.[0] ?? one.output();
    },
  },
  {
    kind: 'the machine ran out',
    budgetMb: 1400,
    sign: /killed-machine/,
    produce: async ({ run }) => {
      const words = withDaemon(leak(200, 900, 2000));
      const other = ['sh', '-c', leak(200, 901, 2000)];
      return finished(run([{ words, limitMb: 2000 }, { words: other, limitMb: 2000 }])); // prettier-ignore
    },
  },
  {
    kind: 'kill -9 of the agent',
    sign: /^failed$/,
    produce: async ({ run }) => {
      const one = run([{ words: withDaemon(`exec sleep ${LONG_S}`) }]);
      await isUp();
      end(await pidOf(one));
      return finished(one);
    },
  },
  {
    kind: 'a kill by the kernel',
    budgetMb: 500,
    sign: /kernel|oom/,
    produce: async ({ run }) => {
      const unwatched = ['--set', 'memory_management.monitoring_enabled=false'];
      return finished(run([{ words: withDaemon(leak(200, 2000)), limitMb: 2000 }], ...unwatched));
    },
  },
  {
    kind: 'a person’s kill',
    sign: /^killed-user$/,
    produce: async ({ run, call, epic }) => {
      const one = run([{ words: withDaemon(`exec sleep ${LONG_S}`) }]);
      await isUp();
      await call('coordination-memory', epic, 'kill', 's0', ...GRACE).ended;
      return finished(one);
    },
  },
  {
    kind: 'Ctrl-C',
    sign: /^stopped$/,
    produce: async ({ run }) => {
      const one = run([{ words: withDaemon(`exec sleep ${LONG_S}`) }]);
      await isUp();
      one.child.kill('SIGINT');
      return finished(one);
    },
  },
  {
    kind: 'kill -9 of the run, then --resume',
    sign: /^done$/,
    produce: async ({ run }) => {
      const commands = [{ words: withDaemon('sleep 2') }];
      const one = run(commands);
      await isUp();
      end(one.pid);
      await one.ended;
      return finished(run(commands, '--resume'));
    },
  },
  {
    kind: 'kill -9 of the run, then cleanup',
    sign: /^cleaned$/,
    produce: async ({ run, call }) => {
      const one = run([{ words: withDaemon('sleep 1') }]);
      await isUp();
      const agent = await pidOf(one);
      end(one.pid);
      await waitFor('the end of the agent', () => !lives(agent));
      await call('memory-monitor', 'cleanup', ...GRACE).ended;
      return 'cleaned';
    },
  },
  {
    kind: 'kill -9 of memory-monitor, then cleanup',
    sign: /^cleaned$/,
    produce: async ({ call }) => {
      const file = join(scene.dir, 'left-pid');
      rmSync(file, { force: true });
      const words = ['sh', '-c', `echo $$ > ${file}; exec sleep 1`];
      const one = call('memory-monitor', 'run', '--', ...words);
      const pid = Number(await waitFor('the command', () => textOf(file)?.trim()));
      end(one.pid);
      await waitFor('the end of the command', () => !lives(pid));
      await call('memory-monitor', 'cleanup').ended;
      return 'cleaned';
    },
  },
];

async function finished(run: Running): Promise<string> {
  await run.ended;
  return outcomes(run);
}

export const measureLeftovers: Part = async () => {
  const rows = [];
  const bounds: Bound[] = [];
  const missing = new Set<string>();
  let unproduced = 0;
  for (const [at, failing] of FAILURES.entries()) {
    const group = failing.budgetMb === undefined ? undefined : openBudgetGroup(failing.budgetMb * MIB);
    if (failing.budgetMb !== undefined && group === undefined) {
      missing.add(GROUP_MISSING.replace(/;.*/, `; without it: ${failing.kind}`));
      continue;
    }
    rmSync(daemonFile, { force: true });
    const runners: number[] = [];
    try {
      const seen = await failing.produce(stage(`left${at}`, group, runners));
      const left = leftOvers(runners);
      const isProduced = failing.sign.test(seen);
      if (!isProduced) unproduced += 1;
      rows.push({ failure: failing.kind, 'what came of it': seen.slice(0, 60), ...left, load: load() });
      const all = Object.values(left).reduce((sum, value) => sum + value, 0);
      bounds.push({ what: `left after: ${failing.kind}`, measured: all, most: 0, unit: '' });
    } finally {
      endDaemon();
      await group?.close();
    }
  }
  bounds.push({ what: 'failures that did not come about', measured: unproduced, most: 0, unit: '' });
  return {
    question: 'What is left at the moment when the last of our calls ends?',
    rows,
    bounds,
    missing: [...missing],
    notes: [
      'each agent has started a daemon in a session of its own, forked twice and deaf to TERM; processes are found by our environment',
    ],
  };
};

function stage(epic: string, group: BudgetGroup | undefined, runners: number[]): Stage {
  const call = (script: string, ...words: readonly string[]): Running => {
    const running = start([...(group?.enter ?? []), ...bundled(script), ...words]);
    runners.push(running.pid);
    return running;
  };
  return {
    epic,
    group,
    call,
    run: (commands, ...words) => {
      const streams = commands.map(({ words: command, limitMb = LIMIT_MB }, at) => ({
        id: `s${at}`,
        command,
        memory: '100MB',
        limit: `${limitMb}MB`,
      }));
      const share = ['--set', 'memory_management.coordinator_memory_gb=0'];
      const file = streamsFile(epic, streams);
      return call('coordination-memory', epic, 'run', '--streams', file, '--json', ...share, ...GRACE, ...words);
    },
  };
} // prettier-ignore

type LeftOvers = Readonly<
  Record<'processes' | 'leases' | 'locks' | 'temporary files' | 'kernel groups', number>
>;

/** All that bears our sign: the scene's state folder in an environment, files in the scene, groups named after a runner. */
function leftOvers(runners: readonly number[]): LeftOvers {
  const state = `CLAUDE_PM_STATE_DIR=${join(scene.dir, 'state')}\0`;
  const processes = [...readStatTable().values()].filter(
    ({ pid, state: now }) => now !== 'Z' && (readEnvironment(pid)?.includes(state) ?? false),
  );
  const files = readdirSync(scene.dir, { recursive: true, encoding: 'utf8' });
  const groups = findGroups(
    (name) => name.startsWith('claude-pm-') && runners.some((pid) => name.includes(`.${pid}.`)),
  );
  return {
    processes: processes.length,
    leases: loadLedger(join(scene.dir, 'state')).leases.length,
    locks: files.filter((name) => /\.lock(\.|$)/.test(name) && !name.endsWith('.tmp')).length,
    'temporary files': files.filter((name) => name.endsWith('.tmp')).length,
    'kernel groups': groups.length,
  };
}

function endDaemon(): void {
  const pid = Number(textOf(daemonFile)?.split('\n')[0]);
  if (pid > 0 && readEnvironment(pid)?.includes(scene.dir) === true) end(pid);
}
