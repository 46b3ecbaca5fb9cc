/** Did the machine run out of memory when this command ended, or did the command merely fail? */
import { formatBytes } from '../units.ts';

export interface CommandEnd {
  /** 128 + n for a signal, as a shell tells it. */
  readonly exitCode: number;
  /** `oom_kill` of /proc/vmstat before and after; undefined where the kernel does not tell it. */
  readonly oomKillsBefore: number | undefined;
  readonly oomKillsAfter: number | undefined;
  /** The least that was available in the moments before the end. */
  readonly leastBytes: number;
  readonly floorBytes: number;
}

export type EndVerdict =
  | { readonly verdict: 'out-of-memory'; readonly reason: string }
  /** It ended by itself, well or not: the machine bore it. */
  | { readonly verdict: 'borne' }
  /** Killed and nobody knows why, stopped by somebody, or never started: nothing is learnt. */
  | { readonly verdict: 'unknown' };

const KILLED = 128 + 9;
/** HUP, INT, KILL, TERM, and a shell's codes for what cannot be executed or found. */
const TELLS_NOTHING = new Set([129, 130, KILLED, 143, 126, 127]);

/** A command's own error is none of the machine's: only SIGKILL together with evidence counts as running out of memory. */
export function judgeCommandEnd({
  exitCode,
  oomKillsBefore,
  oomKillsAfter,
  leastBytes,
  floorBytes,
}: CommandEnd): EndVerdict {
  const kernelKilled =
    oomKillsBefore !== undefined && oomKillsAfter !== undefined && oomKillsAfter > oomKillsBefore;
  if (exitCode === KILLED && kernelKilled)
    return {
      verdict: 'out-of-memory',
      reason: 'killed while the kernel killed for want of memory (oom_kill in /proc/vmstat rose)',
    };
  if (exitCode === KILLED && leastBytes < floorBytes)
    return {
      verdict: 'out-of-memory',
      reason: `killed while only ${formatBytes(leastBytes)} were available, under ${formatBytes(floorBytes)}`,
    };
  return { verdict: TELLS_NOTHING.has(exitCode) ? 'unknown' : 'borne' };
}
