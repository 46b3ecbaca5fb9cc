/** How is this machine's memory, and who uses it: `memory-monitor SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';

const program: Program = {
  name: 'memory-monitor',
  summary: "this machine's memory, its limits, and the agents that use it",
  commands: {
    check: {
      summary: 'may an agent start now: 0 yes, 20 yes but memory is getting short, 30 critical, 75 not now',
      flags: {
        need: {
          value: 'N|SIZE',
          meaning: 'room for N agents, or for one of this size (4GB); 75 where it is not there',
        },
      },
      load: () => import('../lib/commands/memory-monitor/check.ts').then((m) => m.run),
    },
    usage: {
      summary: 'machine, cgroups, swap, pressure, and what is ours',
      load: () => import('../lib/commands/memory-monitor/usage.ts').then((m) => m.run),
    },
    limits: {
      summary: 'every setting with its value, its origin and the reason',
      args: '[SECTION]',
      load: () => import('../lib/commands/memory-monitor/limits.ts').then((m) => m.run),
    },
    processes: {
      summary: 'agents as process trees',
      load: () => import('../lib/commands/memory-monitor/processes.ts').then((m) => m.run),
    },
    health: {
      summary: 'machine, ledger and settings in one look',
      load: () => import('../lib/commands/memory-monitor/health.ts').then((m) => m.run),
    },
    watch: {
      summary: 'one look after another until Ctrl-C',
      flags: {
        interval: { value: 'TIME', meaning: 'between two looks (2s)' },
        count: { value: 'N', meaning: 'end after N looks' },
      },
      load: () => import('../lib/commands/memory-monitor/watch.ts').then((m) => m.run),
    },
    run: {
      summary: 'guard one command: its output, signals and exit code pass through',
      rest: 'CMD [ARG...]',
      flags: {
        warning: { value: 'SIZE', meaning: 'tell from here on (1GB)' },
        critical: { value: 'SIZE', meaning: 'tell again (2GB)' },
        max: { value: 'SIZE', meaning: 'stop it here (4GB)' },
      },
      load: () => import('../lib/commands/memory-monitor/run.ts').then((m) => m.run),
    },
    alerts: {
      summary: 'what the guard has warned of, oldest first',
      flags: {
        level: { value: 'LEVEL', meaning: 'this level and worse: warning, critical, over' },
        since: { value: 'TIME', meaning: 'since so long ago (2h), or since a time (2026-01-31T12:00)' },
        limit: { value: 'N', meaning: 'the newest N' },
      },
      load: () => import('../lib/commands/memory-monitor/alerts.ts').then((m) => m.run),
    },
    stats: {
      summary: 'what each guarded process used: runs, largest peak, average time, aborted',
      flags: {
        since: { value: 'TIME', meaning: 'runs that ended since so long ago (2h), or since a time' },
      },
      load: () => import('../lib/commands/memory-monitor/stats.ts').then((m) => m.run),
    },
    checkpoint: {
      summary: "append TEXT, or stdin as it comes, to an agent's checkpoint file",
      args: 'AGENT [TEXT...]',
      rest: '[TEXT...]',
      load: () => import('../lib/commands/memory-monitor/checkpoint.ts').then((m) => m.run),
    },
    export: {
      summary: "the machine's and the agents' figures in Prometheus text format",
      flags: { file: { value: 'FILE', meaning: 'replace this file as a whole (for a textfile collector)' } },
      load: () => import('../lib/commands/memory-monitor/export.ts').then((m) => m.run),
    },
    cleanup: {
      summary:
        'give back shares of the dead, end what they left, remove old logs; touches nothing that is not ours',
      flags: { keep: { value: 'TIME', meaning: 'logs and outputs of runs younger than this stay (30d)' } },
      load: () => import('../lib/commands/memory-monitor/cleanup.ts').then((m) => m.run),
    },
    emergency: {
      summary:
        'nothing starts any more, and every agent of the ledger is ended, evidence first: 0 all ended, 30 some left, 75 another one is at it',
      flags: {
        reason: { value: 'TEXT', meaning: 'why: everybody reads it who is refused from now on (needed)' },
        grace: {
          value: 'TIME',
          meaning: 'between TERM and KILL (5s, or cleanup_timeout if that is shorter)',
        },
        'dry-run': { meaning: 'show what would be ended, and do nothing' },
      },
      load: () => import('../lib/commands/memory-monitor/emergency.ts').then((m) => m.run),
    },
  },
  examples: [
    'memory-monitor check --need 4GB || echo "not now"',
    'memory-monitor limits memory_management',
    'memory-monitor watch --interval 5s',
  ],
};

await main(program);
