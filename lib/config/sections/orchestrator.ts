/** Which settings say how a prompt becomes several agents? The roster itself is read in ../roster.ts. */
import type { Setting } from '../setting.ts';

export const ORCHESTRATOR_SETTINGS = {
  'orchestrator.timeout': {
    type: 'seconds',
    range: [0.1, 86400],
    standard: 900,
    meaning: 'How long each attempt of an agent of a prompt may take; then it is ended.',
  },
  'orchestrator.queue': {
    type: 'integer',
    range: [1, 1000],
    standard: 4,
    meaning: 'So many prompts are worked on at once on this machine; one more is told to come again.',
  },
} as const satisfies Record<string, Setting>;
