/** Which sections of an analysis describe streams, and what fields do they have? Markdown as people and models write it. */

export type FieldName =
  | 'scope'
  | 'files'
  | 'kind'
  | 'start'
  | 'hours'
  | 'dependencies'
  | 'conflicts'
  | 'command'
  | 'prompt'
  | 'memory'
  | 'limit'
  | 'heap';

export interface Field {
  /** The lines of the value without list marks; the first may be what stood behind the colon. */
  readonly lines: string[];
  /** Whether the value stood behind the colon (else it is a list or a paragraph below). */
  readonly inline: boolean;
  readonly line: number;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly line: number;
  readonly fields: Map<FieldName, Field>;
}

/** What people write for each field, lower case. */
const FIELDS: ReadonlyMap<string, FieldName> = new Map([
  ['scope', 'scope'],
  ['files', 'files'],
  ['agent type', 'kind'],
  ['agent', 'kind'],
  ['can start', 'start'],
  ['estimated hours', 'hours'],
  ['estimated time', 'hours'],
  ['dependencies', 'dependencies'],
  ['depends on', 'dependencies'],
  ['conflicts', 'conflicts'],
  ['conflicts with', 'conflicts'],
  ['command', 'command'],
  ['prompt', 'prompt'],
  ['memory', 'memory'],
  ['limit', 'limit'],
  ['heap', 'heap'],
]);

/** No heading of a stream is longer; what patterns look at is kept short, so no text can make them slow. */
const HEADING_CHARS = 400;

const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const NAMED_STREAM =
  /^stream[ \t]+(\S{1,200}?)(?:[ \t]*\([^)]*\))?[ \t]*(?:[:：]|[ \t][-–—][ \t])[ \t]*(.*)$/iu;
const BARE_STREAM = /^stream[ \t]+([A-Za-z]|\d{1,3})[ \t]*$/i;
const BOLD_FIELD =
  /^\s{0,12}(?:(?:[-*+]|\d{1,3}[.)])\s{1,4})?(?:\*\*|__)([^*_:]{1,40})(?:[:：](?:\*\*|__)|(?:\*\*|__)\s{0,4}[:：])\s*(.*)$/;
const PLAIN_FIELD = /^\s{0,12}([-*+]\s{1,4})?([A-Za-z][A-Za-z ]{1,20}):\s*(.*)$/;
const FENCE = /^\s{0,12}(?:[-*+]\s{1,4})?(`{3,}|~{3,})(.*)$/;
const LIST_ITEM = /^\s{0,12}(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.*)$/;

interface Line {
  readonly text: string;
  readonly number: number;
}

/**
 * The stream sections of a text in its order. What stands in code fences is left out. A section ends at the next heading
 * of its level or above. A heading that looks like a stream's but has no field below it is named in `notes`.
 */
export function readSections(text: string): { sections: Section[]; notes: { line: number; text: string }[] } {
  const notes: { line: number; text: string }[] = [];
  const sections: Section[] = [];
  for (const { section, body } of split(unfenced(text, notes))) {
    readFields(section, body);
    if (section.fields.size > 0) sections.push(section);
    else
      notes.push({
        line: section.line,
        text: `"Stream ${section.id}" has no Scope, Files or other field: taken for prose`,
      });
  }
  return { sections, notes };
}

/** The lines outside of code fences, numbered from 1. */
function unfenced(text: string, notes: { line: number; text: string }[]): Line[] {
  const lines: Line[] = [];
  let fence: { mark: string; line: number } | undefined;
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const mark = FENCE.exec(line.slice(0, HEADING_CHARS));
    const run = mark?.[1] ?? '';
    if (fence === undefined && mark && !(run.startsWith('`') && (mark[2] ?? '').includes('`')))
      fence = { mark: run, line: index + 1 };
    else if (fence === undefined) lines.push({ text: line, number: index + 1 });
    else if (run.startsWith(fence.mark) && (mark?.[2] ?? '').trim() === '') fence = undefined;
  }
  if (fence)
    notes.push({ line: fence.line, text: 'this code fence is never closed: what follows is not read' });
  return lines;
}

function split(lines: readonly Line[]): { section: Section; body: Line[] }[] {
  const found: { section: Section; body: Line[]; level: number }[] = [];
  let open = false;
  for (const line of lines) {
    const heading = HEADING.exec(line.text.slice(0, HEADING_CHARS));
    const level = heading?.[1]?.length ?? 7;
    const stream = level >= 2 && level <= 4 ? streamHeading(heading?.[2] ?? '') : undefined;
    const current = found.at(-1);
    if (stream) {
      found.push({ section: { ...stream, line: line.number, fields: new Map() }, body: [], level });
      open = true;
    } else if (current && level <= current.level) open = false;
    else if (open) current?.body.push(line);
  }
  return found;
}

function streamHeading(text: string): { id: string; title: string } | undefined {
  const words = text.replace(/\*\*|`/g, '').trim();
  const named = NAMED_STREAM.exec(words);
  if (named) return { id: named[1] ?? '', title: (named[2] ?? '').trim() };
  const bare = BARE_STREAM.exec(words);
  return bare ? { id: bare[1] ?? '', title: '' } : undefined;
}

/** The first field of a name counts: what follows it (deliverables, tests) often has lists with the same words. */
function readFields(section: Section, body: readonly Line[]): void {
  const hasBold = body.some((line) => FIELDS.has(boldField(line.text)?.name ?? ''));
  let current: Field | undefined;
  let ended = false;
  for (const { text, number } of body) {
    const field = boldField(text) ?? plainField(text, hasBold);
    const name = field && FIELDS.get(field.name);
    if (field) {
      const value = field.value.trim();
      current = { lines: value === '' ? [] : [value], inline: value !== '', line: number };
      ended = false;
      if (name && !section.fields.has(name)) section.fields.set(name, current);
    } else if (HEADING.test(text.slice(0, HEADING_CHARS))) current = undefined;
    else if (/^\s*(?:-{3,}|_{3,}|\*{3,})?\s*$/.test(text.slice(0, 80)))
      ended = current !== undefined && current.lines.length > 0;
    else if (current) {
      const item = LIST_ITEM.exec(text)?.[1];
      // A blank line ends a paragraph, but not a list whose next item follows.
      if (ended && (current.inline || item === undefined)) current = undefined;
      else current.lines.push((item ?? text).trim());
    }
  }
}

function boldField(line: string): { name: string; value: string } | undefined {
  const match = BOLD_FIELD.exec(line);
  return match ? { name: normal(match[1]), value: match[2] ?? '' } : undefined;
}

/** Without bold type only the known names are fields; as list items only where the section has no bold ones. */
function plainField(line: string, hasBold: boolean): { name: string; value: string } | undefined {
  const match = PLAIN_FIELD.exec(line);
  if (!match || (hasBold && match[1] !== undefined)) return undefined;
  const name = normal(match[2]);
  return FIELDS.has(name) ? { name, value: match[3] ?? '' } : undefined;
}

function normal(name: string | undefined): string {
  return (name ?? '')
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, ' ');
}
