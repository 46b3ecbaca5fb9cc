/** How does the coordinator start with its memory bounded: in this shell (eval), or as a program in the foreground? */
import { main } from '../lib/cli.ts';

await main({
  name: 'start-coordinator',
  summary: 'prepares a shell for the coordinator, or starts it in the foreground',
  fallback: 'start',
  commands: {
    start: {
      summary:
        'without `--` prints shell code for eval and nothing else; with it runs CMD with that environment: its exit code, 128 + n for a signal, 127 not found, 126 not executable',
      rest: 'CMD ARGS',
      flags: { shell: { value: 'SHELL', meaning: 'sh, bash, zsh or fish (default: by $SHELL)' } },
      load: () => import('../lib/commands/start-coordinator/start.ts').then((m) => m.run),
    },
  },
  examples: [
    'eval "$(npx tsx scripts/start-coordinator.ts)"',
    'npx tsx scripts/start-coordinator.ts -- claude --model opus',
  ],
});
