/** How does a task get to an agent of the pool and its answer back? Written into its pipe, read from its output, ended if need be. */
import { followFile, sizeOf, writePipe, type Follower } from '../pipes.ts';
import type { TaskAnswer } from '../pool-model.ts';
import { awaitAnswer, type Protocol, type TaskWords } from '../policy/protocol.ts';

/** An agent as one who hands it a task needs it. */
export interface AgentLink {
  readonly protocol: Protocol;
  readonly echoes: boolean;
  readonly stdin: string;
  readonly stdout: string;
  /** Where its output ends now: all before it belongs to earlier tasks. */
  readonly fromByte: number;
  /** It has had a task before, which it must forget. */
  readonly hasPast: boolean;
  readonly isAlive: () => boolean;
}

export type TaskEnd =
  | { readonly end: 'answered'; readonly answer: TaskAnswer }
  /** It ended before it had answered; its last words were read. */
  | { readonly end: 'died' }
  /** `isOver` said so. `isClean`: the agent has ended the task and may be given another one. */
  | { readonly end: 'cancelled'; readonly isClean: boolean };

export interface TaskWatch {
  /** Nobody wants the answer any more: `interrupt` lets the agent end the task itself, `end` means that it goes too. */
  readonly isOver: () => false | 'interrupt' | 'end';
  /** After each look, at most `lookMs` after the one before. */
  readonly onLook?: () => void;
  /** Each whole line of its output for this task. */
  readonly onLine?: (line: string) => void;
  readonly lookMs?: () => number;
}

/** Its death is looked for at least so often; its output wakes us anyway. */
const MOST_LOOK_MS = 50;
/** How long an interrupted agent has to say that the task has ended: a client takes some 20 ms. */
const INTERRUPT_MS = 3000;

/** Hands the task over and waits for its answer. */
export async function runTask(link: AgentLink, task: TaskWords, watch: TaskWatch): Promise<TaskEnd> {
  const follower = followFile(link.stdout, link.fromByte);
  try {
    const forgotten = link.hasPast ? await forget(link, follower, watch) : undefined;
    if (forgotten) return forgotten;
    const read = awaitAnswer(link.protocol, task.id, link.echoes);
    const isUseless = (): boolean => watch.isOver() !== false || !link.isAlive();
    if (!(await writePipe(link.stdin, link.protocol.request(task), isUseless))) return unwritten(watch);
    const end = await waitFor(link, follower, read, watch);
    if (end !== 'over') return end;
    if (watch.isOver() === 'end') return { end: 'cancelled', isClean: false };
    return { end: 'cancelled', isClean: await interrupt(link, follower, task.id) };
  } finally {
    follower.close();
  }
}

/** Hands the task over and leaves. */
export async function sendTask(
  link: AgentLink,
  task: TaskWords,
  isOver: TaskWatch['isOver'],
): Promise<boolean> {
  const follower = followFile(link.stdout, link.fromByte);
  try {
    if (link.hasPast && (await forget(link, follower, { isOver }))) return false;
  } finally {
    follower.close();
  }
  return writePipe(link.stdin, link.protocol.request(task), () => isOver() !== false || !link.isAlive());
}

/** The answer to a task in an agent's output, read now; undefined: there is none yet. */
export function findAnswer(
  link: Pick<AgentLink, 'protocol' | 'echoes' | 'stdout' | 'fromByte'>,
  id: string,
): TaskAnswer | undefined {
  // Also where there is no file yet, or none any more.
  if (sizeOf(link.stdout) <= link.fromByte) return undefined;
  const follower = followFile(link.stdout, link.fromByte);
  try {
    return firstAnswer(follower.read().lines, awaitAnswer(link.protocol, id, link.echoes));
  } finally {
    follower.close();
  }
}

function firstAnswer(
  lines: readonly string[],
  read: (line: string) => TaskAnswer | undefined,
): TaskAnswer | undefined {
  for (const line of lines) {
    const answer = read(line);
    if (answer) return answer;
  }
  return undefined;
}

/** Empties the agent's context; undefined: it is done. */
async function forget(link: AgentLink, follower: Follower, watch: TaskWatch): Promise<TaskEnd | undefined> {
  const { protocol, stdin, isAlive } = link;
  if (protocol.reset === undefined) return undefined;
  const isOver = (): boolean => watch.isOver() !== false || !isAlive();
  if (!(await writePipe(stdin, protocol.reset, isOver))) return unwritten(watch);
  const end = await waitFor(link, follower, awaitAnswer(protocol, '', false), { isOver: watch.isOver });
  if (end === 'over') return { end: 'cancelled', isClean: false };
  return end.end === 'answered' ? undefined : end;
}

/** Half a line in the pipe would spoil the next task, so the agent takes none. One that closed its pipe is dead or as good as. */
function unwritten(watch: TaskWatch): TaskEnd {
  return watch.isOver() === false ? { end: 'died' } : { end: 'cancelled', isClean: false };
}

async function interrupt(link: AgentLink, follower: Follower, id: string): Promise<boolean> {
  const { protocol, stdin, isAlive } = link;
  if (protocol.interrupt === undefined || !isAlive()) return false;
  const deadlineMs = Date.now() + INTERRUPT_MS;
  const isLate = (): boolean => Date.now() > deadlineMs;
  if (!(await writePipe(stdin, protocol.interrupt(id), isLate))) return false;
  const end = await waitFor(link, follower, awaitAnswer(protocol, id, false), {
    isOver: () => isLate() && 'end',
  });
  return end !== 'over' && end.end === 'answered';
}

async function waitFor(
  link: AgentLink,
  follower: Follower,
  read: (line: string) => TaskAnswer | undefined,
  watch: TaskWatch,
): Promise<TaskEnd | 'over'> {
  for (;;) {
    // Asked before its output is read: what a dead agent has written is all that will come.
    const isAlive = link.isAlive();
    const { lines } = follower.read();
    for (const line of lines) watch.onLine?.(line);
    const answer = firstAnswer(lines, read);
    if (answer) return { end: 'answered', answer };
    if (!isAlive) return { end: 'died' };
    if (watch.isOver() !== false) return 'over';
    watch.onLook?.();
    await follower.nextChange(Math.min(MOST_LOOK_MS, watch.lookMs?.() ?? MOST_LOOK_MS));
  }
}
