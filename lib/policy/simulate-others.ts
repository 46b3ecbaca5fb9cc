/** How do the rules of others admit? Each in the simulator's terms, with the kernel as the one who stops. */
import type { SimAgent, SimRule, SimTask, SimWorld } from './simulate.ts';

/** The kernel takes the largest. */
function largest({ running }: SimWorld): SimAgent {
  return running.reduce((one, other) => (other.currentBytes > one.currentBytes ? other : one));
}

const kernel = { victim: largest, requeue: 'front' } as const;

/** At most so many at once (`xargs -P`, `parallel -j`). */
export function countRule(most: number): SimRule {
  return {
    ...kernel,
    name: `count ${most}`,
    admit: ({ running, waiting }) => waiting.slice(0, Math.max(0, most - running.length)),
  };
}

/** One more in each step while so much is free (`parallel --memfree` without its own kills). */
export function freeRule(name: string, freeBytes: number): SimRule {
  return {
    ...kernel,
    name,
    admit: ({ budgetBytes, usedBytes, waiting }) =>
      budgetBytes - usedBytes >= freeBytes ? waiting.slice(0, 1) : [],
  };
}

/** Reserves this much for each agent's whole life; after a stop twice as much as before (Slurm, Kubernetes, Ray). */
export function reserveRule(name: string, needBytes: (task: SimTask) => number, lookahead: number): SimRule {
  const need = ({ task, estimateBytes, stops }: SimAgent): number =>
    stops === 0 ? needBytes(task) : Math.max(needBytes(task), estimateBytes);
  return {
    ...kernel,
    name,
    admit: ({ budgetBytes, running, waiting }) => {
      let reserved = running.reduce((sum, { estimateBytes }) => sum + estimateBytes, 0);
      let live = running.length;
      const starts: SimAgent[] = [];
      for (const agent of waiting.slice(0, lookahead + 1)) {
        const bytes = Math.min(need(agent), budgetBytes);
        if (live > 0 && reserved + bytes > budgetBytes) {
          if (lookahead === 0) break;
          continue;
        }
        agent.estimateBytes = bytes;
        reserved += bytes;
        live += 1;
        starts.push(agent);
      }
      return starts;
    },
    ended: (agent, how) => {
      if (how === 'stopped') agent.estimateBytes *= 2;
    },
  };
}

/** Knows each agent's own peak and reserves exactly that; looks so far past one that does not fit. */
export function oracleRule(lookahead: number): SimRule {
  return reserveRule(
    'oracle',
    ({ bytes }) => bytes.reduce((most, held) => Math.max(most, held), 0),
    lookahead,
  );
}

/** The peak that this share of the tasks stays within, by nearest rank: what a rule of others was told of the work. */
export function peakQuantile(tasks: readonly SimTask[], share: number): number {
  const peaks = tasks
    .map(({ bytes }) => bytes.reduce((most, held) => Math.max(most, held), 0))
    .sort((a, b) => a - b);
  return peaks[Math.min(peaks.length - 1, Math.max(0, Math.ceil(share * peaks.length) - 1))] ?? 0;
}
