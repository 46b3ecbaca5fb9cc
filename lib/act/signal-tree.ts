/** How does a whole tree end? Every member that is proved to be ours gets TERM, after the grace KILL; nothing else is ever signalled. */
import { errorCode } from '../failure.ts';

/** A process by pid and start time. */
export interface Target {
  readonly pid: number;
  readonly startTicks: number;
}

export interface TreeStop {
  /** TERM at the first call, KILL for what is left once the grace is over; how many members got a signal. */
  readonly step: (nowMs: number) => number;
  /** KILL at the next step if this is earlier than what was agreed. */
  readonly hasten: (graceMs: number, nowMs: number) => void;
}

type Kill = (pid: number, signal: NodeJS.Signals) => void;
const realKill: Kill = (pid, signal) => void process.kill(pid, signal);

/**
 * Begins to stop a tree. `members` is asked at each step, because a tree that is being stopped may still grow.
 * `startTicksOf` is read again right before each signal: a pid may have been given to a stranger since the look.
 */
export function openTreeStop(
  members: () => readonly Target[],
  startTicksOf: (pid: number) => number | undefined,
  graceMs: number,
  nowMs: number,
  kill: Kill = realKill,
): TreeStop {
  let killAtMs = nowMs + graceMs;
  const warned = new Set<string>();
  const step = (atMs: number): number => {
    const force = atMs >= killAtMs;
    let signalled = 0;
    for (const target of members()) {
      const name = `${target.pid} ${target.startTicks}`;
      if (!force && warned.has(name)) continue;
      warned.add(name);
      if (startTicksOf(target.pid) !== target.startTicks) continue;
      if (!send(kill, target.pid, force ? 'SIGKILL' : 'SIGTERM')) continue;
      // A halted process acts on TERM only when it goes on.
      if (!force) send(kill, target.pid, 'SIGCONT');
      signalled += 1;
    }
    return signalled;
  };
  return { step, hasten: (grace, atMs) => void (killAtMs = Math.min(killAtMs, atMs + grace)) };
}

/** Sends a signal to each member whose start time still matches; how many got it. */
export function signalMembers(
  members: readonly Target[],
  startTicksOf: (pid: number) => number | undefined,
  signal: NodeJS.Signals,
  kill: Kill = realKill,
): number {
  return members.filter(({ pid, startTicks }) => startTicksOf(pid) === startTicks && send(kill, pid, signal))
    .length;
}

function send(kill: Kill, pid: number, signal: NodeJS.Signals): boolean {
  try {
    kill(pid, signal);
    return true;
  } catch (error) {
    // Gone meanwhile, or it changed its user: neither is ours to force.
    if (errorCode(error) === 'ESRCH' || errorCode(error) === 'EPERM') return false;
    throw error;
  }
}
