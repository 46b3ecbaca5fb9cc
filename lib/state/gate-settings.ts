/** Which settings does a hook go by? Those that were worked out last, kept as JSON for as long as nothing they came from has changed. */
import { join } from 'node:path';
import { fileFacts, readText, replaceFile } from '../files.ts';
import type { Settings } from '../settings-model.ts';

/** What an agent of a kind is expected to need. */
export interface GateNeed {
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  /** false: nobody said what it needs. */
  readonly estimateIsStated: boolean;
}

/** Settings as a gate needs them: nothing that could be a secret is among them. */
export interface GateRules {
  readonly settings: Settings;
  readonly needs: { readonly usual: GateNeed; readonly kinds: Readonly<Record<string, GateNeed>> };
  /** What the settings' files said that is no fault. */
  readonly warnings: readonly string[];
}

/** What the settings were worked out from. */
export interface GateSources {
  readonly homeDir: string | undefined;
  readonly machineTotalBytes: number;
  /** The paths of the settings files. */
  readonly files: readonly string[];
  /** Names of the variables that could say something. */
  readonly variables: readonly string[];
}

const VERSION = 1;

/** The file, in a folder that no project keeps. */
export function gateSettingsPath(projectDir: string): string {
  return join(projectDir, '.claude-pm', 'gate-settings.json');
}

export interface KeptRules {
  readonly rules: GateRules;
  /** false: a file, a variable or the machine has changed since. */
  readonly isFresh: boolean;
}

/** What was kept; undefined where there is nothing, or nothing that could be used. */
export function readGateRules(
  projectDir: string,
  world: Pick<GateSources, 'homeDir' | 'machineTotalBytes'>,
  env: Readonly<Record<string, string | undefined>>,
): KeptRules | undefined {
  const text = readText(gateSettingsPath(projectDir));
  const kept = text === undefined ? undefined : parse(text);
  if (kept === undefined) return undefined;
  const { sources, marks, rules } = kept;
  const isFresh =
    sources.homeDir === world.homeDir &&
    sources.machineTotalBytes === world.machineTotalBytes &&
    marksOf(sources, env) === marks;
  return { rules, isFresh };
}

/** Keeps what was worked out. @throws Failure where it cannot be written. */
export function writeGateRules(
  projectDir: string,
  sources: GateSources,
  rules: GateRules,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const { settings, needs, warnings } = rules;
  // Commands and receivers may hold secrets, and no gate needs them.
  const plain = {
    ...settings,
    agents: undefined,
    alerts: undefined,
    pressure: { ...settings.pressure, handlers: [] },
  };
  const kept = { version: VERSION, sources, marks: marksOf(sources, env), settings: plain, needs, warnings };
  replaceFile(gateSettingsPath(projectDir), `${JSON.stringify(kept)}\n`);
}

/** One text that changes when a file or a variable does. */
function marksOf(
  { files, variables }: GateSources,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const ofFiles = files.map((path) => {
    const facts = fileFacts(path);
    return facts === undefined ? '-' : `${facts.modifiedMs} ${facts.bytes}`;
  });
  const said = variables.filter((name) => env[name] !== undefined && env[name] !== '');
  return [...ofFiles, ...said.map((name) => `${name} ${digest(env[name] ?? '')}`)].join('\n');
}

/** FNV-1a, 32 bits: values are compared, never kept. Source: RFC 9923. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(36);
}

function parse(text: string): { sources: GateSources; marks: string; rules: GateRules } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isRecord(value) || value['version'] !== VERSION || typeof value['marks'] !== 'string')
    return undefined;
  const { sources, settings, needs, marks, warnings } = value;
  if (!isRecord(sources) || !Array.isArray(sources['files']) || !Array.isArray(sources['variables']))
    return undefined;
  if (!isRecord(settings) || !isRecord(needs) || !isRecord(needs['kinds']) || !isNeed(needs['usual']))
    return undefined;
  if (!GATE_NUMBERS.every((path) => typeof valueAt(settings, path) === 'number')) return undefined;
  if (!Object.values(needs['kinds']).every(isNeed) || !isRecord(settings['gate'])) return undefined;
  // Written by writeGateRules of this version; what decides is checked above.
  const rules = {
    settings: { ...settings, agents: new Map(), alerts: NO_ALERTS },
    needs,
    warnings: Array.isArray(warnings) ? warnings : [],
  } as unknown as GateRules;
  return { sources: sources as unknown as GateSources, marks, rules };
}

const NO_ALERTS: Settings['alerts'] = { webhook: undefined, command: [], minLevel: 'warning', timeoutMs: 0 };

/** The figures by which starts are decided: a file that lacks one was written by another version. */
export const GATE_NUMBERS = [
  'maxConcurrentAgents', 'totalMemoryLimitBytes', 'coordinatorMemoryBytes', 'admission.floorBytes',
  'admission.safetyBytes', 'admission.limitedBytes', 'admission.sequentialBytes', 'admission.leaseMs',
  'circuitBreaker.availableBytes', 'circuitBreaker.failures', 'circuitBreaker.windowMs', 'circuitBreaker.recoveryMs',
  'circuitBreaker.recoveryMostMs', 'circuitBreaker.probeMs', 'pressure.criticalShare', 'pressure.warningShare',
  'gate.waitMs', 'gate.unstartedMs', 'gate.toolJobs',
]; // prettier-ignore

function valueAt(value: Record<string, unknown>, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value);
}

function isNeed(value: unknown): value is GateNeed {
  return (
    isRecord(value) &&
    typeof value['estimateBytes'] === 'number' &&
    typeof value['estimateIsStated'] === 'boolean'
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
