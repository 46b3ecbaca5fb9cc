/** What kind of program does a command start? Told by looking at the file; nothing is ever executed. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, resolve } from 'node:path';

import { errorCode } from '../failure.ts';
import type { Executable } from '../model.ts';
import { readBinaryKind, readHead } from './binary.ts';

/** Where execvp(3) looks when there is no PATH. */
const DEFAULT_PATH = '/usr/bin:/bin';

/** The kernel follows so many `#!` lines that lead to scripts again (fs/exec.c). */
const MAX_SCRIPTS = 5;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The program behind a command word: looked up in env.PATH as execvp does, links followed, `#!` lines followed to the
 * interpreter (also through `env` and `env -S`). A JavaScript file that starts with a node line is `node`; a file without
 * any such line is run by `sh`. `missing` with what is wrong as detail where nothing could be started.
 */
export function readExecutable(command: string, env: Environment, cwd: string): Executable {
  return follow(command, env, cwd, MAX_SCRIPTS);
}

function follow(command: string, env: Environment, cwd: string, scriptsLeft: number): Executable {
  const file = findFile(command, env, cwd);
  if ('problem' in file) return { path: command, kind: 'missing', detail: file.problem };
  const { kind, interpreter } = lookInside(file);
  if (kind) return { path: file.path, kind, detail: undefined };

  if (scriptsLeft === 0)
    return { path: file.path, kind: 'missing', detail: 'too many interpreters in a row' };
  const program = follow(interpreter, env, cwd, scriptsLeft - 1);
  if (program.kind === 'missing') {
    return { path: file.path, kind: 'missing', detail: `its interpreter ${interpreter} is missing` };
  }
  // An interpreter of its own kind, or one that is itself a script and has said so already.
  if (program.kind !== 'native') return program;
  return { path: program.path, kind: 'script', detail: basename(interpreter) };
}

type Inside =
  | { readonly kind: 'node' | 'bun' | 'native'; readonly interpreter?: never }
  | { readonly kind?: never; readonly interpreter: string };

/** What was inside a file, by its path and what changes when it does: the sections of an ELF file take 0.3 ms to go through. */
const known = new Map<string, Inside>();

function lookInside({ path, mark }: FoundFile): Inside {
  const name = `${mark} ${path}`;
  const inside = known.get(name) ?? readInside(path);
  known.set(name, inside);
  return inside;
}

function readInside(path: string): Inside {
  const head = readHead(path);
  // May be run but not read (mode 0711): no interpreter could read it either, so it's a machine program.
  if (head === undefined) return { kind: 'native' };
  const kind = readBinaryKind(path, head);
  return kind ? { kind } : { interpreter: parseShebang(head.toString('utf8')) ?? 'sh' };
}

type FoundFile = { readonly path: string; readonly mark: string };
type Found = FoundFile | { readonly problem: string };

function findFile(command: string, env: Environment, cwd: string): Found {
  if (command === '') return { problem: 'not found' };
  if (command.includes('/')) return checkFile(resolve(cwd, command));
  // A file that may not be run does not end the search, but it is a better answer than "not found".
  let problem = 'not found in PATH';
  for (const folder of (env['PATH'] ?? DEFAULT_PATH).split(delimiter)) {
    const found = checkFile(resolve(cwd, folder, command));
    if ('path' in found) return found;
    if (found.problem !== 'not found') problem = found.problem;
  }
  return { problem };
}

const PROBLEMS: Readonly<Record<string, string>> = { EACCES: 'not executable', ENOTDIR: 'not found' };

function checkFile(path: string): Found {
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    if (!facts) return { problem: 'not found' };
    if (!facts.isFile()) return { problem: 'not a file' };
    accessSync(path, constants.X_OK);
    const { dev, ino, size, mtimeMs, ctimeMs } = facts;
    return { path: realpathSync(path), mark: [dev, ino, size, mtimeMs, ctimeMs].join(' ') };
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return { problem: PROBLEMS[code] ?? code };
  }
}

/**
 * The program that a `#!` line names, `env` seen through: `#!/usr/bin/env -S node --flag` is `node`; undefined for no such
 * line. Source: execve(2), env(1).
 */
export function parseShebang(head: string): string | undefined {
  const line = /^#![ \t]*([^\n\r]+)/.exec(head)?.[1];
  if (line === undefined) return undefined;
  const [interpreter = '', ...words] = line.trim().split(/[ \t]+/);
  if (basename(interpreter) !== 'env') return interpreter;
  return programOfEnv(words) ?? interpreter;
}

/** Options of env(1) whose value is the next word. */
const ENV_OPTIONS_WITH_VALUE: ReadonlySet<string> = new Set(['-u', '--unset', '-C', '--chdir']);

function programOfEnv(words: readonly string[]): string | undefined {
  for (let at = 0; at < words.length; at++) {
    const word = (words[at] ?? '').replace(/^(?:-S|-vS|--split-string=)(?=.)/, '');
    if (ENV_OPTIONS_WITH_VALUE.has(word)) at++;
    else if (word !== '' && !word.startsWith('-') && !/^\w+=/.test(word)) return word;
  }
  return undefined;
}
