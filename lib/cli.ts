/** How does a command line become one call, and its outcome an exit code? Dispatch, help, and the one catch. */
import { resolve } from 'node:path';
import { EXIT, Failure, errorCode } from './failure.ts';
import { renderAnswer } from './output/answer.ts';
import {
  didYouMean,
  parseWords,
  shownWord,
  usage,
  type Call,
  type Command,
  type Flag,
  type Program,
} from './flags.ts';

const COMMON_FLAGS: Readonly<Record<string, Flag>> = {
  json: { meaning: 'one JSON document (run and watch: one event a line)' },
  project: { value: 'DIR', meaning: 'the project folder (default: this folder)' },
  set: { value: 'SECTION.KEY=VALUE', many: true, meaning: 'a setting for this call; may be repeated' },
  help: { meaning: 'this text' },
  version: { meaning: 'the version' },
};

let readerGone = false;
let answerLost = false;

/** Runs a script: the only place that catches. Never throws; leaves the code in process.exitCode. */
export async function main(program: Program, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  watchOutput(program);
  let code: number;
  try {
    code = await dispatch(program, argv);
  } catch (error) {
    code = await report(program, argv, error);
  }
  process.exitCode = answerLost ? EXIT.mend : code;
}

/** The reader left (`| head`) or its disk is full: commands end by themselves, a run must not leave its agents behind. */
function watchOutput(program: Program): void {
  process.stdout.on('error', (error: Error) => {
    readerGone = true;
    if (errorCode(error) === 'EPIPE' || answerLost) return;
    answerLost = true;
    process.exitCode = EXIT.mend;
    process.stderr.write(
      `${program.name}: cannot write the answer to stdout (${errorCode(error) ?? error.message})\n`,
    );
  });
  // Nobody is left to be told.
  process.stderr.on('error', () => undefined);
}

async function report(program: Program, argv: readonly string[], error: unknown): Promise<number> {
  if (error instanceof Failure) {
    if (ownWords(argv).includes('--json'))
      process.stdout.write(`${JSON.stringify({ error: error.message, exit_code: error.exitCode })}\n`);
    process.stderr.write(`${program.name}: ${error.message}\n`);
    return error.exitCode;
  }
  const { fileFailure } = await import('./files.ts');
  const named = fileFailure(
    'use',
    error instanceof Error && 'path' in error ? String(error.path) : 'a file',
    error,
  );
  const disk = ['ENOSPC', 'EDQUOT', 'EROFS'].includes(errorCode(error) ?? '');
  process.stderr.write(
    disk && named instanceof Failure
      ? `${program.name}: ${named.message}\n`
      : `${program.name}: this is a bug of ours; please report it with these lines\n${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return disk ? EXIT.mend : EXIT.bug;
}

async function dispatch(program: Program, argv: readonly string[]): Promise<number> {
  const end = argv.indexOf('--');
  const ours = ownWords(argv);
  if (ours.includes('--version')) {
    const { toolkitVersion } = await import('./probe/toolkit.ts');
    process.stdout.write(`${program.name} ${toolkitVersion()}\n`);
    return EXIT.ok;
  }

  const chosen = await chooseCommand(program, ours, end >= 0);
  if (chosen === undefined) {
    const { helpText } = await import('./output/help.ts');
    process.stdout.write(helpText(program, undefined, COMMON_FLAGS));
    return EXIT.ok;
  }
  const { name, command, subject, words } = chosen;
  if (words.includes('--help') || words.includes('-h')) {
    const { helpText } = await import('./output/help.ts');
    process.stdout.write(helpText(program, name, COMMON_FLAGS));
    return EXIT.ok;
  }

  const { values, positionals } = await parseWords(program, name, command, words, COMMON_FLAGS);
  const rest = end < 0 ? [] : argv.slice(end + 1);
  if (rest.length > 0 && command.rest === undefined) throw usage(program, name, 'takes nothing behind `--`');
  const terminal = process.stdout.isTTY;
  const call: Call = {
    program: program.name,
    command: name,
    subject,
    args: positionals,
    flags: values,
    rest,
    json: values['json'] === true,
    terminal,
    projectDir: resolve(typeof values['project'] === 'string' ? values['project'] : '.'),
    env: process.env,
    out: (text) => void process.stdout.write(text),
    err: (line) => void process.stderr.write(`${line}\n`),
    readerGone: () => readerGone,
  };

  const handler = await command.load();
  const result = await handler(call);
  if (typeof result === 'number') return result;
  call.out(await renderAnswer(result, call));
  for (const line of result.talk ?? []) call.err(line);
  return result.exitCode;
}

/** What stands before `--`: the rest is the wrapped command's. */
function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

interface Chosen {
  readonly name: string;
  readonly command: Command;
  readonly subject: string;
  readonly words: readonly string[];
}

/** undefined: help for the whole program was asked for. */
async function chooseCommand(
  program: Program,
  words: readonly string[],
  hasRest: boolean,
): Promise<Chosen | undefined> {
  const bare = words
    .map((word, at) => ({ word, at }))
    .filter(({ word, at }) => !word.startsWith('-') && !isValueOf(words[at - 1], program));
  const wantsHelp = words.includes('--help') || words.includes('-h');
  if (bare.length === 0 && wantsHelp) return undefined;

  const [subject, named] = program.subject === undefined ? [undefined, bare[0]] : [bare[0], bare[1]];
  if (program.subject !== undefined && (subject === undefined || (named === undefined && wantsHelp))) {
    if (!wantsHelp) throw usage(program, undefined, `needs ${program.subject} and a sub-command`);
    // `NAME run --help`, without a subject: help for that sub-command is what is meant.
    const meant =
      subject && Object.hasOwn(program.commands, subject.word) ? program.commands[subject.word] : undefined;
    return meant && subject
      ? { name: subject.word, command: meant, subject: '', words: ['--help'] }
      : undefined;
  }
  const isUnknown = named === undefined || !Object.hasOwn(program.commands, named.word);
  const isFallback = program.fallback !== undefined && isUnknown && (hasRest || named === undefined);
  const name = isFallback ? program.fallback : named?.word;
  if (name === undefined)
    throw usage(program, undefined, `needs a sub-command: ${Object.keys(program.commands).join(', ')}`);
  const command = Object.hasOwn(program.commands, name) ? program.commands[name] : undefined;
  if (command === undefined) {
    throw usage(
      program,
      undefined,
      `has no sub-command ${shownWord(name)}${await didYouMean(name, Object.keys(program.commands))}`,
    );
  }
  const taken = new Set([subject?.at, isFallback ? undefined : named?.at]);
  return { name, command, subject: subject?.word ?? '', words: words.filter((_, at) => !taken.has(at)) };
}

/** `--project DIR` may stand before the sub-command, so its value is not the sub-command; nor is that of a flag of the fallback. */
function isValueOf(word: string | undefined, program: Program): boolean {
  if (word?.startsWith('--') !== true) return false;
  const own = program.fallback === undefined ? undefined : program.commands[program.fallback]?.flags;
  const flags: Readonly<Record<string, Flag>> = { ...own, ...COMMON_FLAGS };
  const name = word.slice(2);
  return Object.hasOwn(flags, name) && flags[name]?.value !== undefined;
}
