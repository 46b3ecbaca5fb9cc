/** Which environment do the coordinator and the agents get, and does their memory limit hold? */
import { main } from '../lib/cli.ts';
import type { Flag } from '../lib/flags.ts';

const kind: Flag = { value: 'KIND', meaning: 'one kind of `agents:` (default: what all kinds take)' };
const program: Flag = { value: 'PROGRAM', meaning: "the coordinator's program (default: the Node in PATH)" };
const dir: Flag = {
  value: 'DIR',
  meaning: "the files' folder (default: PROJECT/.claude/env; the toolkit's own: env)",
};
const shell: Flag = { value: 'SHELL', meaning: 'sh, bash, zsh or fish (default: by $SHELL)' };

await main({
  name: 'memory-env',
  summary: 'environments that bound the memory of the coordinator and of agents',
  commands: {
    show: {
      summary: 'heaps, limits, flags and the state of the files; nothing is written',
      flags: { kind, program, dir },
      load: () => import('../lib/commands/memory-env/show.ts').then((m) => m.run),
    },
    'create-files': {
      summary:
        'writes coordinator.env and agent.env, each only after the runtime was seen to start under it as meant',
      flags: {
        kind,
        program,
        dir,
        force: { meaning: 'also over a file that was edited or made by somebody else' },
      },
      load: () => import('../lib/commands/memory-env/create-files.ts').then((m) => m.run),
    },
    coordinator: {
      summary: "prints shell code for eval that sets the coordinator's environment (2: nothing on stdout)",
      flags: { program, shell },
      load: () => import('../lib/commands/memory-env/print.ts').then((m) => m.run),
    },
    agent: {
      summary: "prints shell code for eval that sets an agent's environment (2: nothing on stdout)",
      flags: { kind, shell },
      load: () => import('../lib/commands/memory-env/print.ts').then((m) => m.run),
    },
    reset: {
      summary: 'prints shell code for eval that takes ours back and restores NODE_OPTIONS',
      flags: { shell },
      load: () => import('../lib/commands/memory-env/reset.ts').then((m) => m.run),
    },
    check: {
      summary:
        'asks the programs which flags they take and which limit holds: 0 all holds, 20 something asked for does not, 2 a program or a runtime is missing',
      flags: { kind, program, dir },
      load: () => import('../lib/commands/memory-env/check.ts').then((m) => m.run),
    },
  },
  examples: [
    'eval "$(npx tsx scripts/memory-env.ts agent)"',
    'npx tsx scripts/memory-env.ts agent --shell fish | source',
    'npx tsx scripts/memory-env.ts create-files && . .claude/env/agent.env',
  ],
});
