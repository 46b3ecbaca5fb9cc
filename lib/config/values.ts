/** What value does the text of a setting stand for, and what may it be? The same text rules for files, variables and flags. */
import { GIB, MIB, parseDuration, parseSize } from '../units.ts';
import {
  ALERT_LEVELS,
  ESTIMATOR_CHOICES,
  GATE_ANSWERS,
  GATE_BASH,
  GATE_FAILURES,
  KERNEL_CEILINGS,
  PROFILES,
  RETRY_POLICIES,
} from './setting.ts';
import type { Setting, SettingType, SettingValue } from './setting.ts';

/** A value, or what is wrong with the text. */
export type Parsed<T = SettingValue> = { readonly value: T } | { readonly problem: string };

const TRUE = new Set(['true', 'yes', 'on', '1']);
const FALSE = new Set(['false', 'no', 'off', '0']);

/** Decimal only: `0x10`, `010` (8 or 10, depending on whom you ask), `1e3`, `.inf` and `1_000` are refused, not guessed. */
const QUANTITY = /^(-?(?:0|[1-9]\d*)?(?:\.\d+)?)\s*([A-Za-z%]*)$/;

/** Text from outside as it may stand in a message: one short line without control or direction characters. */
export function shown(text: string): string {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
}

/** How many of a type's own unit one of the written unit is; undefined: no such unit. */
const FACTORS: Readonly<Record<SettingType, (unit: string) => number | undefined>> = {
  profile: () => undefined,
  retry_policy: () => undefined,
  alert_level: () => undefined,
  kernel_ceiling: () => undefined,
  estimator: () => undefined,
  gate_answer: () => undefined,
  gate_failure: () => undefined,
  gate_bash: () => undefined,
  boolean: () => undefined,
  integer: (unit) => (unit === '' ? 1 : undefined),
  megabytes: (unit) => sizeFactor(unit, MIB),
  whole_megabytes: (unit) => sizeFactor(unit, MIB),
  gigabytes: (unit) => sizeFactor(unit, GIB),
  seconds: (unit) => {
    const ms = unit === '' ? 1000 : parseDuration(`1${unit}`);
    return ms === undefined ? undefined : ms / 1000;
  },
  percent: (unit) => (unit === '%' || unit === '' ? 1 : undefined),
};

function sizeFactor(unit: string, ownBytes: number): number | undefined {
  const bytes = unit === '' ? ownBytes : parseSize(`1${unit}`);
  return bytes === undefined ? undefined : bytes / ownBytes;
}

const NAMES: Readonly<Record<SettingType, string>> = {
  profile: 'profile',
  retry_policy: 'retry policy',
  alert_level: 'level of alerts',
  kernel_ceiling: 'choice of a kernel ceiling',
  estimator: 'estimator',
  gate_answer: 'answer of the gate',
  gate_failure: 'answer of a broken gate',
  gate_bash: 'rule for heavy commands',
  boolean: 'yes or no',
  integer: 'whole number',
  megabytes: 'number of MB',
  whole_megabytes: 'whole number of MB',
  gigabytes: 'number of GB',
  seconds: 'number of seconds',
  percent: 'share',
};

/**
 * What a person wrote for a setting, in the setting's own unit (GB, MB, s, %): `8`, `8GB` and `8192MB` are 8 for a
 * key in GB; `70%`, `70` and `0.7` are 70 for a share (up to 1 a number is the share itself).
 */
export function parseValue(setting: Setting, text: string): Parsed {
  const word = text.trim();
  if (word === '') return { problem: 'has no value' };
  const lower = word.toLowerCase();
  if (setting.type === 'boolean') {
    if (TRUE.has(lower)) return { value: true };
    return FALSE.has(lower) ? { value: false } : { problem: `"${shown(word)}" is neither true nor false` };
  }
  const words = wordsOf(setting.type);
  if (words !== undefined) {
    const known = words.find((name) => name === lower);
    return known === undefined
      ? { problem: `"${shown(word)}" is no ${NAMES[setting.type]}` }
      : { value: known };
  }
  return parseNumber(setting, word);
}

const WORDS: Partial<Readonly<Record<SettingType, readonly string[]>>> = {
  profile: PROFILES,
  alert_level: ALERT_LEVELS,
  kernel_ceiling: KERNEL_CEILINGS,
  retry_policy: RETRY_POLICIES,
  estimator: ESTIMATOR_CHOICES,
  gate_answer: GATE_ANSWERS,
  gate_failure: GATE_FAILURES,
  gate_bash: GATE_BASH,
};

/** The words that a setting of this type takes; undefined where it takes no words. */
export function wordsOf(type: SettingType): readonly string[] | undefined {
  return Object.hasOwn(WORDS, type) ? WORDS[type] : undefined;
}

function parseNumber(setting: Setting, word: string): Parsed<number> {
  const wrong = { problem: `"${shown(word)}" is no ${NAMES[setting.type]}` };
  const match = QUANTITY.exec(word);
  const digits = match?.[1] ?? '';
  const unit = match?.[2] ?? '';
  const factor = FACTORS[setting.type](unit);
  if (!/\d/.test(digits) || factor === undefined) return wrong;

  const number = Number(digits);
  const isShare = setting.type === 'percent' && unit === '' && number <= 1;
  // A share of 0.07 must come out as 7, not as 7.000000000000001.
  const value = isShare ? Math.round(number * 1e8) / 1e6 : number * factor;
  const needsWhole = setting.type === 'integer' || setting.type === 'whole_megabytes';
  if (needsWhole && !Number.isInteger(value)) return wrong;
  const [least, most] = setting.range ?? [-Infinity, Infinity];
  if (value < least) return { problem: `${shown(word)} is too little` };
  return value > most ? { problem: `${shown(word)} is too much` } : { value };
}

/** The values that a setting takes, for people: `0.25 to 1024 (GB)`. */
export function allowedText(setting: Setting): string {
  if (setting.type === 'boolean') return 'true or false';
  const words = wordsOf(setting.type);
  if (words !== undefined) return words.join(', ');
  const [least, most] = setting.range ?? [];
  const units: Partial<Record<SettingType, string>> = {
    integer: ' (whole)',
    megabytes: ' (MB)',
    whole_megabytes: ' (MB, whole)',
    gigabytes: ' (GB)',
    seconds: ' (s)',
  };
  return setting.type === 'percent'
    ? `${least}% to ${most}%`
    : `${least} to ${most}${units[setting.type] ?? ''}`;
}

/** A value as it is written in a settings file: `8`, `70%`, `true`; reading it gives the same value. */
export function writtenText(setting: Setting, value: SettingValue): string {
  return setting.type === 'percent' ? `${value}%` : String(value);
}
