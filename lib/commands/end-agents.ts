/** How are agents of the ledger ended from outside their run? TERM, grace, KILL for the members that are proved to be theirs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openTreeStop } from '../act/signal-tree.ts';
import type { Lease } from '../model.ts';
import { readIdentity } from '../probe/identity.ts';
import { readProcessTable } from '../probe/processes.ts';
import { readAgents, type AgentTree } from './agents.ts';
import type { Context } from './context.ts';

const STEP_MS = 50;
/** KILL needs a moment to be carried out. */
const AFTER_KILL_MS = 1000;

/**
 * Ends the trees of these leases; answers how many processes there were and how many are left. The calling process is
 * left out: an agent or a shell may end its own tree, and somebody has to see it through.
 */
export async function endAgents(
  context: Context,
  leases: readonly Lease[],
  graceMs: number,
): Promise<{ ended: number; left: number; freedBytes: number }> {
  const { isAlive } = context.liveness();
  const look = (): AgentTree[] =>
    readAgents(leases, isAlive, Date.now(), readProcessTable()).map((agent) => ({
      ...agent,
      members: agent.members.filter(({ pid }) => pid !== process.pid),
    }));
  let agents = look();
  const seen = new Set<string>();
  const freedBytes = agents.reduce((sum, { pssBytes, rssBytes }) => sum + (pssBytes ?? rssBytes), 0);
  const stop = openTreeStop(
    () => agents.flatMap(({ members }) => members),
    (pid) => readIdentity(pid)?.startTicks,
    graceMs,
    Date.now(),
  );
  const deadlineMs = Date.now() + graceMs + AFTER_KILL_MS;
  for (;;) {
    for (const { pid, startTicks } of agents.flatMap(({ members }) => members))
      seen.add(`${pid} ${startTicks}`);
    const left = agents.reduce((sum, { members }) => sum + members.length, 0);
    if (left === 0 || Date.now() > deadlineMs) return { ended: seen.size - left, left, freedBytes };
    stop.step(Date.now());
    await sleep(STEP_MS);
    agents = look();
  }
}
