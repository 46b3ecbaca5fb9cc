/** What exactly is executed for a stream, and which variables tell the agent who it is? */
import type { Stream } from '../model.ts';
import type { AgentKind } from '../settings-model.ts';

/** A line of these characters alone means the same to a shell and to us: words between blanks. */
const PLAIN = /^[A-Za-z0-9_./:=,@%+ -]+$/;

export type Words = { readonly words: readonly string[] } | { readonly shellLine: string };

/**
 * The words to execute, or a line that needs `sh -c`. A plain line whose first word is a program is executed without a
 * shell in between: one process less for each agent, and its pid is the agent's own.
 */
export function commandOf(
  stream: Stream,
  kind: AgentKind | undefined,
  isProgram: (word: string) => boolean,
): Words | undefined {
  const { command } = stream;
  if (typeof command === 'string') {
    const words = command.trim().split(/ +/);
    const first = words[0] ?? '';
    const plain = PLAIN.test(command) && !first.includes('=') && first !== '' && isProgram(first);
    return plain ? { words } : { shellLine: command };
  }
  const words = command ?? kind?.command;
  return words && { words: words.map((word) => fillIn(word, stream)) };
}

/** `{prompt}`, `{key}`, `{title}`, `{epic}`, `{issue}`, `{stream}` inside one word; a value never becomes a further word. */
function fillIn(word: string, stream: Stream): string {
  const values: Readonly<Record<string, string>> = {
    prompt: stream.prompt ?? stream.title,
    key: stream.key,
    title: stream.title,
    epic: stream.epic,
    issue: stream.issue,
    stream: stream.id,
  };
  return word.replace(/\{(prompt|key|title|epic|issue|stream)\}/g, (_, name: string) => values[name] ?? '');
}

/** The variables of an agent's own environment that say who it is and what it may use. The first one marks its processes. */
export function agentVariables(
  stream: Stream,
  facts: {
    readonly tag: string;
    readonly attempt: number;
    readonly limitMb: number | undefined;
    readonly heapMb: number | undefined;
  },
): Record<string, string> {
  const { tag, attempt, limitMb, heapMb } = facts;
  return {
    CLAUDE_PM_LEASE: tag,
    CLAUDE_PM_EPIC: stream.epic,
    CLAUDE_PM_ISSUE: stream.issue,
    CLAUDE_PM_STREAM: stream.id,
    CLAUDE_PM_KEY: stream.key,
    CLAUDE_PM_ATTEMPT: String(attempt),
    ...(limitMb === undefined ? {} : { CLAUDE_PM_LIMIT_MB: String(limitMb) }),
    ...(heapMb === undefined ? {} : { CLAUDE_PM_HEAP_MB: String(heapMb) }),
  };
}
