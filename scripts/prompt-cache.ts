/** What was asked and answered already, on this machine, by any process of this user? `prompt-cache SUB-COMMAND`. */
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';

const KEY_FILE = { value: 'FILE', meaning: "the file's content is the key: a whole prompt" } as const;

const program: Program = {
  name: 'prompt-cache',
  summary: 'values under keys, for five minutes, shared by all processes of this user',
  commands: {
    get: {
      summary: 'the value, byte for byte; 20 where there is no entry',
      args: '[KEY]',
      flags: { 'key-file': KEY_FILE },
      load: () => import('../lib/commands/prompt-cache/get.ts').then((m) => m.run),
    },
    set: {
      summary: 'keep stdin, a file or words under a key, or under their own digest; 30 where it is too large',
      args: '[KEY] [VALUE...]',
      rest: 'VALUE...',
      flags: {
        'key-file': KEY_FILE,
        file: { value: 'FILE', meaning: 'the value' },
        undefined: { meaning: 'the value undefined, which is not the same as no entry' },
      },
      load: () => import('../lib/commands/prompt-cache/set.ts').then((m) => m.run),
    },
    delete: {
      summary: 'remove what is kept under a key',
      args: '[KEY]',
      flags: { 'key-file': KEY_FILE },
      load: () => import('../lib/commands/prompt-cache/delete.ts').then((m) => m.run),
    },
    stats: {
      summary: 'how full it is; hits, misses, evictions so far',
      load: () => import('../lib/commands/prompt-cache/stats.ts').then((m) => m.run),
    },
    clear: {
      summary: 'remove all entries',
      load: () => import('../lib/commands/prompt-cache/clear.ts').then((m) => m.run),
    },
    'handle-pressure': {
      summary: 'drop half at level warning, three quarters at critical, least recently used first',
      flags: { level: { value: 'LEVEL', meaning: 'normal, warning or critical (default: as it is now)' } },
      load: () => import('../lib/commands/prompt-cache/handle-pressure.ts').then((m) => m.run),
    },
  },
  examples: [
    'prompt-cache set --key-file prompt.md --file answer.md',
    'prompt-cache get --key-file prompt.md || echo "ask again"',
    'prompt-cache set --file system-prompt.md    # prints its key, sha256-...',
  ],
};

await main(program);
