/** Did an agent that exited 0 do its work? Read from the result that it printed, since an interrupt, a refused prompt and a failed request of some end with 0, too. */

/** What the end of an agent's own words says; undefined: nothing that we know, and its exit code stands. */
export type AgentVerdict =
  { readonly succeeded: true } | { readonly succeeded: false; readonly reason: string };

/** Of a program's own words in a reason. */
const LONGEST_WORDS = 200;
/** Lines that are looked at, from the end: what comes behind a result is talk. */
const MOST_LINES = 200;

type Fields = Readonly<Record<string, unknown>>;
type Reader = (event: Fields) => AgentVerdict | undefined;

/**
 * The verdict of a program by its own record: the last of its JSON lines, or its one JSON document, that says how it ended.
 * `program` is the base name of what was started; `tail` the end of its stdout, whose first line may be torn. What is no
 * JSON is passed over, so an agent that prints plain text is judged by its exit code alone.
 */
export function judgeAgentResult(program: string, tail: string): AgentVerdict | undefined {
  const reader = Object.hasOwn(READERS, program) ? READERS[program] : undefined;
  if (reader === undefined) return undefined;
  const document = record(tail);
  if (document !== undefined) return reader(document);
  for (const line of tail.split('\n').slice(-MOST_LINES).reverse()) {
    const event = line.startsWith('{') ? record(line) : undefined;
    const verdict = event && reader(event);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

/** Whether a program of this name prints a record of its end that we can read. */
export function saysHowItEnded(program: string): boolean {
  return Object.hasOwn(READERS, program);
}

/** `--output-format json` and stream-json: {"type":"result","subtype":…,"is_error":…,"terminal_reason":…}. Several can come, the last counts. */
function readClaude(event: Fields): AgentVerdict | undefined {
  if (event['type'] !== 'result') return undefined;
  const ended = text(event['terminal_reason']);
  if (event['is_error'] === true)
    return failed(`it says: ${words(event['result'] ?? event['errors'] ?? event['subtype'])}`);
  if (ended !== undefined && ended !== 'completed')
    return failed(
      (Object.hasOwn(UNFINISHED, ended) ? UNFINISHED[ended] : undefined) ?? `it ended with ${words(ended)}`,
    );
  const subtype = text(event['subtype']);
  if (subtype !== undefined && subtype !== 'success') return failed(`it ended with ${words(subtype)}`);
  return { succeeded: true };
}

/** Ends of a turn that are no ends of the work, in our words; the others keep the client's. */
const UNFINISHED: Readonly<Record<string, string>> = {
  tool_deferred: 'a call of it was deferred: `claude -p --resume ID` goes on with it',
  aborted_streaming: 'it was interrupted',
  aborted_tools: 'it was interrupted in the middle of a tool',
  max_turns: 'it ran out of turns',
};

/** `exec --json`: one event a line; a turn that failed, or an error, and no later turn that was completed. */
function readCodex(event: Fields): AgentVerdict | undefined {
  if (event['type'] === 'turn.completed') return { succeeded: true };
  if (event['type'] === 'turn.failed') return failed(`its turn failed: ${words(messageOf(event['error']))}`);
  return event['type'] === 'error' ? failed(`it says: ${words(event['message'])}`) : undefined;
}

/** `--output-format json`: {"response", "stats", "error"?}; stream-json: {"type":"result","status":…}. */
function readGemini(event: Fields): AgentVerdict | undefined {
  if (event['type'] === 'result' && event['status'] !== undefined)
    return event['status'] === 'success'
      ? { succeeded: true }
      : failed(`it says: ${words(messageOf(event['error']))}`);
  if (event['type'] !== undefined) return undefined;
  if (event['error'] !== undefined && event['error'] !== null)
    return failed(`it says: ${words(messageOf(event['error']))}`);
  return event['response'] === undefined ? undefined : { succeeded: true };
}

/** `run --format json`: one event a line; an error event, and no later step that was finished. */
function readOpencode(event: Fields): AgentVerdict | undefined {
  if (event['type'] === 'error') return failed(`it says: ${words(messageOf(event['error']))}`);
  return event['type'] === 'step_finish' ? { succeeded: true } : undefined;
}

const READERS: Readonly<Record<string, Reader>> = {
  claude: readClaude,
  codex: readCodex,
  gemini: readGemini,
  opencode: readOpencode,
};

function failed(reason: string): AgentVerdict {
  return { succeeded: false, reason };
}

function messageOf(error: unknown): unknown {
  if (!isFields(error)) return error;
  return (
    error['message'] ?? (isFields(error['data']) ? error['data']['message'] : undefined) ?? error['name']
  );
}

/** A program's own words, on one line and short. */
function words(value: unknown): string {
  const whole = Array.isArray(value) ? value.join('; ') : value;
  const line =
    typeof whole === 'string'
      ? whole.replace(/[\s\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()
      : '';
  if (line === '') return 'nothing more';
  return line.length <= LONGEST_WORDS ? line : `${line.slice(0, LONGEST_WORDS - 1)}…`;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function record(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isFields(value) ? value : undefined;
  } catch {
    // Torn or plain text: not the record that we look for. JSON.parse throws nothing but SyntaxError.
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
