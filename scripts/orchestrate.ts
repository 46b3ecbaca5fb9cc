/** Which agents does a prompt need, and what do they answer? `orchestrate SUB-COMMAND PROMPT`. */
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';

const PROMPT = { 'prompt-file': { value: 'FILE', meaning: 'the prompt' } } as const;
const BUDGET = { budget: { value: 'SIZE', meaning: 'the most that the agents may use together' } } as const;

const program: Program = {
  name: 'orchestrate',
  summary: 'one prompt becomes several agents of the roster, side by side as memory allows, and one report',
  commands: {
    plan: {
      summary: 'which agents, how many at once, and why; starts nothing',
      args: '[PROMPT...]',
      rest: 'PROMPT...',
      flags: { ...PROMPT, ...BUDGET },
      load: () => import('../lib/commands/orchestrate/plan.ts').then((m) => m.run),
    },
    run: {
      summary: 'run them and report: 0 all done, 30 some not, 75 the queue is full',
      args: '[PROMPT...]',
      rest: 'PROMPT...',
      flags: {
        ...PROMPT,
        ...BUDGET,
        pool: { meaning: 'agents whose kind has a pool: in the settings come from the pool' },
        wait: { meaning: 'wait for a place in the queue, and for an open breaker' },
        markdown: { meaning: 'the whole report on stdout (on a terminal it is that anyway)' },
      },
      load: () => import('../lib/commands/orchestrate/run.ts').then((m) => m.run),
    },
  },
  examples: [
    'orchestrate plan "find slow and insecure queries"',
    'orchestrate run --wait --markdown --prompt-file review.md > report.md',
    'orchestrate run "explain cart.ts" --set orchestrator.timeout=5m',
  ],
};

await main(program);
