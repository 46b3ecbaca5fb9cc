/** Which tool is this command, without the words of one task? */

/** What runs a program that is named by its next word. */
const RUNNERS = new Set(['node', 'bun', 'deno', 'python', 'python3', 'ruby', 'perl', 'php', 'java', 'npx', 'tsx', 'uv', 'uvx', 'poetry', 'bash', 'sh', 'zsh', 'dash', 'env', 'nice', 'time', 'timeout', 'exec']); // prettier-ignore
/** What has sub-commands that decide how much it takes. */
const FAMILIES = new Set(['npm', 'pnpm', 'yarn', 'make', 'cargo', 'go', 'git', 'docker', 'mvn', 'gradle']);
const SCRIPTS_OF = new Set(['run', 'run-script', 'exec']);
const SHELLS = new Set(['bash', 'sh', 'zsh', 'dash']);
/** Behind these stands a program text, which is of one task. */
const TEXT_FLAGS = new Set(['-e', '--eval', '-p', '--print', '-c']);
const LONGEST = 80;
/** Between the commands of a line of a shell. */
const BETWEEN = /&&|\|\||[;&|\n]/;
/** What only prepares the next command. */
const PREPARES = new Set(['cd', 'export', 'set', 'source', '.', 'true', ':', 'echo', 'mkdir', 'umask']);

/**
 * `['node', 'agents/test.mjs', 'fix it']` -> `node test.mjs`, `'npm run lint && npm test'` -> `npm run lint`,
 * `['claude', '-p', 'fix it']` -> `claude`. At most 80 characters of letters, digits and `._+@:-`, words joined by blanks;
 * `unknown` where nothing of that is there.
 */
export function toolName(command: readonly string[] | string): string {
  const words = typeof command === 'string' ? firstCommand(command) : [...command];
  const parts: string[] = [];
  for (let at = 0, takes = 1; at < words.length && takes > 0; at += 1) {
    const word = words[at] ?? '';
    // Options, assignments before a command, and the time of `timeout 5 CMD`.
    if (word.startsWith('-')) {
      const before = parts.at(-1) ?? '';
      const line = words[at + 1];
      if (word === '-c' && SHELLS.has(before) && line !== undefined) return toolName(line);
      if (TEXT_FLAGS.has(word) && RUNNERS.has(before)) return [...parts, word].join(' ');
      continue;
    }
    if (/^[A-Za-z_]\w*=/.test(word) || (parts.length > 0 && /^[\d.]+[a-z]?$/.test(word))) continue;
    const name = baseName(word);
    if (name === '') continue;
    parts.push(name);
    takes = RUNNERS.has(name) || FAMILIES.has(name) || SCRIPTS_OF.has(name) ? 1 : 0;
  }
  return parts.join(' ').slice(0, LONGEST).trim() || 'unknown';
}

function firstCommand(line: string): string[] {
  const commands = line.split(BETWEEN).map((part) => part.split(/\s+/).filter((word) => word !== ''));
  const isWork = ([first]: readonly string[]): boolean => first !== undefined && !PREPARES.has(first);
  return commands.find(isWork) ?? commands.find((words) => words.length > 0) ?? [];
}

function baseName(word: string): string {
  return (word.split('/').findLast((part) => part !== '') ?? '').replace(/[^\w.+@:-]/g, '');
}
