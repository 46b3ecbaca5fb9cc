/** Which settings say how the next attempt learns from those before it: feedback? */
import type { Setting } from '../setting.ts';

export const FEEDBACK_SETTINGS = {
  'feedback.estimator': {
    type: 'estimator',
    standard: 'p99',
    meaning: 'How an estimate is made from history; fixed: not at all, the configured figures stand.',
  },
  'feedback.window': {
    type: 'integer',
    range: [10, 256],
    standard: 256,
    meaning: 'So many of the newest attempts of a stream, a kind or a tool count.',
  },
  'feedback.half_life': {
    type: 'integer',
    range: [1, 10000],
    standard: 64,
    meaning: 'After so many further attempts one counts half (p99; vpa decays by its own 24 hours).',
  },
  'feedback.min_records': {
    type: 'integer',
    range: [1, 100],
    standard: 10,
    meaning: 'With fewer attempts a kind does not stand for itself: what is alike counts, too.',
  },
} as const satisfies Record<string, Setting>;
