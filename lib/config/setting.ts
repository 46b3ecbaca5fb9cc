/** What is a setting: its type, range, default and meaning, and the names that some of them take? */
import type { AlertLevel } from '../model.ts';
import type {
  EstimatorChoice,
  GateAnswer,
  GateBash,
  GateFailure,
  KernelCeiling,
  ProfileName,
  RetryPolicy,
} from '../settings-model.ts';

export type SettingType =
  | 'profile'
  | 'retry_policy'
  | 'alert_level'
  | 'kernel_ceiling'
  | 'estimator'
  | 'gate_answer'
  | 'gate_failure'
  | 'gate_bash'
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
  /** What profiles say instead: a figure, a yes or no, or a part of the machine. */
  readonly figures?: Partial<Record<ProfileName, number | boolean | MachinePart>>;
  readonly meaning: string;
}

/** An agent's or the coordinator's share of the machine. */
export const memory = (part: number): MachinePart => ({ part, stepMb: 256, leastMb: 256 });
/** What is kept free, as a part of the machine. */
export const reserve = (part: number): MachinePart => ({ part, stepMb: 16, leastMb: 16 });
/** The whole or half of the machine; a step of 256 MB would give away a quarter of a small container. */
export const whole = (part: number): MachinePart => ({ part, stepMb: 16, leastMb: 256 });

export const PROFILES = ['auto', 'workstation', 'laptop', 'strict'] as const satisfies readonly ProfileName[];

export const RETRY_POLICIES = ['auto', 'reduce', 'grow'] as const satisfies readonly RetryPolicy[];

export const KERNEL_CEILINGS = ['auto', 'off'] as const satisfies readonly KernelCeiling[];

export const ESTIMATOR_CHOICES = [
  'p99',
  'vpa',
  'max',
  'tovar',
  'fixed',
] as const satisfies readonly EstimatorChoice[];
export const GATE_ANSWERS = ['deny', 'wait', 'defer'] as const satisfies readonly GateAnswer[];

export const GATE_FAILURES = ['allow', 'block'] as const satisfies readonly GateFailure[];

export const GATE_BASH = ['off', 'advise', 'refuse'] as const satisfies readonly GateBash[];

export const ALERT_LEVELS = ['warning', 'critical'] as const satisfies readonly AlertLevel[];

/** Why each profile's figures are what they are, for figures that are no part of the machine. */
export const PROFILE_REASONS: Readonly<Record<ProfileName, string>> = {
  auto: 'the same figure on every machine',
  workstation: '8 agents of 8 GB and a coordinator of 16 GB on a machine of 96 GB',
  laptop: 'two agents beside a person who needs the other half of the machine',
  strict: 'a guarded command may grow to half of what the other profiles allow',
};
