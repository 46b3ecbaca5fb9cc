/** What does `pressure.handlers` say: which commands of the user's run under memory pressure? */
import type { PressureHandler } from '../settings-model.ts';
import { readCommand } from './agents.ts';
import type { Fault } from './faults.ts';
import type { Setting } from './setting.ts';
import type { EffectiveValue } from './settings.ts';
import type { Entry, Tree } from './tree.ts';
import { allowedText, parseValue, shown } from './values.ts';
import type { Parsed } from './values.ts';

/** `pressure.handlers` of one file. */
export interface HandlersEntry {
  readonly file: string;
  readonly value: Tree;
}

export interface Handlers {
  readonly handlers: readonly PressureHandler[];
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

const TIMEOUT: Setting = { type: 'seconds', range: [0.1, 300], standard: 10, meaning: '' };
const WORDS = 'a list of words, or one line that is split at blanks';

/** What each key of a handler takes and means; the rest of the schema is in settings.ts. */
export const HANDLER_KEYS = {
  name: {
    allowed: 'letters, digits and "._-"',
    fallback: 'none',
    meaning: 'What it is called in the answers.',
  },
  warning: { allowed: WORDS, fallback: 'none', meaning: 'What is run at level warning.' },
  critical: {
    allowed: WORDS,
    fallback: 'what warning says',
    meaning: 'What is run at level critical.',
  },
  timeout: {
    allowed: allowedText(TIMEOUT),
    fallback: String(TIMEOUT.standard),
    meaning: 'After this long it is ended with all that it started.',
  },
} as const;

type HandlerKey = keyof typeof HANDLER_KEYS;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const OWN_NAMES: ReadonlySet<string> = new Set(['hold', 'idle-agents', 'void-leases', 'logs']);
const MOST_HANDLERS = 20;
const KEY = 'pressure.handlers';

/** Reads the lists of all files, lowest first; the highest file that has one decides, so `[]` switches them off. */
export function readHandlers(written: readonly HandlersEntry[], homeDir: string | undefined): Handlers {
  const lists = written.map(({ file, value }) => readList(file, value, homeDir));
  const last = lists.at(-1);
  return {
    handlers: last?.handlers ?? [],
    values: last?.values ?? [],
    faults: lists.flatMap(({ faults }) => faults),
  };
}

function readList(file: string, value: Tree, homeDir: string | undefined): Handlers {
  if (value.kind === 'empty') return { handlers: [], values: [], faults: [] };
  const where = `${file}:${value.line}`;
  const allowed = `a list of maps with ${Object.keys(HANDLER_KEYS).join(', ')}`;
  if (value.kind !== 'list')
    return { handlers: [], values: [], faults: [{ where, key: KEY, text: 'must be a list', allowed }] };
  const faults: Fault[] = [];
  if (value.items.length > MOST_HANDLERS)
    faults.push({ where, key: KEY, text: 'has too many entries', allowed: `up to ${MOST_HANDLERS}` });
  const read = value.items.map((item, index) => readHandler(file, item, index + 1, homeDir));
  const names = new Set<string>();
  for (const { handler, line } of read) {
    if (handler !== undefined && names.has(handler.name))
      faults.push({ where: `${file}:${line}`, key: `${KEY}.${handler.name}`, text: 'is written twice' });
    if (handler !== undefined) names.add(handler.name);
  }
  return {
    handlers: read.flatMap(({ handler }) => (handler === undefined ? [] : [handler])),
    values: read.flatMap(({ values }) => values),
    faults: [...read.flatMap((one) => one.faults), ...faults],
  };
}

interface Read {
  readonly line: number;
  readonly handler: PressureHandler | undefined;
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

function readHandler(file: string, item: Tree, number: number, homeDir: string | undefined): Read {
  const { line } = item;
  const fault = (at: number, key: string, text: string, allowed?: string): Fault => ({
    where: `${file}:${at}`,
    key,
    text,
    ...(allowed !== undefined && { allowed }),
  });
  if (item.kind !== 'map') {
    const faults = [fault(line, KEY, `entry ${number} must be a map`, Object.keys(HANDLER_KEYS).join(', '))];
    return { line, handler: undefined, values: [], faults };
  }
  const found = new Map<HandlerKey, Entry>();
  const faults: Fault[] = [];
  for (const entry of item.entries) {
    const key = (Object.keys(HANDLER_KEYS) as HandlerKey[]).find((known) => known === entry.key);
    if (key === undefined) {
      const guess = { written: entry.key, candidates: Object.keys(HANDLER_KEYS) };
      faults.push({ ...fault(entry.line, `${KEY}.${entry.key}`, 'is no key of a handler'), guess });
    } else if (found.has(key)) faults.push(fault(entry.line, `${KEY}.${key}`, 'is written twice'));
    else found.set(key, entry);
  }

  const nameOf = found.get('name');
  const name = nameOf?.value.kind === 'scalar' ? nameOf.value.text : undefined;
  if (name === undefined)
    faults.push(fault(line, KEY, `entry ${number} has no name`, HANDLER_KEYS.name.allowed));
  else if (!NAME.test(name))
    faults.push(fault(line, KEY, `"${shown(name)}" is no name for a handler`, HANDLER_KEYS.name.allowed));
  else if (OWN_NAMES.has(name)) faults.push(fault(line, `${KEY}.${name}`, 'is a handler of our own'));
  const path = name === undefined || !NAME.test(name) ? KEY : `${KEY}.${name}`;
  const take = <T>(key: HandlerKey, parse: (value: Tree) => Parsed<T>): T | undefined => {
    const entry = found.get(key);
    if (entry === undefined) return undefined;
    const parsed = parse(entry.value);
    if ('value' in parsed) return parsed.value;
    faults.push(fault(entry.line, `${path}.${key}`, parsed.problem, HANDLER_KEYS[key].allowed));
    return undefined;
  };
  const warning = take('warning', (value) => readCommand(value, homeDir));
  const critical = take('critical', (value) => readCommand(value, homeDir));
  const seconds = take('timeout', readSeconds) ?? Number(TIMEOUT.standard);
  if (faults.length === 0 && !found.has('warning') && !found.has('critical'))
    faults.push(fault(line, path, 'runs nothing: write warning, critical or both'));
  if (faults.length > 0 || name === undefined) return { line, handler: undefined, values: [], faults };

  const handler = { name, warning, critical, timeoutMs: Math.round(seconds * 1000) };
  const rows = [
    ['warning', warning?.join(' '), undefined],
    ['critical', critical?.join(' '), undefined],
    ['timeout', seconds, 's'],
  ] as const;
  const values = rows.flatMap(([key, value, unit]): EffectiveValue[] => {
    const at = found.get(key)?.line;
    const origin = at === undefined ? 'default' : `${file}:${at}`;
    return value === undefined
      ? []
      : [{ key: `${path}.${key}`, value, unit, origin, meaning: HANDLER_KEYS[key].meaning }];
  });
  return { line, handler, values, faults };
}

function readSeconds(value: Tree): Parsed<number> {
  if (value.kind !== 'scalar')
    return { problem: value.kind === 'empty' ? 'has no value' : 'must be one value' };
  const parsed = parseValue(TIMEOUT, value.text);
  return 'problem' in parsed ? parsed : { value: Number(parsed.value) };
}
