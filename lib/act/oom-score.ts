/** Whom does the kernel end first if the whole machine runs out? The agents, never the run or its coordinator. */
import { tellKernel } from '../kernel-files.ts';
import { agentOomScore } from '../policy/ceiling.ts';
import { readShortFile, unlessHidden } from '../probe/proc.ts';

/** A process's `oom_score_adj`, -1000 to 1000; undefined where it cannot be read. */
export function readOomScore(pid: number | 'self', root = ''): number | undefined {
  const text = unlessHidden(() => readShortFile(`${root}/proc/${pid}/oom_score_adj`))?.trim();
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** What an agent of ours gets: higher than our own; undefined where the kernel has no such thing. */
export function plannedOomScore(root = ''): number | undefined {
  const own = readOomScore('self', root);
  return own === undefined ? undefined : agentOomScore(own);
}

/** Raises a process's score to `value`, which its children to come inherit; never lowers it. false: refused, or nothing to raise. */
export function raiseOomScore(pid: number, value: number, root = ''): boolean {
  const present = readOomScore(pid, root);
  if (present === undefined || present >= value) return false;
  return tellKernel(`${root}/proc/${pid}/oom_score_adj`, String(value)) === undefined;
}
