/** Which settings apply here, and where does each come from? All faults at once. */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import type { ProfileName, Settings } from '../settings-model.ts';
import { GIB, MIB, formatBytes } from '../units.ts';
import type { Kinds } from './agents.ts';
import type { Receivers } from './alerts.ts';
import { assemble } from './assemble.ts';
import type { Handlers } from './handlers.ts';
import type { Roster } from './roster.ts';
import { HEAVY_COMMANDS, readHeavy } from './heavy.ts';
import type { Heavy } from './heavy.ts';
import { collectFile, collectOverrides, collectVariables } from './layers.ts';
import type { Collected, Override } from './layers.ts';
import { checkRules, yieldToWritten } from './rules.ts';
import type { Choices } from './rules.ts';
import { PROFILES, PROFILE_REASONS } from './setting.ts';
import { SETTING_KEYS, settingOf, unitOf } from './settings.ts';
import type { MachinePart, Setting } from './setting.ts';
import type { EffectiveValue, Figure, SettingKey } from './settings.ts';

export const SETTINGS_FILE = '.claude-pm.yaml';

/** A person mends no more than this at once; a file of another kind in the place of ours has thousands. */
const MOST_LINES = 100;

export interface SettingsSources {
  /** HOME; undefined or empty: there is no user's file. */
  readonly homeDir: string | undefined;
  /** The folder whose settings file applies; a leading `~` is expanded. */
  readonly projectDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What flags say, by dotted key. */
  readonly overrides: Readonly<Record<string, Override>>;
  /** What the machine or the tightest cgroup has in all. */
  readonly machineTotalBytes: number;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Every setting in the order of the schema, then what is written of each kind of agent. */
  readonly values: readonly EffectiveValue[];
  /** One line each; nothing that stops us. */
  readonly warnings: readonly string[];
  /** The files that were looked for, lowest first. */
  readonly files: readonly { readonly path: string; readonly found: boolean }[];
}

/**
 * Loads the settings: defaults < profile < `~/.claude/.claude-pm.yaml` < the project's `.claude-pm.yaml` <
 * `CLAUDE_PM_*` < flags.
 * @throws Failure (exit 2) that lists every fault in one line each: `FILE:LINE section.key: …; allowed: …; did you mean …?`
 */
export async function loadSettings(sources: SettingsSources): Promise<LoadedSettings> {
  const collected: Collected = {
    written: new Map(),
    kinds: [],
    handlers: [],
    roster: [],
    receivers: [],
    heavy: [],
    faults: [],
    warnings: [],
  };
  const homeDir = sources.homeDir === '' ? undefined : sources.homeDir;

  const files = [];
  for (const path of settingsFiles(homeDir, sources.projectDir)) {
    files.push({ path, found: await collectFile(collected, path) });
  }
  await collectVariables(collected, sources.env);
  collectOverrides(collected, sources.overrides);

  const choices = choose(collected, sources.machineTotalBytes);
  const rules = checkRules(choices);
  const agents = await kindsOf(collected, homeDir);
  const handlers = await handlersOf(collected, homeDir);
  const roster = await rosterOf(collected, homeDir);
  const receivers = await receiversOf(collected, homeDir);
  const heavy = heavyOf(collected);
  await refuse([
    ...collected.faults,
    ...agents.faults,
    ...handlers.faults,
    ...roster.faults,
    ...receivers.faults,
    ...heavy.faults,
    ...rules.faults,
  ]);

  return {
    settings: assemble(
      choices,
      agents.kinds,
      { handlers: handlers.handlers, roster: roster.agents, heavy: heavy.heavy },
      receivers,
    ),
    values: [
      ...valuesOf(choices),
      ...handlers.values,
      ...roster.values,
      ...receivers.values,
      ...heavy.values,
      ...agents.values,
    ],
    warnings: [...collected.warnings, ...rules.warnings],
    files,
  };
}

/** The paths of the settings files, lowest layer first; each once, even if the project is the user's own folder. */
function settingsFiles(homeDir: string | undefined, projectDir: string): string[] {
  const inHome = homeDir !== undefined && /^~(?=\/|$)/.test(projectDir);
  const project = join(inHome ? projectDir.replace('~', () => homeDir) : projectDir, SETTINGS_FILE);
  if (homeDir === undefined) return [project];
  return [...new Set([join(homeDir, '.claude', SETTINGS_FILE), project])];
}

async function kindsOf(collected: Collected, homeDir: string | undefined): Promise<Kinds> {
  if (collected.kinds.length === 0) return { kinds: new Map(), values: [], faults: [] };
  const { readKinds } = await import('./agents.ts');
  return readKinds(collected.kinds, homeDir);
}

async function handlersOf(collected: Collected, homeDir: string | undefined): Promise<Handlers> {
  if (collected.handlers.length === 0) return { handlers: [], values: [], faults: [] };
  const { readHandlers } = await import('./handlers.ts');
  return readHandlers(collected.handlers, homeDir);
}

async function rosterOf(collected: Collected, homeDir: string | undefined): Promise<Roster> {
  if (collected.roster.length === 0) return { agents: undefined, values: [], faults: [] };
  const { readRoster } = await import('./roster.ts');
  return readRoster(collected.roster, homeDir);
}

async function receiversOf(collected: Collected, homeDir: string | undefined): Promise<Receivers> {
  if (collected.receivers.length === 0) return { webhook: undefined, command: [], values: [], faults: [] };
  const { readReceivers } = await import('./alerts.ts');
  return readReceivers(collected.receivers, homeDir);
}

function heavyOf(collected: Collected): Heavy {
  if (collected.heavy.length === 0) return { heavy: HEAVY_COMMANDS, values: [], faults: [] };
  return readHeavy(collected.heavy);
}

async function refuse(faults: Collected['faults']): Promise<void> {
  if (faults.length === 0) return;
  const { faultLine } = await import('./faults.ts');
  const lines = faults.slice(0, MOST_LINES).map(faultLine);
  if (faults.length > MOST_LINES) lines.push(`… and ${faults.length - MOST_LINES} faults more`);
  throw new Failure(lines.join('\n'), EXIT.mend);
}

function choose({ written }: Collected, machineTotalBytes: number): Choices {
  const profileText = written.get('profile')?.value;
  const profile: ProfileName = PROFILES.find((name) => name === profileText) ?? 'auto';
  const chosen = SETTING_KEYS.map((key) => {
    const said = written.get(key);
    const choice =
      said === undefined
        ? { ...figureOf(key, profile, machineTotalBytes), written: false }
        : { ...said, written: true };
    return [key, choice] as const;
  });
  return yieldToWritten(new Map(chosen));
}

/** The default of a key under a profile. 24 GB, auto: memory_per_agent_gb 2, "1/12 of 24.0 GB". */
function figureOf(key: SettingKey, profile: ProfileName, machineTotalBytes: number): Figure {
  const setting = settingOf(key);
  const figure = setting.figures?.[profile];
  if (figure === undefined) {
    const differs = profile === 'workstation' && setting.figures?.auto !== undefined;
    if (!differs) return { value: setting.standard, origin: 'default' };
    return { value: setting.standard, origin: 'profile workstation', reason: PROFILE_REASONS.workstation };
  }
  const origin = `profile ${profile}`;
  if (typeof figure !== 'object') return { value: figure, origin, reason: PROFILE_REASONS[profile] };
  return { ...partOfMachine(setting, figure, machineTotalBytes), origin };
}

function partOfMachine(
  setting: Setting,
  { part, stepMb, leastMb }: MachinePart,
  machineTotalBytes: number,
): { value: number; reason: string } {
  const perUnit = setting.type === 'gigabytes' ? GIB / MIB : 1;
  const mostMb = Number(setting.standard) * perUnit;
  // A machine sold with 24 GB reports 23.5: to the nearest step, except where the part is the whole, which must exist.
  const round = part === 1 ? Math.floor : Math.round;
  const roundedMb = round(machineTotalBytes / MIB / part / stepMb) * stepMb;
  const machine = formatBytes(machineTotalBytes).replace(/(?=[KMG]B$)/, ' ');
  const share = part === 1 ? `all of ${machine}` : `1/${part} of ${machine}`;
  if (roundedMb < leastMb)
    return { value: leastMb / perUnit, reason: `${share}, but at least ${leastMb} MB` };
  if (roundedMb < mostMb) return { value: roundedMb / perUnit, reason: share };
  return {
    value: mostMb / perUnit,
    reason: `${share}, but at most the workstation's figure`,
  };
}

function valuesOf(choices: Choices): EffectiveValue[] {
  return [...choices].map(([key, { value, origin, reason }]) => ({
    key,
    value,
    unit: unitOf(key),
    origin,
    ...(reason !== undefined && { reason }),
    meaning: settingOf(key).meaning,
  }));
}
