/** The machine runs out although nobody is over its own limit: which agent is stopped, or is it better to wait? */
import { formatBytes, formatDuration } from '../units.ts';

/** An agent as the choice sees it. */
export interface Candidate {
  readonly key: string;
  readonly currentBytes: number;
  /** What ending it would free. */
  readonly privateBytes: number;
  /** What it was admitted with. */
  readonly estimateBytes: number;
  /** How long it has worked: what would be lost. */
  readonly ageMs: number;
  /** It is being stopped already. */
  readonly isLeaving: boolean;
}

export type VictimChoice =
  | { readonly choice: 'stop'; readonly key: string; readonly reason: string }
  | { readonly choice: 'wait'; readonly reason: string };

/**
 * Over its charge first, the largest excess of them; else whoever loses the least work for each byte that comes free.
 * Never the last one, and nobody while an earlier victim is still giving its memory back: what it frees may be enough,
 * and an innocent must not go because the culprit is still dying.
 */
export function chooseVictim(agents: readonly Candidate[]): VictimChoice {
  const leaving = agents.find(({ isLeaving }) => isLeaving);
  if (leaving)
    return {
      choice: 'wait',
      reason: `${leaving.key} is still giving back ${formatBytes(leaving.privateBytes)}`,
    };
  if (agents.length === 0) return { choice: 'wait', reason: 'nothing of ours runs' };
  if (agents.length === 1)
    return {
      choice: 'wait',
      reason: `${agents[0]?.key ?? ''} is the last one: it is never stopped for the machine's sake`,
    };

  const byExcess = [...agents].sort((a, b) => excess(b) - excess(a));
  const worst = byExcess[0];
  if (worst && excess(worst) > 0) {
    return {
      choice: 'stop',
      key: worst.key,
      reason: `${formatBytes(excess(worst))} over what it was admitted with (${formatBytes(worst.estimateBytes)})`,
    };
  }
  const cheapest = [...agents].sort(
    (a, b) => workPerByte(a) - workPerByte(b) || b.privateBytes - a.privateBytes,
  )[0];
  if (cheapest === undefined) return { choice: 'wait', reason: 'nothing of ours runs' };
  return {
    choice: 'stop',
    key: cheapest.key,
    reason: `loses the least: ${formatDuration(cheapest.ageMs)} of work for ${formatBytes(cheapest.privateBytes)}`,
  };
}

function excess({ currentBytes, estimateBytes }: Candidate): number {
  return currentBytes - estimateBytes;
}

function workPerByte({ ageMs, privateBytes }: Candidate): number {
  return ageMs / Math.max(1, privateBytes);
}
