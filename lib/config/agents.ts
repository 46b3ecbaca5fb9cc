/** What does the `agents` section say: how is each kind of agent started and bounded? */
import type { AgentKind, AgentResume, PooledKind } from '../settings-model.ts';
import { MIB, parseSize } from '../units.ts';
import type { Fault } from './faults.ts';
import { POOL_ALLOWED, readPooled } from './kind-pool.ts';
import { kindFaults, resumeFaults } from './rules.ts';
import type { Placed } from './rules.ts';
import type { Setting } from './setting.ts';
import type { EffectiveValue } from './settings.ts';
import type { Entry, Tree } from './tree.ts';
import { allowedText, parseValue, shown } from './values.ts';
import type { Parsed } from './values.ts';

/** One `KIND: …` entry of one file. */
export interface KindEntry {
  readonly file: string;
  readonly entry: Entry;
}

export interface Kinds {
  readonly kinds: ReadonlyMap<string, AgentKind>;
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

const LEAST_BYTES = 16 * MIB;
const MOST_BYTES = 1024 ** 4;
const HEAP: Setting = { type: 'whole_megabytes', range: [64, 1048576], standard: 0, meaning: '' };

/** What each key of a kind takes and means; the rest of the schema is in settings.ts. */
export const KIND_KEYS = {
  command: {
    allowed: 'a list of words, or one line that is split at blanks',
    meaning: 'The words that start it.',
  },
  resume_command: {
    allowed: 'a list of words, or one line that is split at blanks',
    meaning: 'The words that go on with the session of the attempt before, from the second attempt on.',
  },
  transcript: {
    allowed: 'a path with {session} in it',
    meaning: 'The file that must be there for resume_command; if it is not, command begins anew.',
  },
  memory: { allowed: '16MB to 1024GB', meaning: 'What one is expected to need.' },
  limit: { allowed: '16MB to 1024GB', meaning: 'Where one is stopped.' },
  heap: { allowed: allowedText(HEAP), meaning: 'Its V8 heap, where its program takes heap flags.' },
  env: { allowed: 'a map of NAME: value', meaning: 'Further variables of its environment.' },
  pool: {
    allowed: POOL_ALLOWED,
    meaning: 'How one takes task after task: its command, how it is talked to, which growth ends it.',
  },
} as const;

type KindKey = keyof typeof KIND_KEYS;

const KIND_NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

interface Draft {
  command?: Placed<readonly string[]>;
  resume_command?: Placed<readonly string[]>;
  transcript?: Placed<string>;
  memory?: Placed<number>;
  limit?: Placed<number>;
  heap?: Placed<number>;
  env?: Placed<Readonly<Record<string, string>>>;
  pool?: Placed<PooledKind>;
}

/**
 * Merges the kinds of all files, lowest first; each key of a kind that a later file writes wins on its own.
 * Sizes are bytes, the heap is in MB; a kind that only sets bounds has no words in its command.
 */
export function readKinds(written: readonly KindEntry[], homeDir: string | undefined): Kinds {
  const faults: Fault[] = [];
  const drafts = new Map<string, Draft>();
  const seen = new Set<string>();
  for (const { file, entry } of written) {
    const kind = { where: `${file}:${entry.line}`, key: `agents.${entry.key}` };
    const id = `${file}\n${entry.key}`;
    if (!KIND_NAME.test(entry.key)) {
      faults.push({ ...kind, text: 'is no name for a kind', allowed: 'letters, digits and " ._-"' });
    } else if (seen.has(id)) {
      faults.push({ ...kind, text: 'is written twice' });
    } else if (entry.value.kind !== 'map') {
      faults.push({ ...kind, text: 'must be a map', allowed: Object.keys(KIND_KEYS).join(', ') });
    } else {
      const draft = drafts.get(entry.key) ?? {};
      drafts.set(entry.key, draft);
      faults.push(...readKind(draft, entry.value.entries, { file, key: kind.key, homeDir }));
    }
    seen.add(id);
  }
  for (const [name, draft] of drafts) faults.push(...kindFaults(name, draft), ...resumeFaults(name, draft));
  return {
    kinds: new Map([...drafts].map(([name, draft]) => [name, kindOf(draft)])),
    values: [...drafts].flatMap(([name, draft]) => valuesOf(name, draft)),
    faults,
  };
}

/** Writes what one file says of a kind into its draft; answers what is wrong. */
function readKind(
  draft: Draft,
  entries: readonly Entry[],
  kind: { readonly file: string; readonly key: string; readonly homeDir: string | undefined },
): Fault[] {
  const faults: Fault[] = [];
  const seen = new Set<string>();
  for (const { key, line, value } of entries) {
    const origin = `${kind.file}:${line}`;
    const place = { where: origin, key: `${kind.key}.${key}` };
    if (!isKindKey(key)) {
      const guess = { written: key, candidates: Object.keys(KIND_KEYS) };
      faults.push({ ...place, text: 'is no key of a kind', guess });
      continue;
    }
    if (seen.has(key)) faults.push({ ...place, text: 'is written twice' });
    seen.add(key);
    const problem = READERS[key](draft, value, origin, kind.homeDir);
    if (problem !== undefined) faults.push({ ...place, text: problem, allowed: KIND_KEYS[key].allowed });
  }
  return faults;
}

function isKindKey(key: string): key is KindKey {
  return Object.hasOwn(KIND_KEYS, key);
}

/** Puts a value that could be read where it belongs; answers the problem of one that could not. */
function keep<T>(parsed: Parsed<T>, origin: string, put: (placed: Placed<T>) => void): string | undefined {
  if ('problem' in parsed) return parsed.problem;
  put({ value: parsed.value, origin });
  return undefined;
}

type Reader = (draft: Draft, value: Tree, origin: string, homeDir: string | undefined) => string | undefined;

const READERS = {
  command: (draft, value, origin, homeDir) =>
    keep(readCommand(value, homeDir), origin, (placed) => (draft.command = placed)),
  resume_command: (draft, value, origin, homeDir) =>
    keep(readCommand(value, homeDir), origin, (placed) => (draft.resume_command = placed)),
  transcript: (draft, value, origin, homeDir) =>
    keep(readTranscript(value, homeDir), origin, (placed) => (draft.transcript = placed)),
  memory: (draft, value, origin) => keep(readSize(value), origin, (placed) => (draft.memory = placed)),
  limit: (draft, value, origin) => keep(readSize(value), origin, (placed) => (draft.limit = placed)),
  heap: (draft, value, origin) => keep(readHeap(value), origin, (placed) => (draft.heap = placed)),
  env: (draft, value, origin, homeDir) =>
    keep(readEnv(value, homeDir), origin, (placed) => (draft.env = placed)),
  pool: (draft, value, origin, homeDir) =>
    keep(
      readPooled(value, (words) => readCommand(words, homeDir)),
      origin,
      (placed) => (draft.pool = placed),
    ),
} satisfies Record<KindKey, Reader>;

/** The text of a scalar. */
function readScalar(value: Tree): Parsed<string> {
  if (value.kind === 'scalar') return { value: value.text };
  if (value.kind === 'other') return { problem: `is ${value.what}` };
  return { problem: value.kind === 'empty' ? 'has no value' : `must be one value, no ${value.kind}` };
}

function readTranscript(value: Tree, homeDir: string | undefined): Parsed<string> {
  const scalar = readScalar(value);
  if ('problem' in scalar) return scalar;
  if (!scalar.value.includes('{session}')) return { problem: `"${shown(scalar.value)}" names no {session}` };
  return expandHome(scalar.value, homeDir);
}

function readSize(value: Tree): Parsed<number> {
  const scalar = readScalar(value);
  if ('problem' in scalar) return scalar;
  const text = scalar.value;
  const bytes = /^\s*0\d/.test(text) ? undefined : parseSize(text);
  if (bytes === undefined) return { problem: `"${shown(text)}" is no size` };
  if (bytes > MOST_BYTES) return { problem: `${shown(text)} is too much` };
  if (bytes >= LEAST_BYTES) return { value: bytes };
  const unit = /\d\s*$/.test(text) ? ' (bytes: write a unit, as in 2GB)' : '';
  return { problem: `${shown(text)} is too little${unit}` };
}

function readHeap(value: Tree): Parsed<number> {
  const scalar = readScalar(value);
  if ('problem' in scalar) return scalar;
  const parsed = parseValue(HEAP, scalar.value);
  return 'problem' in parsed ? parsed : { value: Number(parsed.value) };
}

/** The words of a command: a list, or one line split at blanks; `~` is the home folder. */
export function readCommand(value: Tree, homeDir: string | undefined): Parsed<readonly string[]> {
  const words = value.kind === 'list' ? readWords(value.items) : splitWords(value);
  if ('problem' in words) return words;
  if (words.value.length === 0 || words.value[0] === '') return { problem: 'has no words: name a program' };
  const expanded: string[] = [];
  for (const word of words.value) {
    const text = expandHome(word, homeDir);
    if ('problem' in text) return text;
    expanded.push(text.value);
  }
  return { value: expanded };
}

function splitWords(value: Tree): Parsed<readonly string[]> {
  const scalar = readScalar(value);
  if ('problem' in scalar) return scalar;
  if (!/['"`]/.test(scalar.value)) return { value: scalar.value.split(/\s+/).filter(Boolean) };
  return { problem: 'has quotes, which no shell reads here: write a list, as in [sh, -c, "a b"]' };
}

function readWords(items: readonly Tree[]): Parsed<readonly string[]> {
  const words: string[] = [];
  for (const item of items) {
    if (item.kind !== 'scalar') return { problem: 'may hold words only, no lists, maps, aliases or nothing' };
    words.push(item.text);
  }
  return { value: words };
}

function readEnv(value: Tree, homeDir: string | undefined): Parsed<Readonly<Record<string, string>>> {
  if (value.kind === 'empty') return { value: {} };
  if (value.kind !== 'map') return { problem: 'must be a map' };
  const pairs = new Map<string, string>();
  const problems: string[] = [];
  for (const { key, value: item } of value.entries) {
    const parsed = readVariable(key, item, homeDir);
    if ('problem' in parsed) problems.push(`${shown(key)} ${parsed.problem}`);
    else if (pairs.has(key)) problems.push(`${key} is written twice`);
    else pairs.set(key, parsed.value);
  }
  return problems.length > 0 ? { problem: problems.join(', ') } : { value: Object.fromEntries(pairs) };
}

function readVariable(name: string, item: Tree, homeDir: string | undefined): Parsed<string> {
  if (!VARIABLE_NAME.test(name) || name === '__proto__') return { problem: 'is no name for a variable' };
  if (item.kind === 'empty') return { value: '' };
  const scalar = readScalar(item);
  return 'problem' in scalar ? scalar : expandHome(scalar.value, homeDir);
}

/** No shell sees these words, so `~` is ours to expand. */
function expandHome(word: string, homeDir: string | undefined): Parsed<string> {
  if (word.includes('\0')) return { problem: 'holds a NUL character' };
  if (word !== '~' && !word.startsWith('~/')) return { value: word };
  if (homeDir !== undefined) return { value: `${homeDir}${word.slice(1)}` };
  return { problem: `${shown(word)} cannot be expanded, as HOME is not set: write the whole path` };
}

function kindOf(draft: Draft): AgentKind {
  return {
    command: draft.command?.value ?? [],
    estimateBytes: draft.memory?.value,
    limitBytes: draft.limit?.value,
    heapMb: draft.heap?.value,
    env: draft.env?.value ?? {},
    ...(draft.resume_command === undefined ? {} : { resume: resumeOf(draft.resume_command.value, draft) }),
    pool: draft.pool?.value,
  };
}

function resumeOf(command: readonly string[], { transcript }: Draft): AgentResume {
  return { command, transcript: transcript?.value };
}

function valuesOf(name: string, draft: Draft): EffectiveValue[] {
  const row = (
    key: KindKey,
    unit: string | undefined,
    value: string | number,
    origin: string,
  ): EffectiveValue => ({
    key: `agents.${name}.${key}`,
    value,
    unit,
    origin,
    meaning: KIND_KEYS[key].meaning,
  });
  const { command, memory, limit, heap, env, resume_command: resume, transcript, pool } = draft;
  return [
    command && row('command', undefined, command.value.join(' '), command.origin),
    resume && row('resume_command', undefined, resume.value.join(' '), resume.origin),
    transcript && row('transcript', undefined, transcript.value, transcript.origin),
    memory && row('memory', 'MB', memory.value / MIB, memory.origin),
    limit && row('limit', 'MB', limit.value / MIB, limit.origin),
    heap && row('heap', 'MB', heap.value, heap.origin),
    // Names only: values of variables are often secrets, and this list is printed.
    env && row('env', undefined, Object.keys(env.value).join(' '), env.origin),
    pool && row('pool', undefined, `${pool.value.protocol} ${pool.value.command.join(' ')}`, pool.origin),
  ].filter((value) => value !== undefined);
}
