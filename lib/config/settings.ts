/** Which settings exist, of what type, in which range, with which default in which profile, and what does each mean? */
import { FEEDBACK_SETTINGS } from './sections/feedback.ts';
import { GATE_SETTINGS } from './sections/gate.ts';
import { GUARD_SETTINGS } from './sections/guard.ts';
import { ORCHESTRATOR_SETTINGS } from './sections/orchestrator.ts';
import { PROMPT_CACHE_SETTINGS } from './sections/prompt-cache.ts';
import { POOL_SETTINGS } from './sections/pool.ts';
import { SPINE_SETTINGS } from './sections/spine.ts';
import type { Setting, SettingType, SettingValue } from './setting.ts';

/** Every setting by its dotted key, in the order in which people see them. */
export const SETTINGS = {
  ...SPINE_SETTINGS,
  ...GUARD_SETTINGS,
  ...POOL_SETTINGS,
  ...PROMPT_CACHE_SETTINGS,
  ...ORCHESTRATOR_SETTINGS,
  ...FEEDBACK_SETTINGS,
  ...GATE_SETTINGS,
} as const satisfies Record<string, Setting>;

export type SettingKey = keyof typeof SETTINGS;

/** Keys that hold a list, and what the lists are called where they are collected. */
export const LISTS = {
  'pressure.handlers': 'handlers',
  'orchestrator.agents': 'roster',
  'gate.heavy': 'heavy',
} as const;

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
  estimator: undefined,
  gate_answer: undefined,
  gate_failure: undefined,
  gate_bash: undefined,
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
