/** What have past attempts taught: `memory-feedback SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';

const label = { value: 'NAME', meaning: 'figures that were imported under this name, not our own' };

const program: Program = {
  name: 'memory-feedback',
  summary: 'what past attempts of agents needed, and what the next ones should get',
  commands: {
    record: {
      summary: "import others' figures from a trace (CSV, JSON lines), under a label of their own",
      args: '[FILE]',
      flags: { label: { value: 'NAME', meaning: 'whose figures these are (needed)' } },
      load: () => import('../lib/commands/memory-feedback/record.ts').then((m) => m.run),
    },
    recommend: {
      summary: 'memory for each kind of agent, or for those of an epic, with the evidence',
      args: '[EPIC]',
      flags: { label },
      load: () => import('../lib/commands/memory-feedback/recommend.ts').then((m) => m.run),
    },
    suggest: {
      summary: 'batches and time for the streams of an epic',
      args: 'EPIC',
      flags: {
        streams: { value: 'FILE', meaning: 'a list of streams (default: the epic folder); - reads lines' },
        budget: { value: 'SIZE', meaning: 'what all of them together may use' },
      },
      load: () => import('../lib/commands/memory-feedback/suggest.ts').then((m) => m.run),
    },
    trends: {
      summary: 'how the need of each kind has changed',
      flags: {
        label,
        kind: { value: 'KIND', meaning: 'only this one' },
        since: { value: 'TIME', meaning: 'since so long ago (2h, 30d), or since a time' },
      },
      load: () => import('../lib/commands/memory-feedback/trends.ts').then((m) => m.run),
    },
    patterns: {
      summary: 'how large, how long, when the peak comes, and how attempts of each kind end',
      flags: { label },
      load: () => import('../lib/commands/memory-feedback/patterns.ts').then((m) => m.run),
    },
    calibration: {
      summary: 'did estimates cover what they claimed to',
      flags: { label },
      load: () => import('../lib/commands/memory-feedback/calibration.ts').then((m) => m.run),
    },
    backtest: {
      summary: 'waste and failures of every estimator, on our own history or on a trace',
      args: '[FILE]',
      flags: {
        label,
        'least-runs': { value: 'N', meaning: 'leave out kinds with fewer runs (5; of a trace 34)' },
        learn: { value: 'SHARE', meaning: 'of each kind, the first runs that only teach (30%)' },
      },
      load: () => import('../lib/commands/memory-feedback/backtest.ts').then((m) => m.run),
    },
    apply: {
      summary: "write recommended memory into the project's .claude-pm.yaml, and nothing else of it",
      flags: { label, 'dry-run': { meaning: 'print a diff and write nothing' } },
      load: () => import('../lib/commands/memory-feedback/apply.ts').then((m) => m.run),
    },
  },
  examples: [
    'memory-feedback recommend shop',
    'memory-feedback apply --dry-run',
    'memory-feedback backtest trace.csv',
  ],
};

await main(program);
