/** What exactly is executed for a stream, and which variables tell the agent who it is? */
import type { Stream } from '../model.ts';
import type { AgentKind } from '../settings-model.ts';

/** A line of these characters alone means the same to a shell and to us: words between blanks. */
const PLAIN = /^[A-Za-z0-9_./:=,@%+ -]+$/;

/** The session of a client that an attempt begins, or goes on with. */
export interface AttemptSession {
  /** A UUID; undefined: none of its words names {session}. */
  readonly id: string | undefined;
  /** The kind's resume_command instead of its command. */
  readonly goesOn: boolean;
}

export const NO_SESSION: AttemptSession = { id: undefined, goesOn: false };

export type Words = { readonly words: readonly string[] } | { readonly shellLine: string };

/**
 * The words to execute, or a line that needs `sh -c`. A plain line whose first word is a program is executed without a
 * shell in between: one process less for each agent, and its pid is the agent's own.
 */
export function commandOf(
  stream: Stream,
  kind: AgentKind | undefined,
  isProgram: (word: string) => boolean,
  session: AttemptSession = NO_SESSION,
): Words | undefined {
  const { command } = stream;
  if (typeof command === 'string') {
    const words = command.trim().split(/ +/);
    const first = words[0] ?? '';
    const plain = PLAIN.test(command) && !first.includes('=') && first !== '' && isProgram(first);
    return plain ? { words } : { shellLine: command };
  }
  const words = templateOf(stream, kind, session.goesOn);
  return words && { words: words.map((word) => fillIn(word, stream, session.id)) };
}

function templateOf(
  { command }: Stream,
  kind: AgentKind | undefined,
  goesOn: boolean,
): readonly string[] | undefined {
  if (typeof command === 'string') return undefined;
  return command ?? (goesOn ? kind?.resume?.command : undefined) ?? kind?.command;
}

/** Whether the words of an attempt name {session}. */
export function namesSession(stream: Stream, kind: AgentKind | undefined, goesOn: boolean): boolean {
  return templateOf(stream, kind, goesOn)?.some((word) => word.includes('{session}')) === true;
}

/** The file of a transcript: {session} and {cwd-slug}, which is the folder's path with `-` for all but letters and digits. */
export function transcriptPath(template: string, session: string, cwd: string): string {
  const slug = cwd.replace(/[^A-Za-z0-9]/g, '-');
  return template.replace(/\{(session|cwd-slug)\}/g, (_, name: string) =>
    name === 'session' ? session : slug,
  );
}

/** `{prompt}`, `{key}`, `{title}`, `{epic}`, `{issue}`, `{stream}`, `{session}` inside one word; a value never becomes a further word. */
function fillIn(word: string, stream: Stream, session: string | undefined): string {
  const values: Readonly<Record<string, string>> = {
    session: session ?? '',
    prompt: stream.prompt ?? stream.title,
    key: stream.key,
    title: stream.title,
    epic: stream.epic,
    issue: stream.issue,
    stream: stream.id,
  };
  return word.replace(
    /\{(prompt|key|title|epic|issue|stream|session)\}/g,
    (_, name: string) => values[name] ?? '',
  );
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
