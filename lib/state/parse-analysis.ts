/** Which streams does one `N-analysis.md` describe? ccpm's layout, read with tolerance. */
import { cleanText, nameFault } from '../names.ts';
import { readSections } from './analysis-sections.ts';
import type { Field, FieldName, Section } from './analysis-sections.ts';
import { COMMAND_KIND, PROMPT_KIND, readAmounts, wordFault } from './drafts.ts';
import type { AmountName, Draft, Fault, Reference } from './drafts.ts';
import { readPhrase } from './references.ts';
import type { Known } from './references.ts';

/** Where an analysis stands among the others. */
export interface AnalysisContext {
  readonly epic: string;
  readonly issue: string;
  /** The file as people know it: relative to the project. */
  readonly file: string;
  /** The task file, likewise, where there is one. */
  readonly taskFile: string | undefined;
  /** All issues of the epic. */
  readonly issues: ReadonlySet<string>;
}

interface Reading extends Known {
  readonly context: AnalysisContext;
  readonly notes: string[];
  readonly faults: Fault[];
}

const TITLE_CHARS = 200;
const PROMPT_CHARS = 20_000;
const MOST_FILES = 200;

/** The streams of one analysis, what is worth telling, and every fault in it. */
export function parseAnalysis(
  text: string,
  context: AnalysisContext,
): { drafts: Draft[]; notes: string[]; faults: Fault[] } {
  const { sections, notes } = readSections(text);
  const reading: Reading = {
    epic: context.epic,
    issue: context.issue,
    ids: sections.map((section) => section.id),
    issues: context.issues,
    context,
    notes: notes.map((note) => `${context.file}:${note.line}: ${cleanText(note.text, TITLE_CHARS)}`),
    faults: [],
  };
  const drafts = sections.flatMap((section) => toDraft(section, reading) ?? []);
  return { drafts, notes: reading.notes, faults: reading.faults };
}

function toDraft(section: Section, reading: Reading): Draft | undefined {
  const { context, faults } = reading;
  const source = `${context.file}:${section.line}`;
  const idFault = nameFault('stream', section.id);
  if (idFault !== undefined) {
    faults.push({ source, message: idFault });
    return undefined;
  }
  const { id, fields } = section;
  const title = cleanText(section.title, TITLE_CHARS) || `Stream ${id}`;
  const line = (name: FieldName): string | undefined => firstLine(fields.get(name));
  const at = (name: FieldName): string => `${context.file}:${fields.get(name)?.line ?? section.line}`;

  const command = line('command');
  const written = cleanText(fields.get('prompt')?.lines.join(' ') ?? '', PROMPT_CHARS);
  const prompt = written || buildPrompt(section, title, context);
  for (const [name, word] of [
    ['command', command],
    ['prompt', prompt],
  ] as const) {
    const fault = word === undefined ? undefined : wordFault(word);
    if (fault !== undefined) faults.push({ source: at(name), message: `${name} ${fault}` });
  }
  const amounts = readAmounts(writtenAmounts(line), (name, message) =>
    faults.push({ source: at(name === 'expected' ? 'hours' : name), message }),
  );
  return {
    issue: context.issue,
    id,
    title,
    kind: cleanText(withoutRemark(line('kind') ?? ''), 100) || (command ? COMMAND_KIND : PROMPT_KIND),
    command,
    prompt,
    cwd: undefined,
    env: {},
    dependsOn: [...references('dependencies', section, reading), ...references('start', section, reading)],
    conflictsWith: references('conflicts', section, reading),
    ...amounts,
    expectedMs: hoursMs(line('hours')),
    source,
  };
}

/** A value of one line, without the back quotes that people put around code. */
function firstLine(field: Field | undefined): string | undefined {
  let text = (field?.lines[0] ?? '').trim();
  for (
    let layers = 0;
    layers < 3 && text.length > 1 && text.startsWith('`') && text.endsWith('`');
    layers += 1
  )
    text = text.slice(1, -1).trim();
  return text === '' ? undefined : text;
}

/** What stands before a remark in parentheses. */
function withoutRemark(text: string): string {
  const remark = text.indexOf('(');
  return (remark < 0 ? text : text.slice(0, remark)).replaceAll('`', '').trim();
}

function writtenAmounts(line: (name: FieldName) => string | undefined): Partial<Record<AmountName, string>> {
  const amounts: Partial<Record<AmountName, string>> = {};
  for (const name of ['memory', 'limit', 'heap'] as const) {
    const text = line(name);
    if (text !== undefined) amounts[name] = withoutRemark(text);
  }
  return amounts;
}

/** `4`, `2-3 hours`, `30 minutes (with tests)` -> milliseconds, the middle of a range; undefined where it is no such thing. */
function hoursMs(text: string | undefined): number | undefined {
  const match =
    /^~?\s{0,4}(\d{1,6}(?:\.\d{1,6})?)(?:\s{0,4}[-–]\s{0,4}(\d{1,6}(?:\.\d{1,6})?))?\s{0,4}([a-z]*)/i.exec(
      text ?? '',
    );
  if (!match) return undefined;
  const unit = (match[3] ?? '').toLowerCase();
  const unitMs = /^(?:|h|hrs?|hours?)$/.test(unit)
    ? 3_600_000
    : /^(?:m|mins?|minutes?)$/.test(unit)
      ? 60_000
      : 0;
  const middle = (Number(match[1]) + Number(match[2] ?? match[1])) / 2;
  return unitMs * middle > 0 ? Math.round(unitMs * middle) : undefined;
}

/** Dependencies name streams; Can Start only where it says after what ("immediately" and "after dependencies" add nothing). */
function references(
  name: 'dependencies' | 'start' | 'conflicts',
  section: Section,
  reading: Reading,
): Reference[] {
  const field = section.fields.get(name);
  if (!field) return [];
  const source = `${reading.context.file}:${field.line}`;
  const found: Reference[] = [];
  for (const phrase of field.inline ? field.lines.slice(0, 1) : field.lines) {
    if (name === 'start' && /^(?:\w+ ){0,3}(?:all )?dependenc/i.test(phrase)) continue;
    const { references: named, faults, unread } = readPhrase(phrase, section.id, reading, source);
    found.push(...named);
    reading.faults.push(...faults);
    if (unread)
      reading.notes.push(
        `${source}: "${cleanText(phrase, 80)}" names no stream of this epic: stream ${reading.issue}/${cleanText(section.id, 80)} ${name === 'conflicts' ? 'may run beside it' : 'does not wait for it'}`,
      );
  }
  return found;
}

/** What an agent of this stream is told where no Prompt is written. */
function buildPrompt(section: Section, title: string, context: AnalysisContext): string {
  const items = (name: FieldName): string[] =>
    (section.fields.get(name)?.lines ?? [])
      .map((line) => cleanText(line.replaceAll('`', ''), 500))
      .filter((line) => line !== '');
  const scope = section.fields.get('scope')?.inline ? [items('scope').join(' ')] : items('scope');
  const files = items('files').slice(0, MOST_FILES);
  const papers = context.taskFile === undefined ? context.file : `${context.taskFile} and ${context.file}`;
  const lines = [
    `You work on stream ${section.id} of issue ${context.issue} in epic ${context.epic}: ${title}`,
  ];
  if (scope.length === 1) lines.push(`Scope: ${scope.join('')}`);
  if (scope.length > 1) lines.push('Scope:', ...scope.map((line) => `- ${line}`));
  if (files.length > 0) lines.push('Your files:', ...files.map((line) => `- ${line}`));
  lines.push(
    `Read ${papers} first. Other agents work on the other streams at the same time: leave their files alone.`,
  );
  return lines.join('\n');
}
