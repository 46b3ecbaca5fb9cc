/** Which streams and issues does a phrase name? "after Streams A & B complete", "Stream A (schema), 12/B", "none". */
import { shown } from '../names.ts';
import type { Fault, Reference } from './drafts.ts';

/** What a phrase may name. */
export interface Known {
  readonly epic: string;
  readonly issue: string;
  /** Streams of this issue, in their order. */
  readonly ids: readonly string[];
  readonly issues: ReadonlySet<string>;
}

export interface Phrase {
  readonly references: readonly Reference[];
  readonly faults: readonly Fault[];
  /** It says something, but names nothing that we know. */
  readonly unread: boolean;
}

const PHRASE_CHARS = 2000;
const NONE =
  /^(?:none|nothing|no|n\/?a|[-–—]+|immediate(?:ly)?|now|anytime|any time|independent(?:ly)?)(?![\w-]|\s+(?:after|once|when|earlier|sooner|before))/i;
const ID = '[A-Za-z0-9][A-Za-z0-9._-]*';
const AND = '\\s{0,4}(?:,\\s{0,4}(?:and\\s{1,4}|&\\s{0,4})?|&|\\+|\\band\\b)\\s{0,4}';
const STREAMS = new RegExp(
  `\\bstreams?\\s+(${ID}(?:/${ID}){0,2}(?:${AND}(?:streams?\\s{1,4})?${ID}(?:/${ID}){0,2})*)`,
  'gi',
);
const ISSUES = new RegExp(
  `(?:\\b(?:issues?|tasks?)\\s+#?|#)(${ID}(?:${AND}(?:(?:issue|task)\\s{1,4})?#?${ID})*)`,
  'gi',
);
const KEYS = new RegExp(`(?<![\\w./-])${ID}/${ID}(?:/${ID})?(?![\\w/])`, 'g');
const LIST = new RegExp(`^${ID}(?:${AND}${ID})*$`);
const SEPARATOR = new RegExp(AND, 'i');

/**
 * Reads the first clause of a phrase: what is in parentheses, or behind a full stop, a semicolon or a dash, is comment.
 * A letter or number behind "Stream" that the issue does not have is a fault; other words that name nothing are not.
 */
export function readPhrase(phrase: string, own: string, known: Known, source: string): Phrase {
  const clause = firstClause(phrase);
  const references: Reference[] = [];
  const faults: Fault[] = [];
  if (clause === '' || NONE.test(clause)) return { references, faults, unread: false };
  const add = (text: string, whole = false): void => {
    if (!references.some((one) => one.text === text && one.whole === whole))
      references.push({ text, whole, source });
  };

  const all = /\ball (?:(?:of )?the |other |previous |earlier |prior )*streams\b/i.exec(clause)?.[0];
  if (all !== undefined) {
    const earlier = /previous|earlier|prior/i.test(all);
    const until = earlier ? known.ids.indexOf(own) : known.ids.length;
    for (const id of known.ids.slice(0, Math.max(0, until))) if (id !== own) add(id);
  }
  const rest = all === undefined ? clause : clause.replace(all, ' ');

  const bare = rest
    .replace(/^(?:only |immediately )?after\s+/i, '')
    .replace(/\s+(?:completes?|completed|is done|finishes)$/i, '');
  const lists = LIST.test(bare) ? [bare] : [...rest.matchAll(STREAMS)].map((match) => match[1] ?? '');
  for (const list of lists)
    readList(list, list === bare && !/^streams?$/i.test(bare), known, source, add, faults);

  for (const [key] of rest.matchAll(KEYS)) if (isKeyOf(key, known)) add(key);
  for (const match of rest.matchAll(ISSUES))
    for (const word of (match[1] ?? '').split(SEPARATOR)) {
      const issue = word.replace(/^(?:issue|task)\s+/i, '').replace('#', '');
      if (known.issues.has(issue) && issue !== known.issue) add(issue, true);
    }
  const unread = references.length === 0 && faults.length === 0 && all === undefined;
  return { references, faults, unread };
}

function firstClause(phrase: string): string {
  return phrase
    .slice(0, PHRASE_CHARS)
    .replace(/\*\*|`/g, '')
    .replace(/\([^()]*\)|（[^（）]*）/g, ' ')
    .replace(/([A-Za-z0-9])[–—]([A-Za-z0-9])/g, '$1-$2')
    .replace(/\b([A-Z]|\d{1,3}) (?:through|to) ([A-Z]|\d{1,3})\b/g, '$1-$2')
    .replace(/(?:[.;](?:\s|$)|\s[-–—]\s)[^]*$/, '')
    .replace(/[(（][^]*$/, '')
    .trim();
}

/** `bareList`: the whole clause is names and nothing else, so the first is no surer than the others. */
function readList(
  list: string,
  bareList: boolean,
  known: Known,
  source: string,
  add: (text: string, whole?: boolean) => void,
  faults: Fault[],
): void {
  for (const [index, word] of list.split(SEPARATOR).entries()) {
    const name = word.replace(/^streams?\s+/i, '').replace(/[._-]+$/, '');
    const ids = known.ids.includes(name) ? [name] : namesOf(name, known);
    if (ids.length > 0) for (const id of ids) add(id);
    else if (isKeyOf(name, known)) add(name);
    else if (bareList && known.issues.has(name)) add(name, true);
    else if (/^(?:[A-Z]|\d{1,3})$/.test(name) || (index === 0 && !bareList && !isProse(name, known)))
      faults.push({
        source,
        message: `issue ${known.issue} has no stream "${shown(name)}" (there is ${known.ids.map(shown).slice(0, 20).join(', ')})`,
        meant: { text: name, candidates: known.ids },
      });
  }
}

/** `a` for `A`, and `A-C` or `1-3` for what lies between. */
function namesOf(name: string, known: Known): string[] {
  const same = known.ids.find((id) => id.toLowerCase() === name.toLowerCase());
  if (same !== undefined) return [same];
  const range = /^([A-Za-z]|\d{1,3})-([A-Za-z]|\d{1,3})$/.exec(name);
  const from = known.ids.indexOf(range?.[1] ?? '');
  const to = known.ids.indexOf(range?.[2] ?? '');
  return from >= 0 && to >= from ? known.ids.slice(from, to + 1) : [];
}

function isKeyOf(text: string, known: Known): boolean {
  const [first = '', second, third] = text.split('/');
  if (second === undefined) return false;
  return third === undefined ? known.issues.has(first) || /^\d+$/.test(first) : first === known.epic;
}

/** "Stream processing must work": a plain word, in an issue whose streams are not called by words. */
function isProse(name: string, known: Known): boolean {
  return /^[a-z]{2,}$/.test(name) && !known.ids.some((id) => /^[a-z]{2,}$/.test(id));
}
