/** Which agents of an epic may run, and run them: `coordination-memory EPIC SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Flag, Program } from '../lib/flags.ts';

const STREAMS: Readonly<Record<string, Flag>> = {
  streams: {
    value: 'FILE',
    meaning:
      'streams from a YAML or JSON file; `-`: one shell command a line on stdin (default: the epic folder)',
  },
  budget: { value: 'SIZE', meaning: 'less than the machine for the agents of this epic: 4GB' },
};
const NAMED: Readonly<Record<string, Flag>> = {
  streams: {
    value: 'FILE',
    meaning: 'which streams there are (default: the epic folder and what its last run knew)',
  },
};
const RUN: Readonly<Record<string, Flag>> = {
  ...STREAMS,
  label: { value: 'NAME', meaning: 'figures that were imported under this name count, too' },
  resume: { meaning: 'only what the joblog does not show as done' },
};
const NEED: Readonly<Record<string, Flag>> = {
  kind: { value: 'KIND', meaning: 'the kind of agent, whose figures count' },
  memory: { value: 'SIZE', meaning: 'what one agent is expected to need' },
  budget: { value: 'SIZE', meaning: 'less than the machine for the agents of this epic: 4GB' },
};

const program: Program = {
  name: 'coordination-memory',
  summary: "may agents of an epic start, and run them within the machine's memory",
  subject: 'EPIC',
  commands: {
    assess: {
      summary: 'can N agents (1) run now: how many, which limit says so',
      args: '[N]',
      flags: NEED,
      load: () => import('../lib/commands/coordination-memory/assess.ts').then((m) => m.run),
    },
    batch: {
      summary: 'N agents (all streams) in batches that fit now',
      args: '[N]',
      flags: NEED,
      load: () => import('../lib/commands/coordination-memory/batch.ts').then((m) => m.run),
    },
    plan: {
      summary: 'order, estimates, batches and least time of the streams',
      flags: RUN,
      load: () => import('../lib/commands/coordination-memory/plan.ts').then((m) => m.run),
    },
    run: {
      summary: 'run the streams, each as soon as it fits',
      flags: {
        ...RUN,
        'dry-run': { meaning: 'show the plan and stop there' },
        pool: { meaning: 'streams whose kind has a pool: in the settings go to agents of the pool' },
      },
      load: () => import('../lib/commands/coordination-memory/run.ts').then((m) => m.run),
    },
    spawn: {
      summary: 'reserve for an agent that the caller starts; 75: not now',
      args: 'STREAM',
      flags: {
        ...NEED,
        pid: {
          value: 'PID',
          meaning: 'the process whose end gives the share back (default: the client or shell that calls)',
        },
        limit: { value: 'SIZE', meaning: 'where the agent should be stopped' },
        ttl: {
          value: 'TIME',
          meaning: 'how long the share is kept at most where the agent has no process of its own',
        },
      },
      load: () => import('../lib/commands/coordination-memory/spawn.ts').then((m) => m.run),
    },
    complete: {
      summary: 'give back what spawn reserved',
      args: 'STREAM',
      flags: { status: { value: 'WORD', meaning: 'done (default), failed or blocked: for the log' } },
      load: () => import('../lib/commands/coordination-memory/complete.ts').then((m) => m.run),
    },
    monitor: {
      summary: 'agents of the epic now: memory against estimate and limit',
      load: () => import('../lib/commands/coordination-memory/monitor.ts').then((m) => m.run),
    },
    status: {
      summary: 'where every stream stands',
      flags: { ...NAMED },
      load: () => import('../lib/commands/coordination-memory/status.ts').then((m) => m.run),
    },
    pause: {
      summary: 'hold a stream back; a running agent is halted and keeps its share',
      args: 'STREAM',
      flags: { ...NAMED, reason: { value: 'TEXT', meaning: 'why, for people' } },
      load: () => import('../lib/commands/coordination-memory/pause.ts').then((m) => m.pause),
    },
    resume: {
      summary: 'let a paused stream go on',
      args: 'STREAM',
      flags: { ...NAMED, guidance: { value: 'TEXT', meaning: 'a note for its agent' } },
      load: () => import('../lib/commands/coordination-memory/pause.ts').then((m) => m.resume),
    },
    kill: {
      summary: "end a stream's agent: TERM, grace, KILL, its whole tree",
      args: 'STREAM',
      flags: { ...NAMED, reason: { value: 'TEXT', meaning: 'why, for the record' } },
      load: () => import('../lib/commands/coordination-memory/kill.ts').then((m) => m.run),
    },
    cleanup: {
      summary: 'give back shares of the dead and end what they left behind',
      load: () => import('../lib/commands/coordination-memory/cleanup.ts').then((m) => m.run),
    },
    log: {
      summary: "the epic's memory log; with TEXT: add a line",
      args: '[TEXT...]',
      load: () => import('../lib/commands/coordination-memory/log.ts').then((m) => m.run),
    },
  },
  examples: [
    'coordination-memory shop run --budget 4GB',
    'coordination-memory shop run --resume',
    'seq 8 | sed "s/.*/node work.js &/" | coordination-memory demo run --streams -',
    'coordination-memory shop spawn 12/A --pid $$ || echo "not now"',
  ],
};

await main(program);
