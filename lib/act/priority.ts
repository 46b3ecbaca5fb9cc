/** How does the guard get a processor while agents keep every core busy? It is raised above them, where that is allowed. */
import { getPriority, setPriority } from 'node:os';

/** So many steps of niceness above the agents: ten times their share of a processor, for the few milliseconds that a look takes. */
const STEPS = 10;

/** What this process ran at before it was raised, which is what it starts others at; undefined: it was not raised. */
let usual: number | undefined;

/**
 * Raises this process above what it starts: one that looks after agents on full cores would else come seconds late. Answers
 * whether it could be: on Linux it takes root or CAP_SYS_NICE, without which nothing changes.
 */
export function raisePriority(): boolean {
  if (usual !== undefined) return true;
  const before = getPriority();
  try {
    setPriority(Math.max(-20, before - STEPS));
  } catch {
    return false;
  }
  usual = before;
  return true;
}

/** Lets a process that was started just now run at what we were started at. One that has ended meanwhile is no fault. */
export function givePriority(pid: number): void {
  if (usual === undefined) return;
  try {
    setPriority(pid, usual);
  } catch {
    // It is gone, or has become somebody else's: then it is not ours to change.
  }
}
