/** What do the words of a command line mean? Sub-commands and flags as tables, words checked against them. */
import { parseArgs } from 'node:util';
import { EXIT, Failure } from './failure.ts';
import { parseDuration, parseSize } from './units.ts';
import type { Answer } from './output/answer.ts';

/** A flag of a sub-command: with `value` it takes one (the word shown in the help), without it is a switch. */
export interface Flag {
  readonly meaning: string;
  readonly value?: string;
  readonly many?: boolean;
}

export interface Command {
  readonly summary: string;
  /** Positional words as the help shows them: `STREAM`, `[N]`, `STREAM...`. */
  readonly args?: string;
  readonly flags?: Readonly<Record<string, Flag>>;
  /** What may stand behind `--`. */
  readonly rest?: string;
  /** Loads the code of this sub-command alone: a cold `check` must not pay for `run`. */
  readonly load: () => Promise<Handler>;
}

export interface Program {
  readonly name: string;
  readonly summary: string;
  /** A word before the sub-command (`EPIC`). */
  readonly subject?: string;
  readonly commands: Readonly<Record<string, Command>>;
  /** The sub-command when none is named. */
  readonly fallback?: string;
  readonly examples?: readonly string[];
}

/** One call of a sub-command, with the world around it as values. */
export interface Call {
  readonly program: string;
  readonly command: string;
  readonly subject: string;
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  /** The words behind `--`. */
  readonly rest: readonly string[];
  readonly json: boolean;
  /** stdout is a terminal. */
  readonly terminal: boolean;
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly out: (text: string) => void;
  readonly err: (line: string) => void;
  /** The reader of stdout left (`| head`): what loops may end. */
  readonly readerGone: () => boolean;
}

/** Answers with a decision to print, or, when it has written by itself, with an exit code. */
export type Handler = (call: Call) => Answer | number | Promise<Answer | number>;

/** The flags and positional words of one sub-command. @throws Failure (2) that names the word and the nearest right one. */
export async function parseWords(
  program: Program,
  name: string,
  command: Command,
  words: readonly string[],
  common: Readonly<Record<string, Flag>>,
): Promise<{ values: Record<string, string | boolean | string[]>; positionals: string[] }> {
  const flags: Readonly<Record<string, Flag>> = { ...command.flags, ...common };
  const options = Object.fromEntries(
    Object.entries(flags).map(([key, flag]) => [
      key,
      { type: flag.value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...words],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, string | boolean | string[]> = Object.create(null) as Record<
    string,
    string | boolean | string[]
  >;
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) {
      throw usage(
        program,
        name,
        `has no flag ${shownWord(token.rawName)}${await didYouMean(token.name, Object.keys(flags), '--')}`,
      );
    }
    if (flag.value === undefined) {
      if (token.value !== undefined) throw usage(program, name, `--${token.name} takes no value`);
      values[token.name] = true;
      continue;
    }
    if (
      token.value === undefined ||
      (!token.inlineValue && token.value.startsWith('-') && token.value !== '-')
    ) {
      throw usage(program, name, `--${token.name} needs a value: ${flag.value}`);
    }
    const before = values[token.name];
    if (flag.many === true) values[token.name] = [...(Array.isArray(before) ? before : []), token.value];
    else if (before !== undefined) throw usage(program, name, `--${token.name} was given twice`);
    else values[token.name] = token.value;
  }
  checkCount(program, name, command, positionals);
  return { values, positionals };
}

function checkCount(program: Program, name: string, command: Command, positionals: readonly string[]): void {
  const shapes = (command.args ?? '').split(' ').filter((shape) => shape !== '');
  const least = shapes.filter((shape) => !shape.startsWith('[')).length;
  const most = shapes.some((shape) => shape.includes('...')) ? Infinity : shapes.length;
  if (positionals.length < least)
    throw usage(program, name, `needs ${shapes.slice(positionals.length, least).join(' ')}`);
  if (positionals.length > most)
    throw usage(program, name, `has no use for ${shownWord(positionals[most] ?? '')}`);
}

/** A fault in the command line, with where to read on. */
export function usage(program: Program, name: string | undefined, problem: string): Failure {
  const call = [program.name, program.subject, name].filter((word) => word !== undefined).join(' ');
  return new Failure(`${name === undefined ? '' : `${name} `}${problem}; see \`${call} --help\``, EXIT.mend);
}

/** A word of the user's, safe to print: no control characters, at most 60 characters. */
export function shownWord(word: string): string {
  const text = JSON.stringify(word.length > 60 ? `${word.slice(0, 57)}...` : word).slice(1, -1);
  return `\`${text.replace(/[\u007f-\u009f]/g, '?')}\``;
}

/** `; did you mean X?`, or nothing when no known word is near. */
export async function didYouMean(word: string, known: readonly string[], prefix = ''): Promise<string> {
  if (word.length > 60) return '';
  const { closestMatch } = await import('leven');
  const nearest = closestMatch(word, [...known], { maxDistance: Math.max(2, Math.floor(word.length / 3)) });
  return nearest === undefined ? '' : `; did you mean ${prefix}${nearest}?`;
}

/** The text of a flag that takes a value, or undefined. */
export function flagText(call: Call, name: string): string | undefined {
  const value = call.flags[name];
  return typeof value === 'string' ? value : undefined;
}

/** The size of a flag in bytes. @throws Failure for anything that is no size above zero. */
export function flagBytes(call: Call, name: string): number | undefined {
  const text = flagText(call, name);
  if (text === undefined) return undefined;
  const bytes = parseSize(text);
  if (bytes === undefined || bytes === 0)
    throw new Failure(`--${name} ${shownWord(text)} is no size; write 512MB or 4GB`);
  return bytes;
}

/** The duration of a flag in milliseconds. @throws Failure for anything that is none. */
export function flagDuration(call: Call, name: string): number | undefined {
  const text = flagText(call, name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new Failure(`--${name} ${shownWord(text)} is no duration; write 500ms, 30s or 2m`);
  return ms;
}

/** A whole number from a word. @throws Failure outside least..most. */
export function wholeNumber(what: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most))
    throw new Failure(`${what} ${shownWord(text)} is no whole number from ${least} to ${most}`);
  return value;
}
