/** Why did it end, and is another attempt worth it: `memory-retry run -- CMD`, `classify`, and `EPIC SUB-COMMAND STREAM`. */
import { main } from '../lib/cli.ts';
import { chooseForm } from '../lib/commands/memory-retry/form.ts';
import type { Program } from '../lib/flags.ts';

const streams = { value: 'FILE', meaning: 'where the stream is written (default: the epic folder)' };

const plain: Program = {
  name: 'memory-retry',
  summary:
    'tries a command again by the cause of its end, and tells that cause (EPIC --help: streams of an epic)',
  commands: {
    run: {
      summary:
        "runs CMD within a share of the machine's memory, again after memory failures; its own exit code",
      rest: 'CMD ARGS',
      flags: {
        kind: { value: 'KIND', meaning: 'the kind of agent, whose figures count' },
        memory: { value: 'SIZE', meaning: 'what it is expected to need' },
        limit: { value: 'SIZE', meaning: 'where its whole process tree is stopped' },
        heap: { value: 'MB', meaning: "its V8 heap (default: NODE_OPTIONS', else the settings')" },
        timeout: { value: 'TIME', meaning: 'the longest that one attempt may take' },
        wait: {
          value: 'TIME',
          meaning: 'how long to wait for the memory at most; then 75 (default: until it is there)',
        },
      },
      load: () => import('../lib/commands/memory-retry/run.ts').then((m) => m.run),
    },
    classify: {
      summary: 'cause, evidence and confidence of an end',
      flags: {
        exit: { value: 'N', meaning: 'the exit code, as a shell tells it' },
        signal: { value: 'NAME', meaning: 'the signal that ended it' },
        log: { value: 'FILE', meaning: 'its stderr; the last 16 KB count' },
        report: { value: 'FILE', meaning: 'what Node wrote by --report-on-fatalerror' },
        aborted: { value: 'KIND', meaning: 'we stopped it: limit, machine, user, interrupt or timeout' },
        'cgroup-kills': { value: 'N', meaning: 'by how much oom_kill of its own cgroup rose' },
        'kernel-kills': { value: 'N', meaning: 'by how much oom_kill of /proc/vmstat rose' },
        short: { meaning: 'the machine was short of memory at that instant' },
        'start-error': { value: 'CODE', meaning: 'why it could not be started: ENOMEM' },
      },
      load: () => import('../lib/commands/memory-retry/classify.ts').then((m) => m.run),
    },
  },
  examples: [
    'memory-retry run --memory 2GB -- node build.js',
    'memory-retry classify --exit 134 --log stderr.log',
    'memory-retry shop check 12/A && memory-retry shop execute 12/A',
    'memory-retry shop stats',
  ],
};

const epic: Program = {
  name: 'memory-retry',
  summary: 'further attempts at the streams of an epic',
  subject: 'EPIC',
  commands: {
    check: {
      summary: 'would another attempt be sensible: 0 yes, 30 no',
      args: 'STREAM',
      load: () => import('../lib/commands/memory-retry/check.ts').then((m) => m.run),
    },
    prepare: {
      summary: 'writes down what the next attempt gets',
      args: 'STREAM',
      load: () => import('../lib/commands/memory-retry/prepare.ts').then((m) => m.run),
    },
    execute: {
      summary: 'runs the stream again, with what was prepared',
      args: 'STREAM',
      flags: { streams },
      load: () => import('../lib/commands/memory-retry/execute.ts').then((m) => m.run),
    },
    'verify-cleanup': {
      summary: 'is nothing left of it, measured: 0 nothing, 20 something; writes cleanup-STREAM.md',
      args: 'STREAM',
      load: () => import('../lib/commands/memory-retry/verify-cleanup.ts').then((m) => m.run),
    },
    stats: {
      summary: 'attempts, recovered streams and causes of all kept runs',
      load: () => import('../lib/commands/memory-retry/stats.ts').then((m) => m.run),
    },
  },
  examples: ['memory-retry shop check 12/A', 'memory-retry shop stats --json'],
};

const argv = process.argv.slice(2);
await main(chooseForm(argv, plain, epic), argv);
