/** Which agents are ready to take the next task, and hand it to one: `agent-pool SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Flag, Program } from '../lib/flags.ts';

const KIND: Readonly<Record<string, Flag>> = {
  kind: { value: 'KIND', meaning: 'the kind of agent (default: the only one with a pool: in the settings)' },
};
const START: Readonly<Record<string, Flag>> = {
  ...KIND,
  protocol: { value: 'NAME', meaning: 'how it is talked to: lines or stream-json' },
  memory: { value: 'SIZE', meaning: 'what one agent is expected to need' },
  limit: { value: 'SIZE', meaning: 'where it is stopped' },
};
const RAW: Readonly<Record<string, Flag>> = { raw: { meaning: 'the answer alone, as it is' } };

const program: Program = {
  name: 'agent-pool',
  summary: 'agents that take one task after another, shared by all callers of the machine',
  commands: {
    init: {
      summary: 'make the pool, or see that it is whole',
      load: () => import('../lib/commands/agent-pool/init.ts').then((m) => m.run),
    },
    status: {
      summary: 'who is in the pool, at what, and what it holds',
      load: () => import('../lib/commands/agent-pool/status.ts').then((m) => m.run),
    },
    request: {
      summary: 'an agent, or a place for one, for the caller alone; 75: not now',
      flags: {
        ...START,
        pid: { value: 'PID', meaning: 'whose end gives it back (default: the client or shell that calls)' },
      },
      load: () => import('../lib/commands/agent-pool/request.ts').then((m) => m.run),
    },
    release: {
      summary: 'give back what request gave',
      args: 'AGENT',
      load: () => import('../lib/commands/agent-pool/release.ts').then((m) => m.run),
    },
    start: {
      summary: "bring an agent into the pool (default command: the kind's); 75: no room now",
      flags: START,
      rest: 'CMD ARGS',
      load: () => import('../lib/commands/agent-pool/start.ts').then((m) => m.run),
    },
    submit: {
      summary:
        'hand over a task (words, or stdin) and wait for the answer; 75: the agent died, or none is free',
      args: '[TASK...]',
      flags: {
        ...START,
        ...RAW,
        agent: { value: 'AGENT', meaning: 'this agent and no other: one that `request` gave' },
        id: { value: 'NAME', meaning: 'a name by which the task is never done twice' },
        detach: { meaning: 'leave at once; `result` has the answer' },
        timeout: { value: 'TIME', meaning: 'the longest that the task may take' },
        wait: {
          value: 'TIME',
          meaning: 'how long to wait for an agent at most (default: until one is free)',
        },
        retry: { value: 'N', meaning: 'further attempts where an agent dies (0)' },
      },
      rest: 'CMD ARGS',
      load: () => import('../lib/commands/agent-pool/submit.ts').then((m) => m.run),
    },
    result: {
      summary: 'the answer to a task with a name, or a detached one; 75: not yet, or lost',
      args: 'TASK',
      flags: { ...RAW, wait: { value: 'TIME', meaning: 'how long to wait for it at most (0s)' } },
      load: () => import('../lib/commands/agent-pool/result.ts').then((m) => m.run),
    },
    stop: {
      summary: 'end agents, also in mid-task',
      args: '[AGENT]',
      flags: {
        kind: { value: 'KIND', meaning: 'all of this kind' },
        all: { meaning: 'all there are: clears the pool' },
        reason: { value: 'TEXT', meaning: 'why, for the log' },
      },
      load: () => import('../lib/commands/agent-pool/stop.ts').then((m) => m.run),
    },
    optimize: {
      summary: 'does reuse pay for a kind, and which size is enough, by what was measured',
      flags: { kind: { value: 'KIND', meaning: 'this kind alone' } },
      load: () => import('../lib/commands/agent-pool/optimize.ts').then((m) => m.run),
    },
    stats: {
      summary: 'starts, tasks, times and memory of each kind',
      load: () => import('../lib/commands/agent-pool/stats.ts').then((m) => m.run),
    },
    cleanup: {
      summary: 'end idle and void agents, take down answers; for cron',
      flags: { 'all-idle': { meaning: 'idle ones however short they have been so' } },
      load: () => import('../lib/commands/agent-pool/cleanup.ts').then((m) => m.run),
    },
  },
  examples: [
    'agent-pool start --kind reviewer',
    'agent-pool submit --kind reviewer --raw "review lib/cart.ts"',
    'agent-pool submit --kind worker --id job-17 --retry 2 < prompt.txt',
    'agent-pool stop --all',
  ],
};

await main(program);
