/** Which settings bound the prompt cache? */
import type { Setting } from '../setting.ts';

export const PROMPT_CACHE_SETTINGS = {
  'prompt_cache.ttl': {
    type: 'seconds',
    range: [0.1, 604800],
    standard: 300,
    meaning: 'How long an entry of the prompt cache lives from the moment it was set.',
  },
  'prompt_cache.max_mb': {
    type: 'megabytes',
    range: [0.001, 1048576],
    standard: 50,
    meaning: 'The most that all entries take on disk; one that is larger is refused.',
  },
  'prompt_cache.max_entries': {
    type: 'integer',
    range: [1, 1000000],
    standard: 500,
    meaning: 'The most entries.',
  },
  'prompt_cache.evict_at': {
    type: 'percent',
    range: [50, 100],
    standard: 80,
    meaning: 'At this much of either limit the least recently used entries go, down to half of it.',
  },
  'prompt_cache.cleanup_interval': {
    type: 'seconds',
    range: [1, 86400],
    standard: 60,
    meaning: 'The least time between two sweeps of expired entries, by whoever comes by.',
  },
} as const satisfies Record<string, Setting>;
