/** Which settings exist, of what type, in which range, with which default in which profile, and what does each mean? */
import type { AlertLevel, KernelCeiling, ProfileName, RetryPolicy } from '../model.ts';

export type SettingType =
  | 'profile'
  | 'retry_policy'
  | 'alert_level'
  | 'kernel_ceiling'
  | 'boolean'
  | 'integer'
  | 'megabytes'
  | 'whole_megabytes'
  | 'gigabytes'
  | 'seconds'
  | 'percent';

export type SettingValue = boolean | number | string;

/** 1/part of the machine, rounded to the nearest stepMb (the whole machine: down), at least leastMb, at most the workstation's figure. */
export interface MachinePart {
  readonly part: number;
  readonly stepMb: number;
  readonly leastMb: number;
}

export interface Setting {
  readonly type: SettingType;
  /** Smallest and largest value in the setting's own unit; absent for booleans and names. */
  readonly range?: readonly [number, number];
  /** The default, in the setting's own unit; where profiles differ: the workstation's. */
  readonly standard: SettingValue;
  /** What profiles say instead: a figure, or a part of the machine. */
  readonly figures?: Partial<Record<ProfileName, number | MachinePart>>;
  readonly meaning: string;
}

const memory = (part: number): MachinePart => ({ part, stepMb: 256, leastMb: 256 });
const reserve = (part: number): MachinePart => ({ part, stepMb: 16, leastMb: 16 });
/** The whole or half of the machine; a step of 256 MB would give away a quarter of a small container. */
const whole = (part: number): MachinePart => ({ part, stepMb: 16, leastMb: 256 });

export const PROFILES = ['auto', 'workstation', 'laptop', 'strict'] as const satisfies readonly ProfileName[];

export const RETRY_POLICIES = ['auto', 'reduce', 'grow'] as const satisfies readonly RetryPolicy[];

export const KERNEL_CEILINGS = ['auto', 'off'] as const satisfies readonly KernelCeiling[];

export const ALERT_LEVELS = ['warning', 'critical'] as const satisfies readonly AlertLevel[];

/** Why each profile's figures are what they are, for figures that are no part of the machine. */
export const PROFILE_REASONS: Readonly<Record<ProfileName, string>> = {
  auto: 'the same figure on every machine',
  workstation: '8 agents of 8 GB and a coordinator of 16 GB on a machine of 96 GB',
  laptop: 'two agents beside a person who needs the other half of the machine',
  strict: 'a guarded command may grow to half of what the other profiles allow',
};

/**
 * Every setting by its dotted key. The sections memory_management and node_options keep their ancestors' names and
 * defaults, made for a machine of 96 GB: a sixth of it for the coordinator, a twelfth for an agent.
 * Laptop: an agent and the coordinator get a sixth each, so two agents and the coordinator are half of the machine.
 */
export const SETTINGS = {
  profile: {
    type: 'profile',
    standard: 'auto',
    meaning: 'Which defaults: auto fits this machine, laptop takes half of it, workstation is for 96 GB.',
  },
  'memory_management.enabled': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, memory holds nothing back; only max_concurrent_agents does.',
  },
  'memory_management.max_concurrent_agents': {
    type: 'integer',
    range: [1, 1000],
    standard: 8,
    figures: { laptop: 2 },
    meaning: 'The most agents that run at once, however much memory is free.',
  },
  'memory_management.memory_per_agent_gb': {
    type: 'gigabytes',
    range: [0.25, 1024],
    standard: 8,
    figures: { auto: memory(12), strict: memory(12), laptop: memory(6) },
    meaning: 'What an agent is expected to need and where it is stopped, unless its kind or stream says so.',
  },
  'memory_management.total_memory_limit_gb': {
    type: 'gigabytes',
    range: [0.25, 65536],
    standard: 96,
    figures: { auto: whole(1), strict: whole(1), laptop: whole(2) },
    meaning: 'The most that all agents and the coordinator may use together.',
  },
  'memory_management.coordinator_memory_gb': {
    type: 'gigabytes',
    range: [0, 1024],
    standard: 16,
    figures: { auto: memory(6), strict: memory(6), laptop: memory(6) },
    meaning: 'What is kept for the coordinator while it is not running.',
  },
  'memory_management.monitoring_enabled': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, agents are measured but never stopped for their memory.',
  },
  'memory_management.cleanup_timeout': {
    type: 'seconds',
    range: [0, 3600],
    standard: 30,
    meaning: 'How long an agent may take to end by itself (TERM) before it is ended (KILL).',
  },
  'memory_management.retry_on_memory_limit': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, nothing is tried again after it ran out of memory.',
  },
  'node_options.coordinator_heap_size': {
    type: 'whole_megabytes',
    range: [64, 1048576],
    standard: 16384,
    figures: { auto: memory(6), strict: memory(6), laptop: memory(6) },
    meaning: "The coordinator's V8 heap, where its program takes heap flags.",
  },
  'node_options.agent_heap_size': {
    type: 'whole_megabytes',
    range: [64, 1048576],
    standard: 8192,
    figures: { auto: memory(12), strict: memory(12), laptop: memory(6) },
    meaning: "An agent's V8 heap, where its program takes heap flags.",
  },
  'node_options.gc_exposure': {
    type: 'boolean',
    standard: true,
    meaning: 'Lets programs call the garbage collector (--expose-gc), where Node takes it.',
  },
  'node_options.optimize_for_size': {
    type: 'boolean',
    standard: true,
    meaning: 'Trades speed for a smaller heap.',
  },
  'thresholds.warning_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 1024,
    figures: { strict: 500 },
    meaning: 'A single guarded command: from here on a warning.',
  },
  'thresholds.critical_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 2048,
    figures: { strict: 1000 },
    meaning: 'A single guarded command: from here on a critical alert.',
  },
  'thresholds.max_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 4096,
    figures: { strict: 2000 },
    meaning: 'A single guarded command: here it is stopped.',
  },
  'thresholds.sample_interval': {
    type: 'seconds',
    range: [0.05, 2],
    standard: 2,
    meaning: 'The longest time between two looks; it shrinks by itself as memory gets short.',
  },
  'thresholds.abort': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, crossings are reported and nothing is stopped.',
  },
  'thresholds.kernel_ceiling': {
    type: 'kernel_ceiling',
    standard: 'auto',
    meaning:
      'A cgroup or systemd scope for each agent, a little above its limit, where this machine gives one.',
  },
  'admission.floor_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 1024,
    figures: { auto: reserve(24), strict: reserve(24), laptop: 500 },
    meaning: 'With less than this available, nothing starts, not even a single agent.',
  },
  'admission.safety_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 512,
    figures: { auto: reserve(48), strict: reserve(48), laptop: 300 },
    meaning: 'Kept free on top of everything that is promised.',
  },
  'admission.lookahead': {
    type: 'integer',
    range: [0, 1000],
    standard: 5,
    meaning: 'How many waiting streams behind a blocked one may overtake it.',
  },
  'admission.ageing': {
    type: 'seconds',
    range: [0, 86400],
    standard: 60,
    meaning: 'A stream that has waited this long is overtaken no more.',
  },
  'admission.lease': {
    type: 'seconds',
    range: [1, 604800],
    standard: 3600,
    meaning: 'How long a lease without a process of its own lasts.',
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

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** Whether this dotted key is one of ours (`__proto__` and `toString` are not). */
export function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTINGS, key);
}

/** The row of one key. */
export function settingOf(key: SettingKey): Setting {
  return SETTINGS[key];
}

/** `CLAUDE_PM_SECTION_KEY`, the variable that sets a key. */
export function variableOf(key: string): string {
  return `CLAUDE_PM_${key.replace('.', '_').toUpperCase()}`;
}

/** The unit in which a setting's value is written and shown. */
export function unitOf(key: SettingKey): string | undefined {
  return UNITS[SETTINGS[key].type];
}

const UNITS: Readonly<Record<SettingType, string | undefined>> = {
  profile: undefined,
  retry_policy: undefined,
  alert_level: undefined,
  kernel_ceiling: undefined,
  boolean: undefined,
  integer: undefined,
  megabytes: 'MB',
  whole_megabytes: 'MB',
  gigabytes: 'GB',
  seconds: 's',
  percent: '%',
};

/** One setting as it applies, in the unit that people write, with where it comes from. */
export interface EffectiveValue {
  /** `section.key`, or `agents.KIND.KEY`. */
  readonly key: string;
  readonly value: SettingValue;
  readonly unit: string | undefined;
  /** `default`, `profile NAME`, `FILE:LINE`, the variable's or the flag's name. */
  readonly origin: string;
  /** Why a figure that nobody wrote is what it is. */
  readonly reason?: string;
  readonly meaning: string;
}

/** What a key is when nobody writes it. */
export interface Figure {
  readonly value: SettingValue;
  readonly origin: string;
  readonly reason?: string;
}
