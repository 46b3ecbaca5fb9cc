/** Memory is about to run out: who is halted until there is room again, and who may go on? A halt costs time, a stop costs the work. */
import { formatBytes } from '../units.ts';

/** An agent as the choice sees it. */
export interface PauseFacts {
  readonly key: string;
  readonly ageMs: number;
  /** How much it grew since the last look; of one that is halted: what it grew before, if it may do so again, else 0. */
  readonly grewBytes: number;
  readonly isPaused: boolean;
}

export interface PausePlan {
  readonly pause: readonly string[];
  readonly resume: readonly string[];
  readonly reason: string | undefined;
  /** By so much what runs would pass the budget before the next look; not above zero: it stays within. */
  readonly shortBytes: number;
}

/** How far ahead a pause looks: a matter of how often there is a look. */
export interface PauseRules {
  /** Growth until the next look may be this many times what it was since the last one. */
  readonly growthFactor: number;
  /** One that grows less than this share of the budget in a look is not worth halting as long as anything is left. */
  readonly worthShare: number;
  /** The same once nothing is left. */
  readonly lastShare: number;
}

const RULES: PauseRules = { growthFactor: 1.5, worthShare: 0.002, lastShare: 0 };

/** An agent that stands still, with what it took so far. */
export interface HaltCost {
  readonly key: string;
  readonly heldBytes: number;
  readonly haltedMs: number;
  /** The memory that its work took so far, over its time: what doing it again will take. */
  readonly doneByteMs: number;
  /** How often it was given up before. */
  readonly givenUp: number;
}

/** A start costs this much, however little was done: a second of 50 MB. */
const START_BYTE_MS = 50e6 * 1000;
/** Who stands still keeps a place from others besides: half of what its work took is enough. */
const PATIENCE_SHARE = 0.5;

/**
 * Whose halt has by now cost more memory than doing its work again would, so that giving it up is the better buy; the costliest
 * of them, undefined: nobody's. Whoever waits until then never pays more than twice what the best choice would have cost (the
 * ski rental problem). One that was given up before is waited for longer.
 */
export function chooseGivenUp(halted: readonly HaltCost[]): string | undefined {
  const excess = ({ heldBytes, haltedMs, doneByteMs, givenUp }: HaltCost): number =>
    heldBytes * haltedMs - (doneByteMs * PATIENCE_SHARE + START_BYTE_MS) * (1 + givenUp);
  const costly = halted.filter((one) => excess(one) > 0);
  if (costly.length === 0) return undefined;
  return costly.reduce((one, other) => (excess(other) > excess(one) ? other : one)).key;
}

/**
 * Whom to halt so that what grows does not pass the budget before the next look: the youngest that grow, since the older
 * ones end sooner and give their memory back; one always goes on. With nobody to halt, the oldest goes on of those whose
 * next growth there is room for, as soon as `fits` says so, or when nothing else moves.
 */
export function planPauses(facts: {
  readonly agents: readonly PauseFacts[];
  readonly usedBytes: number;
  readonly budgetBytes: number;
  readonly fits: (key: string) => boolean;
  readonly rules?: PauseRules;
}): PausePlan {
  const { agents, usedBytes, budgetBytes, fits, rules = RULES } = facts;
  const growthOf = ({ grewBytes }: PauseFacts): number => Math.max(0, grewBytes) * rules.growthFactor;
  const active = agents.filter(({ isPaused }) => !isPaused);
  const soon = active.reduce((sum, agent) => sum + growthOf(agent), usedBytes);
  const shortBytes = soon - budgetBytes;
  if (shortBytes > 0) {
    const growing = active
      .filter(
        ({ grewBytes }) =>
          grewBytes > (usedBytes >= budgetBytes ? rules.lastShare : rules.worthShare) * budgetBytes,
      )
      .sort((a, b) => a.ageMs - b.ageMs);
    const pause: string[] = [];
    let left = soon;
    for (const agent of growing) {
      if (left <= budgetBytes || pause.length + 1 >= active.length) break;
      pause.push(agent.key);
      left -= growthOf(agent);
    }
    if (pause.length > 0)
      return {
        pause,
        resume: [],
        reason: `${formatBytes(soon)} at this rate by the next look, of ${formatBytes(budgetBytes)}`,
        shortBytes,
      };
  }
  const halted = agents.filter(({ isPaused }) => isPaused).sort((a, b) => b.ageMs - a.ageMs);
  const next =
    active.length === 0
      ? halted[0]
      : halted.find((agent) => soon + growthOf(agent) <= budgetBytes && fits(agent.key));
  return next
    ? { pause: [], resume: [next.key], reason: 'there is room again', shortBytes }
    : { pause: [], resume: [], reason: undefined, shortBytes };
}

/** An agent with what its end would give and lose. */
export interface Place {
  readonly key: string;
  readonly heldBytes: number;
  /** What it takes by the next look at its present rate. */
  readonly growsBytes: number;
  /** The memory that its work took so far, over its time. */
  readonly doneByteMs: number;
}

/** Only where as little as this is lost is a place given back before a halt was tried: half a gigabyte for a second. */
const CHEAP_BYTE_MS = 500e6 * 1000;
/** What comes free counts with what it would have taken in so many looks. */
const LOOKS = 5;

/**
 * More was started than fits, and no halt will mend that, since who stands still gives nothing back: whoever loses the least
 * for each byte that comes free, or would have been asked for next, gives its place back at once. Never the one that has
 * done the most, and nobody who has done much; undefined: nobody.
 */
export function chooseGivenBack(places: readonly Place[]): string | undefined {
  const most = places.reduce((done, { doneByteMs }) => Math.max(done, doneByteMs), 0);
  const cheap = places.filter(({ doneByteMs }) => doneByteMs < Math.min(most, CHEAP_BYTE_MS));
  const loss = ({ doneByteMs, growsBytes, heldBytes }: Place): number =>
    doneByteMs / Math.max(1, heldBytes + growsBytes * LOOKS);
  const [first, ...others] = cheap;
  return first && others.reduce((one, other) => (loss(other) < loss(one) ? other : one), first).key;
}

/** An agent that is halted, with the place that it keeps from others. */
export interface HaltedPlace {
  readonly key: string;
  readonly currentBytes: number;
  /** How long it had worked: what its end would lose. */
  readonly ageMs: number;
  /** How long it has been halted in one go. */
  readonly haltedMs: number;
  /** How long a run of its like takes; undefined: not known. */
  readonly usualMs: number | undefined;
  /** It was stopped before: another time it is not asked to. */
  readonly gaveUp: boolean;
}

/** A place is given up no sooner than so many usual runs could have used it. */
const USUAL_RUNS = 1.5;

/**
 * Who gives its place up: the largest of those that are halted, once it has waited longer than it had worked, and than one
 * and a half runs of its like take. Whoever rents skis until the rent has reached their price, and then buys them, never
 * pays more than twice what would have been best (Karlin et al., "Competitive snoopy caching", 1988).
 */
export function chooseGiveUp(halted: readonly HaltedPlace[]): string | undefined {
  const largest = halted.reduce<HaltedPlace | undefined>(
    (one, other) => (one && one.currentBytes >= other.currentBytes ? one : other),
    undefined,
  );
  if (largest?.usualMs === undefined || largest.gaveUp) return undefined;
  return largest.haltedMs > Math.max(largest.ageMs, largest.usualMs * USUAL_RUNS) ? largest.key : undefined;
}
