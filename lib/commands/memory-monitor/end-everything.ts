/** How is every agent of the ledger ended, and what is kept of it? Evidence, the runs' reasons, TERM, KILL, the leases of the dead. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../failure.ts';
import { isThere, replaceFile } from '../../files.ts';
import type { Lease, MemorySnapshot } from '../../model.ts';
import { isKey } from '../../names.ts';
import type { StoppedAgent } from '../../output/emergency.ts';
import { planEmergency } from '../../policy/emergency.ts';
import { maskCommandLine } from '../../probe/command-line.ts';
import { readCommandWords, readProcessTable } from '../../probe/processes.ts';
import { keepEmergency } from '../../state/emergencies.ts';
import { loadLedger } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { readAgents, type AgentTree } from '../agents.ts';
import type { Context } from '../context.ts';
import { stopRequestPath } from '../coordination-memory/attempt-spec.ts';
import { endAgents } from '../end-agents.ts';
import { sweep } from '../sweep.ts';

/** An agent that was admitted right before the breaker opened may still be on its way: looked for again so often. */
const ROUNDS = 3;
const BETWEEN_MS = 200;

/** Writes down what there is, before any signal; answers the file. */
export function keepEvidence(
  context: Context,
  facts: { readonly by: string; readonly reason: string | undefined; readonly memory: MemorySnapshot },
  agents: readonly AgentTree[],
): string {
  const atMs = Date.now();
  return keepEmergency(context.stateDir(), atMs, {
    atMs,
    ...facts,
    agents: agents.map(({ lease, life, rssBytes, pssBytes, members }) => ({
      lease,
      life,
      rssBytes,
      pssBytes,
      members: members.map((member) => ({
        ...member,
        command: maskCommandLine(readCommandWords(member.pid) ?? []),
      })),
    })),
  });
}

/** Ends these agents and whatever the ledger shows meanwhile, then gives back what the dead held. */
export async function endEverything(
  context: Context,
  first: readonly AgentTree[],
  reason: string,
  graceMs: number,
): Promise<{ agents: StoppedAgent[]; left: number; talk: string[] }> {
  const talk: string[] = [];
  const stopped = new Map<string, AgentTree>();
  let agents = first;
  for (let round = 1; agents.length > 0 && round <= ROUNDS; round += 1) {
    for (const agent of agents) stopped.set(agent.lease.id, stopped.get(agent.lease.id) ?? agent);
    for (const { lease } of agents) talk.push(...requestStop(lease, reason));
    const leases = agents.map(({ lease }) => lease);
    await endAgents(context, leases, graceMs);
    await sleep(BETWEEN_MS);
    agents = planEmergency(readNow(context, loadLedger(context.stateDir()).leases)).agents;
  }
  // Also of those whose leases are gone meanwhile: what is left of them bears their mark.
  const remains = readNow(
    context,
    [...stopped.values()].map(({ lease }) => lease),
  );
  const leftOf = new Map(remains.map(({ lease, members }) => [lease.id, others(members).length]));
  try {
    await sweep(context, () => true);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    talk.push(`memory-monitor: ${error.message}`);
  }
  const result = [...stopped.values()].map((agent) => {
    const left = leftOf.get(agent.lease.id) ?? 0;
    return { ...agent, left, ended: Math.max(0, others(agent.members).length - left) };
  });
  return { agents: result, left: result.reduce((sum, { left }) => sum + left, 0), talk };
}

/** An agent may call for the emergency itself; whoever does sees it through. */
function others(members: AgentTree['members']): AgentTree['members'] {
  return members.filter(({ pid }) => pid !== process.pid);
}

function readNow(context: Context, leases: readonly Lease[]): AgentTree[] {
  return readAgents(leases, context.liveness().isAlive, Date.now(), readProcessTable()).map((agent) => ({
    ...agent,
    members: others(agent.members),
  }));
}

/** Before the signal: the run that reaps it looks here for why it ended, and does not try it again. */
function requestStop({ runner, project, epic, key }: Lease, reason: string): string[] {
  if (runner === undefined || epic === undefined || !isKey(key)) return [];
  try {
    const paths = projectPaths(project, epic);
    if (isThere(paths.streamDir(key))) replaceFile(stopRequestPath(paths, key), `emergency: ${reason}\n`);
    return [];
  } catch (error) {
    // A full disk, a folder that went: its run does without the reason.
    if (!(error instanceof Failure)) throw error;
    return [`memory-monitor: ${key}: ${error.message}`];
  }
}
