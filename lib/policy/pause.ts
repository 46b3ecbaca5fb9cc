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

/** An agent that stands still, with what it took so far. */
export interface HaltedFacts {
  readonly key: string;
  readonly heldBytes: number;
  readonly haltedMs: number;
  /** The memory that its work took so far, over its time: what doing it again will take. */
  readonly doneByteMs: number;
  /** How often it was given up before. */
  readonly givenUp: number;
}

/** A start costs this much, however little was done: a second of 300 MB. */
const START_BYTE_MS = 300e6 * 1000;

/**
 * Whose halt has by now cost more memory than doing its work again would, so that giving it up is the better buy; the costliest
 * of them, undefined: nobody's. Whoever waits until then never pays more than twice what the best choice would have cost (the
 * ski rental problem). One that was given up before is waited for longer.
 */
export function chooseGivenUp(halted: readonly HaltedFacts[]): string | undefined {
  const excess = ({ heldBytes, haltedMs, doneByteMs, givenUp }: HaltedFacts): number =>
    heldBytes * haltedMs - (doneByteMs + START_BYTE_MS) * (1 + givenUp);
  const costly = halted.filter((one) => excess(one) > 0);
  if (costly.length === 0) return undefined;
  return costly.reduce((one, other) => (excess(other) > excess(one) ? other : one)).key;
}

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
