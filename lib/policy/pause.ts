/** Memory is about to run out: who is halted until there is room again, and who may go on? A halt costs time, a stop costs the work. */
import { formatBytes } from '../units.ts';

/** An agent as the choice sees it. */
export interface PauseFacts {
  readonly key: string;
  readonly ageMs: number;
  /** How much it grew since the last look; 0 while it is halted. */
  readonly grewBytes: number;
  readonly isPaused: boolean;
}

export interface PausePlan {
  readonly pause: readonly string[];
  readonly resume: readonly string[];
  readonly reason: string | undefined;
}

/** Growth until the next look may be this much of what it was since the last one. */
const GROWTH_FACTOR = 1.5;
/** One that grows less than this share of the budget in a look is not worth halting as long as anything is left. */
const WORTH_SHARE = 0.002;

/**
 * Whom to halt so that what grows does not pass the budget before the next look: the youngest that grow, since the older
 * ones end sooner and give their memory back; one always goes on. With nobody to halt, the oldest that is halted goes on as
 * soon as `fits` says that it does, or nothing else moves.
 */
export function planPauses(facts: {
  readonly agents: readonly PauseFacts[];
  readonly usedBytes: number;
  readonly budgetBytes: number;
  readonly fits: (key: string) => boolean;
}): PausePlan {
  const { agents, usedBytes, budgetBytes, fits } = facts;
  const active = agents.filter(({ isPaused }) => !isPaused);
  const soon = active.reduce((sum, { grewBytes }) => sum + Math.max(0, grewBytes) * GROWTH_FACTOR, usedBytes);
  if (soon > budgetBytes) {
    const growing = active
      .filter(({ grewBytes }) => grewBytes > (usedBytes >= budgetBytes ? 0 : WORTH_SHARE * budgetBytes))
      .sort((a, b) => a.ageMs - b.ageMs);
    const pause: string[] = [];
    let left = soon;
    for (const { key, grewBytes } of growing) {
      if (left <= budgetBytes || pause.length + 1 >= active.length) break;
      pause.push(key);
      left -= grewBytes * GROWTH_FACTOR;
    }
    if (pause.length > 0)
      return {
        pause,
        resume: [],
        reason: `${formatBytes(soon)} at this rate by the next look, of ${formatBytes(budgetBytes)}`,
      };
  }
  const oldest = agents
    .filter(({ isPaused }) => isPaused)
    .reduce<PauseFacts | undefined>(
      (old, agent) => (old && old.ageMs >= agent.ageMs ? old : agent),
      undefined,
    );
  if (oldest && (active.length === 0 || (soon <= budgetBytes && fits(oldest.key))))
    return { pause: [], resume: [oldest.key], reason: 'there is room again' };
  return { pause: [], resume: [], reason: undefined };
}
