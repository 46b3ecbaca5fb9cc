/** In which words is a task handed to an agent, and which line is its answer? A closed table of protocols, text in, text out. */
import type { TaskAnswer } from '../pool-model.ts';
import type { ProtocolName } from '../settings-model.ts';

/** A task in words. */
export interface TaskWords {
  readonly id: string;
  readonly text: string;
  /** The stream that it is for. */
  readonly key?: string;
}

/** What a line of an agent's output says about a task. */
export type LineMeaning = 'nothing' | 'begun' | TaskAnswer;

export interface Protocol {
  readonly meaning: string;
  /** uuid: it takes no other ids, and none twice. */
  readonly ids: 'any' | 'uuid';
  /** The line that hands a task over. */
  readonly request: (task: TaskWords) => string;
  /** The line that makes it forget the task before, which it answers as it answers a task; undefined: tasks do not see each other. */
  readonly reset: string | undefined;
  /** The line that ends the task now, which is answered too; undefined: only its end ends it. */
  readonly interrupt: ((id: string) => string) | undefined;
  /** This word in its command makes it repeat a task's id before it begins. */
  readonly echoFlag: string | undefined;
  readonly read: (line: string, id: string) => LineMeaning;
}

/** How agents of the pool are talked to. */
export const PROTOCOLS = {
  'stream-json': {
    meaning: 'Claude Code: claude -p --input-format stream-json --output-format stream-json --verbose',
    ids: 'uuid',
    request: ({ id, text }) =>
      line({ type: 'user', uuid: id, message: { role: 'user', content: [{ type: 'text', text }] } }),
    reset: line({ type: 'user', message: { role: 'user', content: [{ type: 'text', text: '/clear' }] } }),
    interrupt: (id) =>
      line({ type: 'control_request', request_id: `stop-${id}`, request: { subtype: 'interrupt' } }),
    echoFlag: '--replay-user-messages',
    read: readStreamJson,
  },
  lines: {
    meaning: 'one JSON a line: {"id", "task"} in, {"id", "answer"} or {"id", "error"} out',
    ids: 'any',
    request: ({ id, text, key }) => line({ id, task: text, ...(key !== undefined && { key }) }),
    reset: undefined,
    interrupt: undefined,
    echoFlag: undefined,
    read: readLines,
  },
} as const satisfies Record<ProtocolName, Protocol>;

/** The protocol by its name, as any of them. */
export function protocolOf(name: ProtocolName): Protocol {
  return PROTOCOLS[name];
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/** One `result` line for each prompt; a repeated message of ours bears the uuid that we gave it. */
function readStreamJson(text: string, id: string): LineMeaning {
  const value = parse(text);
  if (value?.['type'] === 'user' && value['uuid'] === id) return 'begun';
  if (value?.['type'] !== 'result') return 'nothing';
  const { result, errors, subtype } = value;
  const ok = value['is_error'] !== true && subtype === 'success';
  const words =
    typeof result === 'string' ? result : Array.isArray(errors) ? errors.map(textOf).join('\n') : '';
  return { ok, text: words === '' && !ok ? textOf(subtype) : words };
}

function readLines(text: string, id: string): LineMeaning {
  const value = parse(text);
  if (value?.['id'] !== id) return 'nothing';
  if (Object.hasOwn(value, 'error')) return { ok: false, text: textOf(value['error']) };
  return Object.hasOwn(value, 'answer') ? { ok: true, text: textOf(value['answer']) } : 'nothing';
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Agents may print whatever they like between their answers. */
function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Follows one task through an agent's output: give it line after line, from the byte on at which the task was handed over.
 * Where the agent echoes, what comes before the echo is some earlier task's (a background agent's that ended late).
 */
export function awaitAnswer(
  protocol: Protocol,
  id: string,
  echoes: boolean,
): (line: string) => TaskAnswer | undefined {
  let hasBegun = !echoes;
  return (text) => {
    const meaning = protocol.read(text, id);
    if (meaning === 'begun') hasBegun = true;
    return typeof meaning === 'string' || !hasBegun ? undefined : meaning;
  };
}
