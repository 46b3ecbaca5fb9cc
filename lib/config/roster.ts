/** What does `orchestrator.agents` say: which agents may a prompt become, and by which of its words? */
import type { RosterAgent } from '../settings-model.ts';
import { readCommand } from './agents.ts';
import type { Fault } from './faults.ts';
import { readNamedLists, type ListEntry, type ListShape } from './named-list.ts';
import type { Setting } from './setting.ts';
import type { EffectiveValue } from './settings.ts';
import type { Tree } from './tree.ts';
import { allowedText, parseValue, shown } from './values.ts';
import type { Parsed } from './values.ts';

export interface Roster {
  /** undefined: nobody wrote one. */
  readonly agents: readonly RosterAgent[] | undefined;
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

const PRIORITY: Setting = { type: 'integer', range: [0, 1000], standard: 0, meaning: '' };
const FALLBACK: Setting = { type: 'boolean', standard: false, meaning: '' };
const LONGEST_TERM = 200;

/** What each key of an entry takes and means; the rest of the schema is in settings.ts. */
export const ROSTER_KEYS = {
  name: {
    allowed: 'letters, digits and "._-"',
    fallback: 'none',
    meaning: 'What it is called in the report.',
  },
  when: {
    allowed: 'a list of words (a "*" at the end stands for any ending) and /patterns/',
    fallback: 'none',
    meaning: 'What chooses it where it is found in the prompt.',
  },
  fallback: {
    allowed: allowedText(FALLBACK),
    fallback: 'false',
    meaning: 'Whether it is chosen where no other agent is.',
  },
  kind: {
    allowed: 'a kind of agents:',
    fallback: 'its name',
    meaning: 'The kind of agents: that starts and bounds it.',
  },
  command: {
    allowed: 'a list of words, or one line that is split at blanks',
    fallback: "the kind's",
    meaning: 'The words that start it.',
  },
  prompt: {
    allowed: 'a text with {prompt} in it',
    fallback: '{prompt}',
    meaning: 'What it is told.',
  },
  priority: {
    allowed: allowedText(PRIORITY),
    fallback: '0',
    meaning: 'Who comes first: the higher ones.',
  },
} as const;

type RosterKey = keyof typeof ROSTER_KEYS;

const SHAPE: ListShape<RosterKey> = {
  key: 'orchestrator.agents',
  noun: 'an agent',
  keys: ROSTER_KEYS,
  most: 50,
  nameFault: () => undefined,
};

/** Reads the lists of all files, lowest first; the highest file that has one decides. */
export function readRoster(written: readonly ListEntry[], homeDir: string | undefined): Roster {
  const { entries, values, faults } = readNamedLists(written, SHAPE, (item) => {
    const when = item.take('when', readTerms) ?? [];
    const isFallback = item.take('fallback', (value) => readScalar(value, FALLBACK)) === true;
    const kind = item.take('kind', readText);
    const command = item.take('command', (value) => readCommand(value, homeDir));
    const prompt = item.take('prompt', readPrompt);
    const priority = Number(item.take('priority', (value) => readScalar(value, PRIORITY)) ?? 0);
    if (when.length === 0 && !isFallback) item.fault('is never chosen: write when, or fallback: true');
    const entry: RosterAgent = {
      name: item.name,
      when,
      isFallback,
      command,
      kind: kind ?? item.name,
      prompt: prompt ?? '{prompt}',
      priority,
    };
    const rows = [
      item.row('when', when.join(' ')),
      item.row('fallback', String(isFallback)),
      item.row('kind', entry.kind),
      command && item.row('command', command.join(' ')),
      item.row('priority', priority),
    ];
    return { entry, values: rows.filter((row) => row !== undefined) };
  });
  return { agents: entries, values, faults };
}

function readTerms(value: Tree): Parsed<readonly string[]> {
  if (value.kind !== 'list') return { problem: 'must be a list' };
  const terms: string[] = [];
  for (const item of value.items) {
    const text = readText(item);
    if ('problem' in text) return text;
    const problem = termProblem(text.value);
    if (problem !== undefined) return { problem };
    terms.push(text.value);
  }
  return { value: terms };
}

/** Why this chooses nothing. A pattern is tried here, so that a plan cannot fail by it. */
function termProblem(term: string): string | undefined {
  if (term.length > LONGEST_TERM) return `"${shown(term)}" is too long`;
  const pattern = /^\/(.+)\/$/.exec(term)?.[1];
  if (pattern === undefined)
    return /^[\p{L}\p{N}_-]+\*?$/u.test(term)
      ? undefined
      : `"${shown(term)}" is neither a word nor a /pattern/`;
  try {
    new RegExp(pattern, 'iu');
    return undefined;
  } catch {
    return `${shown(term)} is no pattern`;
  }
}

function readPrompt(value: Tree): Parsed<string> {
  const text = readText(value);
  if ('problem' in text || text.value.includes('{prompt}')) return text;
  return { problem: 'leaves out {prompt}' };
}

function readText(value: Tree): Parsed<string> {
  if (value.kind === 'scalar' && value.text.trim() !== '') return { value: value.text };
  return { problem: value.kind === 'empty' ? 'has no value' : 'must be one text' };
}

function readScalar(value: Tree, setting: Setting): Parsed<string | number | boolean> {
  const text = readText(value);
  return 'problem' in text ? text : parseValue(setting, text.value);
}
