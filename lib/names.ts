/** Is this a name that we may use in a path, a key or a line of a terminal, and which stream does it mean? */
import { Failure } from './failure.ts';

export type NameKind = 'epic' | 'issue' | 'stream' | 'agent' | 'task';

/** The three names that make a stream's key. */
export interface KeyParts {
  readonly epic: string;
  readonly issue: string;
  readonly id: string;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const SHOWN_CHARS = 60;

/** No one types a longer key, and the distance of long texts costs their product. */
const LONGEST_KEY = 302;

/** Control characters (C0, C1), separators of lines, marks that turn the writing direction, halves of a surrogate pair. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF]/u;
const UNPRINTABLES = new RegExp(UNPRINTABLE.source, 'gu');

/** CSI (`ESC [ … letter`), OSC and its kin up to their end mark, and the two-character escapes of ECMA-48. */
const ESCAPE_SEQUENCES = new RegExp(
  [
    '(?:\\x1B\\[|\\x9B)[0-?]*[ -/]*[@-~]?',
    '(?:\\x1B[\\]PX^_]|[\\x90\\x98\\x9D-\\x9F])[^\\x07\\x1B\\x9C]*(?:\\x07|\\x1B\\\\|\\x9C)?',
    '\\x1B[ -/]*[0-~]?',
  ].join('|'),
  'g',
);

/** The text for a message: at most 60 characters, what does not print written as `\n`, `\x1b` or `\u202e`. */
export function shown(text: string): string {
  let line = '';
  for (const char of text.slice(0, SHOWN_CHARS * 2)) {
    const next = line + (UNPRINTABLE.test(char) ? escaped(char) : char);
    if (next.length > SHOWN_CHARS) return cut(line);
    line = next;
  }
  return text.length > SHOWN_CHARS * 2 ? cut(line) : line;
}

function cut(line: string): string {
  return `${line.slice(0, SHOWN_CHARS - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

function escaped(char: string): string {
  if (char === '\n') return '\\n';
  if (char === '\r') return '\\r';
  if (char === '\t') return '\\t';
  const code = char.codePointAt(0) ?? 0;
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/**
 * Free text (a title, a reason) for people: one line, no control characters or escape sequences,
 * at most `max` characters (UTF-16 units), the last of them `…` where something was cut off.
 */
export function cleanText(text: string, max: number): string {
  // Whatever is cut off later need not be cleaned; escape sequences take room, hence the factor.
  const line = text
    .slice(0, max * 8 + 1024)
    .replace(ESCAPE_SEQUENCES, '')
    .replace(/\s+/g, ' ')
    .replace(UNPRINTABLES, '')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length <= max ? line : `${line.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** Why this is no name, or undefined where it is one. */
export function nameFault(kind: NameKind, text: string): string | undefined {
  if (NAME.test(text)) return undefined;
  return `"${shown(text)}" is no ${kind} name: it takes 1 to 100 letters, digits, ".", "_" or "-", a letter or digit first`;
}

/** The name itself. @throws Failure (2) where it could leave its folder, break a line, or confuse a reader. */
export function checkName(kind: NameKind, text: string): string {
  const fault = nameFault(kind, text);
  if (fault !== undefined) throw new Failure(fault);
  return text;
}

/** `EPIC/ISSUE/STREAM` of three names that are checked already. */
export function streamKey(epic: string, issue: string, id: string): string {
  return `${epic}/${issue}/${id}`;
}

/** The names in `EPIC/ISSUE/STREAM`. @throws Failure (2) where it is no such key. */
export function parseKey(key: string): KeyParts {
  const [epic, issue, id, ...more] = key.slice(0, LONGEST_KEY + 1).split('/');
  if (epic === undefined || issue === undefined || id === undefined || more.length > 0)
    throw new Failure(`"${shown(key)}" is no stream key: write EPIC/ISSUE/STREAM`);
  return { epic: checkName('epic', epic), issue: checkName('issue', issue), id: checkName('stream', id) };
}

/** Whether `parseKey` would take it. */
export function isKey(key: string): boolean {
  const parts = key.split('/', 4);
  return parts.length === 3 && parts.every((part) => NAME.test(part));
}

/** The nearest of the candidates if it is near enough to be a slip of the fingers: two letters swapped count as two, and four letters may differ so much. */
export async function nearest(text: string, candidates: readonly string[]): Promise<string | undefined> {
  if (text.length < 2 || text.length > LONGEST_KEY) return undefined;
  const { closestMatch } = await import('leven');
  const maxDistance = Math.max(1, Math.round(text.length * 0.4));
  return closestMatch(text, candidates, { maxDistance });
}

/**
 * The one stream that a person means: its full key, `ISSUE/STREAM`, or the stream alone where one issue has it.
 * Only exact names count: `1` is never `10`.
 * @throws Failure (2) that lists the candidates, or names the nearest stream.
 */
export async function resolveStream<T extends { key: string; issue: string; id: string }>(
  streams: readonly T[],
  text: string,
): Promise<T> {
  const found = streams.filter(
    (stream) => stream.key === text || `${stream.issue}/${stream.id}` === text || stream.id === text,
  );
  const exact = found.find((stream) => stream.key === text) ?? (found.length === 1 ? found[0] : undefined);
  if (exact !== undefined) return exact;
  if (found.length > 1) throw new Failure(`"${shown(text)}" is ambiguous: write ${listed(found)}`);

  const slashes = text.split('/').length;
  const form = (stream: T): string => stream.key.split('/').slice(-slashes).join('/');
  const near = await nearest(text, [...new Set(streams.map(form))]);
  const meant = near === undefined ? [] : streams.filter((stream) => form(stream) === near);
  const hint =
    meant.length > 0
      ? `: did you mean ${listed(meant)}?`
      : streams.length > 0
        ? `: there ${streams.length === 1 ? 'is' : 'are'} ${listed(streams)}`
        : '';
  throw new Failure(`no stream "${shown(text)}"${hint}`);
}

function listed(streams: readonly { key: string }[]): string {
  const most = 5;
  const keys = streams.slice(0, most).map((stream) => stream.key);
  if (streams.length > most) return `${keys.join(', ')} or ${streams.length - most} more`;
  return keys.length < 2 ? keys.join('') : `${keys.slice(0, -1).join(', ')} or ${keys.at(-1) ?? ''}`;
}
