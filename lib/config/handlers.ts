/** What does `pressure.handlers` say: which commands of the user's run under memory pressure? */
import type { PressureHandler } from '../settings-model.ts';
import { readCommand } from './agents.ts';
import type { Fault } from './faults.ts';
import { readNamedLists, type ListEntry, type ListShape } from './named-list.ts';
import type { Setting } from './setting.ts';
import type { EffectiveValue } from './settings.ts';
import type { Tree } from './tree.ts';
import { allowedText, parseValue } from './values.ts';
import type { Parsed } from './values.ts';

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

const OWN_NAMES: ReadonlySet<string> = new Set([
  'hold',
  'idle-agents',
  'void-leases',
  'prompt-cache',
  'logs',
]);

const SHAPE: ListShape<HandlerKey> = {
  key: 'pressure.handlers',
  noun: 'a handler',
  keys: HANDLER_KEYS,
  most: 20,
  nameFault: (name) => (OWN_NAMES.has(name) ? 'is a handler of our own' : undefined),
};

/** Reads the lists of all files, lowest first; the highest file that has one decides, so `[]` switches them off. */
export function readHandlers(written: readonly ListEntry[], homeDir: string | undefined): Handlers {
  const { entries, values, faults } = readNamedLists(written, SHAPE, (item) => {
    const warning = item.take('warning', (value) => readCommand(value, homeDir));
    const critical = item.take('critical', (value) => readCommand(value, homeDir));
    const seconds = item.take('timeout', readSeconds) ?? Number(TIMEOUT.standard);
    if (!item.has('warning') && !item.has('critical'))
      item.fault('runs nothing: write warning, critical or both');
    const handler: PressureHandler = {
      name: item.name,
      warning,
      critical,
      timeoutMs: Math.round(seconds * 1000),
    };
    const rows = [
      warning && item.row('warning', warning.join(' ')),
      critical && item.row('critical', critical.join(' ')),
      item.row('timeout', seconds, 's'),
    ];
    return { entry: handler, values: rows.filter((row) => row !== undefined) };
  });
  return { handlers: entries, values, faults };
}

function readSeconds(value: Tree): Parsed<number> {
  if (value.kind !== 'scalar')
    return { problem: value.kind === 'empty' ? 'has no value' : 'must be one value' };
  const parsed = parseValue(TIMEOUT, value.text);
  return 'problem' in parsed ? parsed : { value: Number(parsed.value) };
}
