/** How does an answer reach its reader? One decision, as a table on a terminal, `key:value` lines in a pipe, or JSON. */
import type { ExitCode } from '../failure.ts';

export type LineValue = string | number | boolean | undefined;

/** What a command answers; the words are made from it here and nowhere else. */
export interface Answer {
  readonly exitCode: ExitCode;
  /** The decision itself, printed unchanged by --json. */
  readonly json: unknown;
  /** `key:value` for scripts, in order; undefined values are left out: unknown is not 0. */
  readonly lines: readonly (readonly [key: string, value: LineValue])[];
  /** The same for people, made only when it is asked for: chalk and cli-table3 are heavy. */
  readonly table?: () => string | Promise<string>;
  /** Talk for stderr: warnings and hints. */
  readonly talk?: readonly string[];
}

/** Whatever some reader takes for the end of a line, and what a terminal would obey. */
const UNPRINTABLES = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** The text as one line by construction: a line break in it would forge a further line. */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLES, ' ');
}

/** One `key:value` line. */
export function keyValueLine(key: string, value: Exclude<LineValue, undefined>): string {
  return `${key}:${oneLine(String(value))}`;
}

/** The text of an answer in the form that was asked for, with a newline at its end if it is not empty. */
export async function renderAnswer(
  answer: Answer,
  form: { json: boolean; terminal: boolean },
): Promise<string> {
  if (form.json) return `${JSON.stringify(answer.json, undefined, form.terminal ? 2 : undefined)}\n`;
  if (form.terminal && answer.table) return withNewline(await answer.table());
  const lines = answer.lines.flatMap(([key, value]) =>
    value === undefined ? [] : [keyValueLine(key, value)],
  );
  return withNewline(lines.join('\n'));
}

function withNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
