/** Which settings fit this machine, and why each of them? A short file for a project; the one that shows every key comes with the toolkit. */
import { formatBytes } from '../units.ts';
import type { EffectiveValue, SettingKey } from './settings.ts';
import { settingOf } from './settings.ts';
import { shown, writtenText } from './values.ts';

/** A program of agents as an entry of `agents:`. */
export interface ShippedKind {
  readonly name: string;
  readonly command: readonly string[];
  readonly resume: readonly string[] | undefined;
  readonly transcript: string | undefined;
  readonly takesHeap: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  /** Where it lies on this machine; undefined: it is not installed. */
  readonly path: string | undefined;
}

const SECTIONS: readonly (readonly [section: string, keys: readonly SettingKey[]])[] = [
  [
    'memory_management',
    [
      'memory_management.max_concurrent_agents',
      'memory_management.memory_per_agent_gb',
      'memory_management.total_memory_limit_gb',
      'memory_management.coordinator_memory_gb',
    ],
  ],
  ['node_options', ['node_options.coordinator_heap_size', 'node_options.agent_heap_size']],
  ['admission', ['admission.floor_mb', 'admission.safety_mb']],
  ['gate', ['gate.when_full', 'gate.wait', 'gate.on_failure', 'gate.bash', 'gate.tool_jobs']],
];

/** The file: each figure with its meaning and the reason why it is what it is here. Reading it gives the values it was made from. */
export function fittedFile(
  values: readonly EffectiveValue[],
  machineTotalBytes: number,
  kinds: readonly ShippedKind[],
): string {
  const machine = formatBytes(machineTotalBytes).replace(/(?=[KMG]B$)/, ' ');
  const byKey = new Map(values.map((value) => [value.key, value]));
  const lines = [
    `# Settings of claude-pm-memory for this project, fitted to a machine of ${machine}. They are yours to change;`,
    '# a key that is taken out again follows its profile. All keys: `memory-monitor limits`.',
    'profile: auto',
  ];
  for (const [section, keys] of SECTIONS) {
    lines.push('', `${section}:`);
    for (const key of keys) {
      const setting = settingOf(key);
      const { value, reason } = byKey.get(key) ?? { value: setting.standard, reason: undefined };
      lines.push(`  # ${setting.meaning}${reason === undefined ? '' : ` Here: ${reason}.`}`);
      lines.push(`  ${key.slice(section.length + 1)}: ${writtenText(setting, value)}`);
    }
  }
  return `${lines.join('\n')}\n\n${kindsText(kinds)}`;
}

/** Programs that are here stand ready, the first of them also for kinds without an entry of their own; the others wait behind a `#`. */
function kindsText(kinds: readonly ShippedKind[]): string {
  const first = kinds.find(({ path }) => path !== undefined);
  const entries = kinds.flatMap((kind) => kindLines(kind.name, kind));
  const usual =
    first === undefined ? [] : kindLines('default', { ...first, notes: [`the same as ${first.name}`] });
  const head =
    '# How agents are started by `coordination-memory EPIC run`; a kind is the agent type of a stream.';
  return `${[head, first === undefined ? '# agents:' : 'agents:', ...usual, ...entries].join('\n')}\n`;
}

function kindLines(
  name: string,
  { path, command, resume, transcript, takesHeap, env, notes }: ShippedKind,
): string[] {
  const off = path === undefined ? '# ' : '';
  const list = (words: readonly string[]): string =>
    `[${words.map((word) => JSON.stringify(word)).join(', ')}]`;
  const rows: [string, string][] = [['command', list(command)]];
  if (resume !== undefined) rows.push(['resume_command', list(resume)]);
  if (transcript !== undefined) rows.push(['transcript', JSON.stringify(transcript)]);
  const variables = Object.entries(env).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  if (variables.length > 0) rows.push(['env', `{ ${variables.join(', ')} }`]);
  return [
    ...notes.map((note) => `  # ${note}`),
    `  # ${path === undefined ? 'not found here' : `found: ${shown(path)}`}${takesHeap ? '; its heap follows node_options.agent_heap_size' : ''}`,
    `  ${off}${name}:`,
    ...rows.map(([key, value]) => `  ${off}  ${key}: ${value}`),
  ];
}
