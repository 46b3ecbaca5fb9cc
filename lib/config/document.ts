/** How do the settings look as a file and as a table? Both come from the schema, so that neither can be out of date. */
import type { ProfileName } from '../settings-model.ts';
import { KIND_KEYS } from './agents.ts';
import { RECEIVER_KEYS } from './alerts.ts';
import { HANDLER_KEYS } from './handlers.ts';
import { ROSTER_KEYS } from './roster.ts';
import { HEAVY_KEY } from './heavy.ts';
import { ALIASES, DISABLE_MONITOR } from './layers.ts';
import { PROFILES } from './setting.ts';
import { SETTING_KEYS, settingOf, unitOf } from './settings.ts';
import type { MachinePart, Setting, SettingValue } from './setting.ts';
import type { SettingKey } from './settings.ts';
import { allowedText, writtenText } from './values.ts';

export const TABLE_BEGIN = '<!-- settings:begin -->';
export const TABLE_END = '<!-- settings:end -->';

const HEAD = `# Settings of claude-pm-memory: every key with its default. Generated from lib/config/settings.ts by
# \`npx tsx tools/generate.ts\`; a copy in ~/.claude/ or in a project is yours to change.
# Later wins: defaults, profile, ~/.claude/.claude-pm.yaml, the project's .claude-pm.yaml, CLAUDE_PM_SECTION_KEY, flags.
# Take the leading # away to set a key; until then the profile decides it, often by this machine's memory.
# Sizes take units (8GB, 512MB), times too (30s, 2m); MB and GB are binary. Sections of other tools may stand here too.
`;

const AGENTS = `# How agents of each kind are started and bounded; {prompt}, {key}, {title}, {epic}, {issue}, {stream}, {session} are filled in.
# agents:
#   general-purpose:
#     command: [claude, -p, "{prompt}"]   # ${KIND_KEYS.command.meaning}
#     # resume_command: [claude, -p, "go on", --resume, "{session}"]   # needs --session-id, "{session}" in command
#     # transcript: "~/.claude/projects/{cwd-slug}/{session}.jsonl"
#     memory: 2GB                         # ${KIND_KEYS.memory.meaning}
#     limit: 4GB                          # ${KIND_KEYS.limit.meaning}
#     heap: 2048                          # ${KIND_KEYS.heap.meaning}
#     env: { LANG: C.UTF-8 }              # ${KIND_KEYS.env.meaning}
#     pool:                               # ${KIND_KEYS.pool.meaning}
#       command: [claude, -p, --input-format, stream-json, --output-format, stream-json, --verbose, --replay-user-messages]
#       protocol: stream-json
#       recycle: fresh
`;

const HANDLERS = [
  '  # Commands that run under pressure, after our own, in this order; the highest file that has the list decides.',
  '  # handlers:',
  '  #   - name: trim                                # ' + HANDLER_KEYS.name.meaning,
  '  #     warning: [npm, cache, verify]             # ' + HANDLER_KEYS.warning.meaning,
  '  #     critical: [npm, cache, clean, --force]    # ' + HANDLER_KEYS.critical.meaning,
  '  #     timeout: 10s                              # ' + HANDLER_KEYS.timeout.meaning,
];

const RECEIVERS = [
  `  # ${RECEIVER_KEYS.webhook.meaning} CLAUDE_PM_ALERTS_WEBHOOK keeps it out of files.`,
  '  # webhook: https://hooks.example.com/services/T0/B0/xyz',
  `  # ${RECEIVER_KEYS.command.meaning}`,
  '  # command: [agents/page-me.sh, --quiet]',
];

const ROSTER = [
  '  # Which agents a prompt may become; the shipped ones are security-analyst, performance-auditor, test-generator and',
  '  # code-analyzer. The highest file that has the list decides.',
  '  # agents:',
  '  #   - name: translator              # ' + ROSTER_KEYS.name.meaning,
  '  #     when: [translat*, /\\bi18n\\b/]   # ' + ROSTER_KEYS.when.meaning,
  '  #     kind: general-purpose         # ' + ROSTER_KEYS.kind.meaning,
  '  #     priority: 50                  # ' + ROSTER_KEYS.priority.meaning,
];

const HEAVY = [`  # ${HEAVY_KEY.meaning}`, '  # heavy: [jest, vitest, npm test, cargo build]'];

const partsOf = (key: SettingKey): readonly [string, string] => {
  const [section = key, name = key] = key.split('.');
  return [section, name];
};

function figureText(setting: Setting, unit: string | undefined, figure: SettingValue | MachinePart): string {
  const written = (value: SettingValue): string => `${value}${unit === undefined ? '' : ` ${unit}`}`;
  if (typeof figure !== 'object') return written(figure);
  const share = figure.part === 1 ? 'all of the machine' : `1/${figure.part} of the machine`;
  return `${share}, ${figure.leastMb} MB to ${written(setting.standard)}`;
}

/** How profiles decide a key: `auto, strict: 1/12 of the machine, 256 MB to 8 GB; laptop: …; else 8 GB`. */
function ruleText(key: SettingKey): string | undefined {
  const setting = settingOf(key);
  if (setting.figures === undefined) return undefined;
  const byText = new Map<string, ProfileName[]>();
  for (const profile of PROFILES) {
    const text = figureText(setting, unitOf(key), setting.figures[profile] ?? setting.standard);
    byText.set(text, [...(byText.get(text) ?? []), profile]);
  }
  return [...byText].map(([text, profiles]) => `${profiles.join(', ')}: ${text}`).join('; ');
}

/**
 * The default settings file: reading it gives exactly the defaults, on every machine and in every profile.
 * `commented` leaves a # before every key, for a project's own file: keys written there would win over its users' own.
 */
export function defaultFile({ commented = false }: { commented?: boolean } = {}): string {
  const lines: string[] = [];
  let open = '';
  for (const key of SETTING_KEYS) {
    const setting = settingOf(key);
    const [section, name] = partsOf(key);
    const rule = ruleText(key);
    const indent = section === key ? '' : '  ';
    if (section !== open) lines.push('', ...(section === key ? [] : [`${section}:`]));
    open = section;
    lines.push(`${indent}# ${setting.meaning} Allowed: ${allowedText(setting)}.`);
    if (rule !== undefined) lines.push(`${indent}#   ${rule}`);
    const off = commented || key === 'profile' || rule !== undefined ? '# ' : '';
    lines.push(`${indent}${off}${name}: ${writtenText(setting, setting.standard)}`);
    if (key === 'pressure.cooldown') lines.push(...HANDLERS);
    if (key === 'alerts.timeout') lines.push(...RECEIVERS);
    if (key === 'orchestrator.queue') lines.push(...ROSTER);
    if (key === 'gate.bash') lines.push(...HEAVY);
  }
  return `${HEAD}${lines.join('\n')}\n\n${AGENTS}`;
}

/** The settings as Markdown: how to set them by variable, and the table, padded as the formatter pads it. */
export function settingsSection(): string {
  const rows = SETTING_KEYS.map((key) => {
    const setting = settingOf(key);
    const fallback = ruleText(key) ?? writtenText(setting, setting.standard);
    return [`\`${key}\``, fallback, allowedText(setting), setting.meaning];
  });
  const kinds = Object.entries(KIND_KEYS).map(([key, { allowed, meaning }]) => [
    `\`agents.KIND.${key}\``,
    'none',
    allowed,
    meaning,
  ]);
  const handlers = Object.entries(HANDLER_KEYS).map(([key, { allowed, fallback, meaning }]) => [
    `\`pressure.handlers[].${key}\``,
    fallback,
    allowed,
    meaning,
  ]);
  const roster = Object.entries(ROSTER_KEYS).map(([key, { allowed, fallback, meaning }]) => [
    `\`orchestrator.agents[].${key}\``,
    fallback,
    allowed,
    meaning,
  ]);
  const receivers = Object.entries(RECEIVER_KEYS).map(([key, { allowed, meaning }]) => [
    `\`alerts.${key}\``,
    'none',
    allowed,
    meaning,
  ]);
  const heavy = ['`gate.heavy`', 'test runners, builds, searches', HEAVY_KEY.allowed, HEAVY_KEY.meaning];
  const aliases = Object.entries(ALIASES).map(([name, key]) => `\`${name}\` (\`${key}\`)`);
  return `Every \`section.key\` has a variable, \`CLAUDE_PM_SECTION_KEY\`. Further names: ${aliases.join(', ')} and
\`${DISABLE_MONITOR}\`, which switches \`memory_management.monitoring_enabled\` off.

${markdownTable([['Setting', 'Default', 'Allowed', 'Meaning'], ...rows, ...handlers, ...roster, ...receivers, heavy, ...kinds])}`;
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(head), line(rule), ...body.map(line)].join('\n');
}

/** A text with its settings section replaced by the current one; undefined where the markers are missing. */
export function withSettingsSection(text: string): string | undefined {
  const begin = text.indexOf(TABLE_BEGIN);
  const end = text.indexOf(TABLE_END, begin);
  if (begin < 0 || end < 0) return undefined;
  const before = text.slice(0, begin + TABLE_BEGIN.length);
  return `${before}\n\n${settingsSection()}\n\n${text.slice(end)}`;
}
