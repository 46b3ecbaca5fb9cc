/** What did an agent answer? Its standard output, or the result in it where it is a client's JSON. */
import { PROTOCOLS } from './protocol.ts';

export interface PromptAnswer {
  readonly text: string;
  /** The client itself says that it failed, whatever its exit code. */
  readonly isError: boolean;
}

/**
 * Plain text is the answer as it stands. Claude Code's forms, by their `type: "result"`: one object (`--output-format
 * json`), a list of messages (with `--verbose`), or one message a line (`stream-json`); the last result counts.
 */
export function readAnswer(stdout: string): PromptAnswer {
  const text = stdout.trim();
  const result = resultOf(parse(text)) ?? lastResult(text);
  return result ?? { text, isError: false };
}

/** The same of an agent of the pool that is talked to in lines: what it answered to this task, else all that it wrote. */
export function readPooledAnswer(stdout: string, id: string): PromptAnswer {
  for (const line of stdout.split('\n')) {
    const meaning = PROTOCOLS.lines.read(line, id);
    if (typeof meaning !== 'string') return { text: meaning.text, isError: !meaning.ok };
  }
  return { text: stdout.trim(), isError: false };
}

function lastResult(text: string): PromptAnswer | undefined {
  const lines = text.split('\n').reverse();
  for (const line of lines) {
    const value = line.startsWith('{') ? parse(line) : undefined;
    // Somewhere else than in a stream of messages, a line of JSON is just text.
    if (value === undefined) return undefined;
    const result = resultOf(value);
    if (result) return result;
  }
  return undefined;
}

function resultOf(value: unknown): PromptAnswer | undefined {
  if (Array.isArray(value)) {
    const results = value.flatMap((message: unknown) => resultOf(message) ?? []);
    return results.at(-1);
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, result, is_error: isError, subtype } = value as Readonly<Record<string, unknown>>;
  if (type !== 'result') return undefined;
  if (typeof result === 'string') return { text: result, isError: isError === true };
  // An error that has no result says what it was in its subtype (error_max_turns …).
  return isError === true || typeof subtype === 'string'
    ? { text: typeof subtype === 'string' ? subtype : '', isError: isError !== false }
    : undefined;
}

function parse(text: string): unknown {
  if (!/^[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // No JSON after all: text.
    return undefined;
  }
}
