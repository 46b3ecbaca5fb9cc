/** What do the user's file, the project's file, the variables and the flags say, each with its place? */
import { errorCode, Failure } from '../failure.ts';
import { fileFacts, readText } from '../files.ts';
import type { KindEntry } from './agents.ts';
import type { ReceiverEntry } from './alerts.ts';
import type { Fault } from './faults.ts';
import type { ListEntry } from './named-list.ts';
import { LISTS, SETTING_KEYS, isSettingKey, settingOf, variableOf, type SettingKey } from './settings.ts';
import type { SettingValue } from './setting.ts';
import { readPlainFile } from './tree.ts';
import type { Entry, Tree } from './tree.ts';
import { allowedText, parseValue, shown, wordsOf } from './values.ts';

export interface Written {
  readonly value: SettingValue;
  /** `FILE:LINE`, the variable's or the flag's name. */
  readonly origin: string;
}

/** What all layers said; a later layer has written over an earlier one. */
export interface Collected {
  readonly written: Map<SettingKey, Written>;
  readonly kinds: KindEntry[];
  /** `pressure.handlers` of each file that has it, lowest first. */
  readonly handlers: ListEntry[];
  /** `orchestrator.agents` of each file that has it, lowest first. */
  readonly roster: ListEntry[];
  /** What is written of `alerts.webhook` and `alerts.command`, lowest first. */
  readonly receivers: ReceiverEntry[];
  /** `gate.heavy` of each file that has it, lowest first. */
  readonly heavy: ListEntry[];
  readonly faults: Fault[];
  readonly warnings: string[];
}

const SECTIONS = [
  'profile',
  'memory_management',
  'node_options',
  'thresholds',
  'admission',
  'subprocess',
  'pressure',
  'retry',
  'circuit_breaker',
  'alerts',
  'prompt_cache',
  'orchestrator',
  'pool',
  'feedback',
  'gate',
  'agents',
];

/** Keys outside `agents` that hold more than one value, or one that has no default. */
const RECEIVER_KEYS = ['alerts.webhook', 'alerts.command'] as const;
const OTHER_KEYS: readonly string[] = [...Object.keys(LISTS), ...RECEIVER_KEYS];

/** Sections of other tools in the same file, and of ours to come; never taken for a slip of the pen. */
const FOREIGN = new Set('preserve update backup version hooks project permission permissions env'.split(' '));

/** The yaml package takes 2 s for 256 KB of the worst text that we found (`]` all over), 17 s for 1 MB. */
const LARGEST_FILE_BYTES = 256 * 1024;

/** Variables that the toolkit hands to itself and to its children. */
const INTERNAL = new Set(
  [
    'STATE_DIR', 'LEASE', 'STREAM', 'EPIC', 'ISSUE', 'KEY', 'ATTEMPT', 'LIMIT_MB', 'HEAP_MB', 'PROMPT', 'TITLE',
    'PROJECT', 'ENV', 'BASE_NODE_OPTIONS', 'CHECKPOINT', 'PRESSURE_LEVEL', 'PRESSURE_HANDLER', 'PRESSURE_AVAILABLE_MB',
    'PRESSURE_TOTAL_MB', 'PRESSURE_USED_PERCENT', 'PRESSURE_SOME_PERCENT', 'PRESSURE_FULL_PERCENT', 'ALERT_LEVEL',
    'ALERT_SUBPROCESS', 'ALERT_MESSAGE',
  ].map((name) => `CLAUDE_PM_${name}`),
); // prettier-ignore

/** Names that the ancestors' users know. */
export const ALIASES: Readonly<Record<string, SettingKey>> = {
  CLAUDE_PM_MEMORY_WARNING_MB: 'thresholds.warning_mb',
  CLAUDE_PM_MEMORY_CRITICAL_MB: 'thresholds.critical_mb',
  CLAUDE_PM_MEMORY_MAX_MB: 'thresholds.max_mb',
};

/** True switches memory_management.monitoring_enabled off. */
export const DISABLE_MONITOR = 'CLAUDE_PM_DISABLE_MEMORY_MONITOR';

/** Reads one settings file into `into`; false where there is none. The yaml package is loaded only if the file needs it. */
export async function collectFile(into: Collected, file: string): Promise<boolean> {
  const text = readSmallFile(into, file);
  if (text === undefined) return false;
  const plain = readPlainFile(text);
  if (plain !== undefined) {
    await collectEntries(into, file, plain);
    return true;
  }
  const { readYamlFile } = await import('./yaml.ts');
  const { entries, faults } = readYamlFile(text);
  into.faults.push(...faults.map((fault) => ({ where: `${file}:${fault.line}`, text: fault.text })));
  await collectEntries(into, file, entries);
  return true;
}

function readSmallFile(into: Collected, file: string): string | undefined {
  try {
    const facts = fileFacts(file);
    if (facts === undefined) return undefined;
    if (facts.bytes <= LARGEST_FILE_BYTES || facts.isDirectory) return readText(file);
    into.faults.push({
      where: shown(file),
      text: 'is larger than a settings file may be',
      allowed: 'up to 256 KB',
    });
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOTDIR') return undefined;
    if (!(error instanceof Failure) && code === undefined) throw error;
    const text =
      error instanceof Failure ? error.message.replace(` ${file}:`, ':') : `cannot be looked at (${code})`;
    into.faults.push({ where: shown(file), text });
  }
  return undefined;
}

async function collectEntries(into: Collected, file: string, entries: readonly Entry[]): Promise<void> {
  const seen = new Map<string, number>();
  for (const entry of entries) {
    if (!SECTIONS.includes(entry.key)) continue;
    reportTwice(into, file, entry, entry.key, seen);
    collectSection(into, file, entry);
  }
  await collectSlips(into, file, entries);
}

/** A foreign section is none of our business, unless it is a slip of one of ours that would then be without effect. */
async function collectSlips(into: Collected, file: string, entries: readonly Entry[]): Promise<void> {
  const couldBeOurs = (key: string): boolean =>
    SECTIONS.some((section) => Math.abs(section.length - key.length) <= 3);
  const foreign = entries.filter(
    ({ key }) => !SECTIONS.includes(key) && !FOREIGN.has(key) && couldBeOurs(key),
  );
  if (foreign.length === 0) return;
  const { nearSection } = await import('./faults.ts');
  for (const { key, line } of foreign) {
    const section = nearSection(key, SECTIONS);
    if (section === undefined) continue;
    const guess = { written: section, candidates: [section] };
    const text = 'is no section of ours and would have no effect';
    into.faults.push({ where: `${file}:${line}`, key, text, guess });
  }
}

function collectSection(into: Collected, file: string, section: Entry): void {
  const { key: name, value, line } = section;
  if (name === 'profile') {
    collectScalar(into, `${file}:${line}`, 'profile', value);
    return;
  }
  if (value.kind === 'empty') return;
  if (value.kind !== 'map') {
    const text = value.kind === 'other' ? `is ${value.what}` : 'must be a map of keys';
    into.faults.push({ where: `${file}:${line}`, key: name, text });
    return;
  }
  if (name === 'agents') {
    into.kinds.push(...value.entries.map((entry) => ({ file, entry })));
    return;
  }
  const seen = new Map<string, number>();
  for (const entry of value.entries) {
    const key = `${name}.${entry.key}`;
    if (isSettingKey(key)) {
      reportTwice(into, file, entry, key, seen);
      collectScalar(into, `${file}:${entry.line}`, key, entry.value);
    } else if (Object.hasOwn(LISTS, key)) {
      reportTwice(into, file, entry, key, seen);
      into[LISTS[key as keyof typeof LISTS]].push({ file, value: entry.value });
    } else if (isReceiverKey(key)) {
      reportTwice(into, file, entry, key, seen);
      into.receivers.push({ origin: `${file}:${entry.line}`, key, value: entry.value });
    } else into.faults.push(unknownKey(`${file}:${entry.line}`, name, entry.key));
  }
}

function isReceiverKey(key: string): key is ReceiverEntry['key'] {
  return RECEIVER_KEYS.some((one) => one === key);
}

function reportTwice(
  into: Collected,
  file: string,
  { line }: Entry,
  key: string,
  seen: Map<string, number>,
): void {
  const first = seen.get(key);
  if (first === undefined) seen.set(key, line);
  else into.faults.push({ where: `${file}:${line}`, key, text: `is written twice, first in line ${first}` });
}

/** An unknown key of a section: the nearest key of it, or the same key where it belongs. */
function unknownKey(where: string, section: string, name: string): Fault {
  const own = [...SETTING_KEYS, ...OTHER_KEYS].filter((key) => key.startsWith(`${section}.`));
  const elsewhere = SETTING_KEYS.find((key) => key.endsWith(`.${name}`));
  const guess =
    elsewhere === undefined
      ? { written: name, candidates: own.map((key) => key.slice(section.length + 1)) }
      : { written: elsewhere, candidates: [elsewhere] };
  return { where, key: `${section}.${name}`, text: 'is no setting', guess };
}

function collectScalar(into: Collected, where: string, key: SettingKey, value: Tree): void {
  if (value.kind === 'scalar') {
    collectText(into, where, key, value.text);
    return;
  }
  const texts = {
    empty: 'has no value',
    list: 'must be one value, no list',
    map: 'must be one value, no map',
  };
  const text = value.kind === 'other' ? `is ${value.what}` : texts[value.kind];
  into.faults.push({ where, key, text, allowed: allowedText(settingOf(key)) });
}

function collectText(into: Collected, where: string, key: SettingKey, text: string): void {
  const setting = settingOf(key);
  const parsed = parseValue(setting, text);
  if ('value' in parsed) {
    into.written.set(key, { value: parsed.value, origin: where });
    return;
  }
  const candidates = wordsOf(setting.type) ?? [];
  const guess = { written: text, candidates };
  into.faults.push({ where, key, text: parsed.problem, allowed: allowedText(setting), guess });
}

/**
 * Reads `CLAUDE_PM_*`; an empty variable counts as none, and a key's own variable wins over the ancestors' name for it.
 * A variable that we do not know is a warning only: another version of the toolkit may know it.
 */
export async function collectVariables(
  into: Collected,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const names = Object.keys(env).filter((name) => name.startsWith('CLAUDE_PM_') && env[name] !== '');
  if (names.length === 0) return;
  const text = (name: string): string | undefined => env[name] || undefined;
  const own = new Map(SETTING_KEYS.map((key) => [variableOf(key), key]));

  collectDisabled(into, text(DISABLE_MONITOR));
  for (const [name, key] of [...Object.entries(ALIASES), ...own]) {
    const value = text(name);
    if (value !== undefined) collectText(into, name, key, value);
  }

  const receivers = RECEIVER_KEYS.map((key) => ({ key, name: variableOf(key) }));
  for (const { key, name } of receivers) {
    const value = text(name);
    if (value !== undefined)
      into.receivers.push({ origin: name, key, value: { kind: 'scalar', line: 0, text: value } });
  }

  const known = [
    ...own.keys(),
    ...receivers.map(({ name }) => name),
    ...Object.keys(ALIASES),
    DISABLE_MONITOR,
  ];
  const unknown = names.filter((name) => !known.includes(name) && !INTERNAL.has(name));
  if (unknown.length === 0) return;
  const { faultLine } = await import('./faults.ts');
  for (const name of unknown) {
    const fault = {
      where: shown(name),
      text: 'is no variable of ours and has no effect',
      guess: { written: name, candidates: known },
    };
    into.warnings.push(faultLine(fault));
  }
}

function collectDisabled(into: Collected, text: string | undefined): void {
  if (text === undefined) return;
  const key = 'memory_management.monitoring_enabled';
  const parsed = parseValue(settingOf(key), text);
  if ('problem' in parsed) {
    into.faults.push({ where: DISABLE_MONITOR, key, text: parsed.problem, allowed: 'true or false' });
  } else if (parsed.value === true) into.written.set(key, { value: false, origin: DISABLE_MONITOR });
}

/** What a flag says about a key; a bare text is shown as coming from `--set`. */
export type Override = string | { readonly text: string; readonly flag: string };

/** Reads the flags, by dotted key. */
export function collectOverrides(into: Collected, overrides: Readonly<Record<string, Override>>): void {
  for (const [key, override] of Object.entries(overrides)) {
    const { text, flag } = typeof override === 'string' ? { text: override, flag: '--set' } : override;
    if (isSettingKey(key)) collectText(into, flag, key, text);
    else if (isReceiverKey(key))
      into.receivers.push({ origin: flag, key, value: { kind: 'scalar', line: 0, text } });
    else
      into.faults.push({
        where: flag,
        key,
        text: 'is no setting',
        guess: { written: key, candidates: SETTING_KEYS },
      });
  }
}
