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

/** What is known beside the agents. */
export interface VictimRules {
  /** So much must come free; undefined: as much as can be had for the work that is lost. */
  readonly neededBytes?: number;
  /** Forecasts are no promises: an agent is over its charge when it is this share of it above. */
  readonly toleranceShare?: number;
}

/**
 * Over its charge first, the largest excess of them; else whoever loses the least work for each byte that comes free, or,
 * where it is known how much is needed, the least work of those whose end is enough.
 * Never the last one, and nobody while an earlier victim is still giving its memory back: what it frees may be enough,
 * and an innocent must not go because the culprit is still dying.
 */
export function chooseVictim(
  agents: readonly Candidate[],
  { neededBytes, toleranceShare = 0 }: VictimRules = {},
): VictimChoice {
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
  if (worst && excess(worst) > worst.estimateBytes * toleranceShare) {
    return {
      choice: 'stop',
      key: worst.key,
      reason: `${formatBytes(excess(worst))} over what it was admitted with (${formatBytes(worst.estimateBytes)})`,
    };
  }
  const cheapest = leastLoss(agents, neededBytes);
  if (cheapest === undefined) return { choice: 'wait', reason: 'nothing of ours runs' };
  return {
    choice: 'stop',
    key: cheapest.key,
    reason: `loses the least: ${formatDuration(cheapest.ageMs)} of work for ${formatBytes(cheapest.privateBytes)}`,
  };
}

function leastLoss(agents: readonly Candidate[], neededBytes: number | undefined): Candidate | undefined {
  const enough = agents.filter(({ privateBytes }) => privateBytes >= (neededBytes ?? Infinity));
  if (enough.length > 0) return enough.reduce((one, other) => (other.ageMs < one.ageMs ? other : one));
  if (neededBytes !== undefined)
    return agents.reduce((one, other) => (other.privateBytes > one.privateBytes ? other : one));
  return [...agents].sort((a, b) => workPerByte(a) - workPerByte(b) || b.privateBytes - a.privateBytes)[0];
}

function excess({ currentBytes, estimateBytes }: Candidate): number {
  return currentBytes - estimateBytes;
}

function workPerByte({ ageMs, privateBytes }: Candidate): number {
  return ageMs / Math.max(1, privateBytes);
}
