/** How is a value written so that every reader reads the same one, and none executes it? Quoting for files, shells, NODE_OPTIONS. */

export type Shell = 'sh' | 'bash' | 'zsh' | 'fish';

const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * The value as it stands behind `NAME=` in an environment file, or undefined where no form exists.
 *
 * The subset on which sh, bash, zsh and `node --env-file` agree: single quotes hold everything but a single quote (Node
 * knows no escape in them); double quotes hold a single quote, but nothing that a shell expands (`$`, a backtick, `\`,
 * `!`) or that Node does (`\n`). Control characters but the tab have no form: a line break would be a second line.
 */
export function envFileValue(value: string): string | undefined {
  if (CONTROL.test(value)) return undefined;
  if (!value.includes("'")) return `'${value}'`;
  return /["$`\\!]/.test(value) ? undefined : `"${value}"`;
}

/** The value as one word of a shell; every character but NUL (which no variable can hold) has a form. */
export function shellWord(value: string, shell: Shell): string {
  if (shell === 'fish') return `'${value.replace(/[\\']/g, '\\$&')}'`;
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** One line that sets and exports a variable. */
export function setLine(name: string, value: string, shell: Shell): string {
  return shell === 'fish'
    ? `set -gx ${name} ${shellWord(value, shell)}`
    : `export ${name}=${shellWord(value, shell)}`;
}

/** One line that removes a variable; no error where there is none. */
export function unsetLine(name: string, shell: Shell): string {
  return shell === 'fish' ? `set -e ${name}` : `unset ${name}`;
}

/** Which quoting a login shell's path needs (`/bin/dash` -> sh); anything unknown is taken for a POSIX shell. */
export function shellFor(path: string | undefined): Shell {
  const name = (path ?? '').slice((path ?? '').lastIndexOf('/') + 1);
  return name === 'bash' || name === 'zsh' || name === 'fish' ? name : 'sh';
}

/**
 * One word of NODE_OPTIONS: Node splits at spaces alone, double quotes hold a space, and a backslash escapes only inside
 * them (node_options.cc, ParseNodeOptionsEnvVar). Single quotes mean nothing: a flag in them is ignored in silence.
 */
export function nodeOptionsWord(word: string): string {
  return /[ "]/.test(word) ? `"${word.replace(/[\\"]/g, '\\$&')}"` : word;
}

/** A cron table takes an unescaped `%` for a line break. */
export function cronCommand(command: string): string {
  return command.replaceAll('%', '\\%');
}
