/** Has this machine run out of memory so often that nothing should start? `circuit-breaker SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';

const program: Program = {
  name: 'circuit-breaker',
  summary: 'stops all starts on this machine after it ran out of memory, and lets one try when it has rested',
  commands: {
    status: {
      summary: 'closed (0), half-open: the next start tries it (20), or nothing may start (75), and why',
      load: () => import('../lib/commands/circuit-breaker/status.ts').then((m) => m.run),
    },
    open: {
      summary: 'nothing starts any more, in all projects and epics; what runs goes on',
      flags: {
        for: { value: 'TIME', meaning: 'only for so long (default: until `close`)' },
        reason: { value: 'TEXT', meaning: 'what everybody is told who is refused' },
      },
      load: () => import('../lib/commands/circuit-breaker/open.ts').then((m) => m.run),
    },
    close: {
      summary: 'work may start again, whoever or whatever opened it',
      load: () => import('../lib/commands/circuit-breaker/close.ts').then((m) => m.run),
    },
    run: {
      summary:
        "start a command if anything may start (else 75), with this terminal, signals and the command's own exit code: 128 + n for a signal, 127 not found, 126 not executable",
      rest: 'CMD ARGS',
      load: () => import('../lib/commands/circuit-breaker/run.ts').then((m) => m.run),
    },
  },
  examples: [
    'circuit-breaker open --for 10m --reason "database restore"',
    'circuit-breaker run -- npm test',
    'circuit-breaker status || echo "not now"',
  ],
};

await main(program);
