/** How high is memory pressure, and what is done about it: `memory-pressure SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';

const program: Program = {
  name: 'memory-pressure',
  summary: 'levels of memory pressure, and handlers that make room',
  commands: {
    status: {
      summary: 'the level, its figures and the last handling: 0 normal, 20 warning, 30 critical',
      load: () => import('../lib/commands/memory-pressure/status.ts').then((m) => m.run),
    },
    handle: {
      summary:
        'run the handlers of the level once; none at level normal; 75 in the cooldown or if another one is at it',
      flags: { force: { meaning: 'skip the cooldown, and only that' } },
      load: () => import('../lib/commands/memory-pressure/handle.ts').then((m) => m.run),
    },
    watch: {
      summary: 'look again and again (100ms to 2s, by what is free and stalled) and handle, until Ctrl-C',
      flags: { count: { value: 'N', meaning: 'end after N looks' } },
      load: () => import('../lib/commands/memory-pressure/watch.ts').then((m) => m.run),
    },
    handlers: {
      summary: 'all handlers in their order, with their levels and time limits',
      load: () => import('../lib/commands/memory-pressure/handlers.ts').then((m) => m.run),
    },
  },
  examples: [
    'memory-pressure handle || echo "exit $?"',
    'memory-pressure handle --set pressure.warning=50%',
    'memory-pressure watch --json',
  ],
};

await main(program);
