/** What does `agents.KIND.pool` say: how do agents of this kind take one task after another? */
import type { PooledKind, ProtocolName, RecycleRule } from '../settings-model.ts';
import type { Entry, Tree } from './tree.ts';
import type { Parsed } from './values.ts';
import { shown } from './values.ts';

export const PROTOCOL_NAMES = ['stream-json', 'lines'] as const satisfies readonly ProtocolName[];
const RECYCLE_RULES = ['baseline', 'fresh'] as const satisfies readonly RecycleRule[];
const KEYS = ['command', 'protocol', 'recycle'] as const;

export const POOL_ALLOWED = `a map: command (words), protocol (${PROTOCOL_NAMES.join(', ')}), recycle (${RECYCLE_RULES.join(', ')})`;

/** The map, with `lines` and `baseline` where it says nothing; `readCommand` is the one that kinds have. */
export function readPooled(
  value: Tree,
  readCommand: (value: Tree) => Parsed<readonly string[]>,
): Parsed<PooledKind> {
  if (value.kind !== 'map') return { problem: 'must be a map' };
  const found = new Map<string, Entry>();
  for (const entry of value.entries) {
    if (!KEYS.some((key) => key === entry.key)) return { problem: `has an unknown key ${shown(entry.key)}` };
    if (found.has(entry.key)) return { problem: `has ${entry.key} twice` };
    found.set(entry.key, entry);
  }
  const written = found.get('command');
  if (written === undefined) return { problem: 'has no command: name what takes tasks on its stdin' };
  const command = readCommand(written.value);
  if ('problem' in command) return { problem: `command ${command.problem}` };
  const protocol = readName('protocol', PROTOCOL_NAMES, found.get('protocol'), 'lines');
  if ('problem' in protocol) return protocol;
  const recycle = readName('recycle', RECYCLE_RULES, found.get('recycle'), 'baseline');
  if ('problem' in recycle) return recycle;
  return { value: { command: command.value, protocol: protocol.value, recycle: recycle.value } };
}

function readName<T extends string>(
  key: string,
  names: readonly T[],
  entry: Entry | undefined,
  standard: T,
): Parsed<T> {
  if (entry === undefined) return { value: standard };
  const text = entry.value.kind === 'scalar' ? entry.value.text : '';
  const name = names.find((known) => known === text);
  return name === undefined
    ? { problem: `${key} "${shown(text)}" is none of ${names.join(', ')}` }
    : { value: name };
}
