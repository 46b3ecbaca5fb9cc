/** Which settings bound the pool of agents that take one task after another? */
import type { Setting } from '../setting.ts';

export const POOL_SETTINGS = {
  'pool.size': {
    type: 'integer',
    range: [1, 64],
    standard: 4,
    meaning: 'How many agents the pool holds at most, of all kinds and projects.',
  },
  'pool.idle': {
    type: 'seconds',
    range: [1, 86400],
    standard: 300,
    meaning: 'An agent of the pool that was idle for so long is ended by whoever comes by.',
  },
  'pool.cleanup': {
    type: 'seconds',
    range: [0, 3600],
    standard: 60,
    meaning: 'Idle agents of the pool are looked for at most so often.',
  },
  'pool.uses': {
    type: 'integer',
    range: [1, 100000],
    standard: 50,
    meaning: 'After so many tasks an agent of the pool is ended.',
  },
  'pool.growth_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 100,
    meaning: 'So much over what it held after its first task, and it is ended (recycle: baseline).',
  },
  'pool.past_fresh_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 300,
    meaning: 'So much over what it held after its start, and it is ended (recycle: fresh).',
  },
} as const satisfies Record<string, Setting>;
