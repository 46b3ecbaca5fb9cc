/** How is a list of maps read in which each entry has a name: handlers of pressure, agents of the orchestrator? */
import type { Fault } from './faults.ts';
import type { EffectiveValue } from './settings.ts';
import type { Entry, Tree } from './tree.ts';
import { shown } from './values.ts';
import type { Parsed } from './values.ts';

/** A list as one file writes it. */
export interface ListEntry {
  readonly file: string;
  readonly value: Tree;
}

/** What a list may hold; `name` is one of the keys. */
export interface ListShape<K extends string> {
  /** `section.key`. */
  readonly key: string;
  /** What an entry is called in messages, with its article. */
  readonly noun: string;
  readonly keys: Readonly<Record<K, { readonly allowed: string; readonly meaning: string }>>;
  readonly most: number;
  /** Why this name cannot be taken; undefined: it can. */
  readonly nameFault: (name: string) => string | undefined;
}

/** One entry: its name is read and fits. */
export interface ListItem<K extends string> {
  readonly name: string;
  readonly line: number;
  /** The value of a key where it is written and can be read; what cannot be read becomes a fault. */
  readonly take: <T>(key: K, parse: (value: Tree) => Parsed<T>) => T | undefined;
  readonly has: (key: K) => boolean;
  /** What is wrong with the entry as a whole; told only where each of its keys is fine. */
  readonly fault: (text: string) => void;
  /** The effective value of a key, with its origin. */
  readonly row: (key: K, value: string | number, unit?: string) => EffectiveValue;
}

export interface NamedList<T> {
  readonly entries: readonly T[];
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Reads the lists of all files, lowest first; the highest file that has one decides, so `[]` switches them off. */
export function readNamedLists<T, K extends string>(
  written: readonly ListEntry[],
  shape: ListShape<K>,
  readItem: (item: ListItem<K>) => { readonly entry: T; readonly values: readonly EffectiveValue[] },
): NamedList<T> {
  const lists = written.map(({ file, value }) => readList(file, value, shape, readItem));
  const last = lists.at(-1);
  return {
    entries: last?.entries ?? [],
    values: last?.values ?? [],
    faults: lists.flatMap(({ faults }) => faults),
  };
}

type ReadItem<T, K extends string> = (item: ListItem<K>) => {
  readonly entry: T;
  readonly values: readonly EffectiveValue[];
};

function readList<T, K extends string>(
  file: string,
  value: Tree,
  shape: ListShape<K>,
  readItem: ReadItem<T, K>,
): NamedList<T> {
  if (value.kind === 'empty') return { entries: [], values: [], faults: [] };
  const where = `${file}:${value.line}`;
  const { key } = shape;
  const allowed = `a list of maps with ${Object.keys(shape.keys).join(', ')}`;
  if (value.kind !== 'list')
    return { entries: [], values: [], faults: [{ where, key, text: 'must be a list', allowed }] };
  const faults: Fault[] = [];
  if (value.items.length > shape.most)
    faults.push({ where, key, text: 'has too many entries', allowed: `up to ${shape.most}` });
  const read = value.items.map((item, index) => readEntry(file, item, index + 1, shape, readItem));
  const names = new Set<string>();
  for (const { found, line } of read) {
    if (found !== undefined && names.has(found.name))
      faults.push({ where: `${file}:${line}`, key: `${key}.${found.name}`, text: 'is written twice' });
    if (found !== undefined) names.add(found.name);
  }
  return {
    entries: read.flatMap(({ found }) => (found === undefined ? [] : [found.entry])),
    values: read.flatMap(({ found }) => found?.values ?? []),
    faults: [...read.flatMap((one) => one.faults), ...faults],
  };
}

interface Read<T> {
  readonly line: number;
  readonly found:
    { readonly name: string; readonly entry: T; readonly values: readonly EffectiveValue[] } | undefined;
  readonly faults: readonly Fault[];
}

function readEntry<T, K extends string>(
  file: string,
  item: Tree,
  number: number,
  shape: ListShape<K>,
  readItem: ReadItem<T, K>,
): Read<T> {
  const { line } = item;
  const faults: Fault[] = [];
  const fault = (at: number, key: string, text: string, allowed?: string): void =>
    void faults.push({ where: `${file}:${at}`, key, text, ...(allowed !== undefined && { allowed }) });
  if (item.kind !== 'map') {
    fault(line, shape.key, `entry ${number} must be a map`, Object.keys(shape.keys).join(', '));
    return { line, found: undefined, faults };
  }
  const written = collectKeys(file, item.entries, shape, faults);
  const name = readName(written, shape, number, (text, allowed, named) =>
    fault(line, named === undefined ? shape.key : `${shape.key}.${named}`, text, allowed),
  );
  const path = name === undefined ? shape.key : `${shape.key}.${name}`;
  const read = readItem({
    name: name ?? '',
    line,
    has: (key) => written.has(key),
    fault: (text) => {
      if (faults.length === 0) fault(line, path, text);
    },
    take: (key, parse) => {
      const entry = written.get(key);
      if (entry === undefined) return undefined;
      const parsed = parse(entry.value);
      if ('value' in parsed) return parsed.value;
      fault(entry.line, `${path}.${key}`, parsed.problem, shape.keys[key].allowed);
      return undefined;
    },
    row: (key, value, unit) => {
      const at = written.get(key)?.line;
      const origin = at === undefined ? 'default' : `${file}:${at}`;
      return { key: `${path}.${key}`, value, unit, origin, meaning: shape.keys[key].meaning };
    },
  });
  return { line, found: faults.length > 0 || name === undefined ? undefined : { name, ...read }, faults };
}

function collectKeys<K extends string>(
  file: string,
  entries: readonly Entry[],
  { key: list, noun, keys }: ListShape<K>,
  faults: Fault[],
): Map<K, Entry> {
  const found = new Map<K, Entry>();
  for (const entry of entries) {
    const known = (Object.keys(keys) as K[]).find((name) => name === entry.key);
    const place = { where: `${file}:${entry.line}`, key: `${list}.${entry.key}` };
    if (known === undefined) {
      const guess = { written: entry.key, candidates: Object.keys(keys) };
      faults.push({ ...place, text: `is no key of ${noun}`, guess });
    } else if (found.has(known)) faults.push({ ...place, text: 'is written twice' });
    else found.set(known, entry);
  }
  return found;
}

function readName<K extends string>(
  written: ReadonlyMap<K, Entry>,
  { keys, noun, nameFault }: ListShape<K>,
  number: number,
  fault: (text: string, allowed: string | undefined, named?: string) => void,
): string | undefined {
  const { allowed } = keys['name' as K];
  const value = written.get('name' as K)?.value;
  const name = value?.kind === 'scalar' ? value.text : undefined;
  const problem = name === undefined ? undefined : nameFault(name);
  if (name === undefined) fault(`entry ${number} has no name`, allowed);
  else if (!NAME.test(name)) fault(`"${shown(name)}" is no name for ${noun}`, allowed);
  else if (problem !== undefined) fault(problem, undefined, name);
  else return name;
  return undefined;
}
