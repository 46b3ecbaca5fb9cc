/** Which settings say what happens when memory runs short: subprocess, pressure, retry, circuit_breaker, alerts? */
import { reserve } from '../setting.ts';
import type { Setting } from '../setting.ts';

export const GUARD_SETTINGS = {
  'subprocess.enabled': {
    type: 'boolean',
    standard: false,
    figures: { strict: true },
    meaning: 'Whether each tool that an agent starts has limits of its own.',
  },
  'subprocess.warn_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 500,
    meaning: 'One tool, with all that it started: from here on a warning.',
  },
  'subprocess.limit_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 1000,
    meaning: 'One tool, with all that it started: here it is stopped, and its agent goes on.',
  },
  'subprocess.aggregate_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 2000,
    meaning: 'The tools of all agents of a run together: over it one after another is stopped.',
  },
  'pressure.warning': {
    type: 'percent',
    range: [1, 100],
    standard: 70,
    meaning: 'Share of memory in use that counts as a warning.',
  },
  'pressure.critical': {
    type: 'percent',
    range: [1, 100],
    standard: 85,
    meaning: 'Share of memory in use that counts as critical.',
  },
  'pressure.cooldown': {
    type: 'seconds',
    range: [0, 3600],
    standard: 60,
    meaning: 'Least time between two handlings of memory pressure of one level.',
  },
  'retry.policy': {
    type: 'retry_policy',
    standard: 'auto',
    meaning:
      'What a retry after a memory failure changes: auto by its cause, reduce always less, grow always more.',
  },
  'retry.memory_attempts': {
    type: 'integer',
    range: [0, 20],
    standard: 3,
    meaning: 'Further attempts after failures for want of memory; 0: none.',
  },
  'retry.crash_attempts': {
    type: 'integer',
    range: [0, 20],
    standard: 1,
    meaning:
      'Further attempts after a crash or a kill of unknown cause; an exit code of its own is never retried.',
  },
  'retry.timeout_attempts': {
    type: 'integer',
    range: [0, 20],
    standard: 1,
    meaning: 'Further attempts after a time-out.',
  },
  'retry.backoff': {
    type: 'seconds',
    range: [0, 3600],
    standard: 5,
    meaning: 'The wait before the first retry; it doubles with each one, less up to half by chance.',
  },
  'retry.backoff_cap': {
    type: 'seconds',
    range: [0, 86400],
    standard: 300,
    meaning: 'The longest wait before a retry.',
  },
  'circuit_breaker.failures': {
    type: 'integer',
    range: [1, 100],
    standard: 3,
    meaning: 'So many times out of memory within the window open the breaker: nothing starts.',
  },
  'circuit_breaker.window': {
    type: 'seconds',
    range: [1, 86400],
    standard: 300,
    meaning: 'How long a time out of memory counts.',
  },
  'circuit_breaker.recovery': {
    type: 'seconds',
    range: [0.1, 86400],
    standard: 30,
    meaning: 'How long the breaker stays open; doubled each time its probe fails.',
  },
  'circuit_breaker.recovery_max': {
    type: 'seconds',
    range: [0.1, 86400],
    standard: 600,
    meaning: 'The longest that the breaker stays open at a time.',
  },
  'circuit_breaker.available_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 500,
    figures: { auto: reserve(48), strict: reserve(48) },
    meaning: 'With less than this available, the breaker opens at once.',
  },
  'circuit_breaker.probe': {
    type: 'seconds',
    range: [1, 86400],
    standard: 300,
    meaning: 'The one start of a half-open breaker has passed after this long without running out of memory.',
  },
  'alerts.min_level': {
    type: 'alert_level',
    standard: 'warning',
    meaning: 'The least level that the webhook and the command are told of; the log has them all.',
  },
  'alerts.timeout': {
    type: 'seconds',
    range: [0.1, 60],
    standard: 5,
    meaning: 'How long one delivery of an alert may take; then it is given up and its command is ended.',
  },
} as const satisfies Record<string, Setting>;
