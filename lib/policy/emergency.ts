/** What does an emergency end, and what does it leave: agents go, clients and runs stay and are named. */
import type { Lease, LeaseLife, ProcessFacts, ProcessIdentity } from '../model.ts';
import { counts, identityKey } from './charge.ts';

interface Agent {
  readonly lease: Lease;
  readonly life: LeaseLife;
  readonly members: readonly ProcessFacts[];
}

/** A run that started agents: it ends by itself, or waits at the open breaker. */
export interface EmergencyRun {
  readonly pid: number;
  readonly runner: ProcessIdentity;
  readonly project: string;
  readonly epic: string | undefined;
}

/**
 * Agents that live, or of which something is left; leases of dead ones with nothing left need no ending. Sub-agents live
 * inside their client, a coordinator is somebody's session, and an agent of another container can be told no signal from here.
 */
export function planEmergency<A extends Agent>(
  all: readonly A[],
): { readonly agents: readonly A[]; readonly others: readonly A[]; readonly runs: readonly EmergencyRun[] } {
  const isOurs = ({ lease, life, members }: Agent): boolean =>
    lease.role === 'agent' && (members.length > 0 || life === 'live');
  const agents = all.filter(isOurs);
  const others = all.filter((agent) => counts(agent.life) && !isOurs(agent));
  const runs = new Map(
    agents.flatMap(({ lease: { runner, owner, project, epic, state } }) => {
      // An agent of the pool answers for itself as soon as it is there; a run answers for its agents until they are.
      const isOwn = state === 'running' && runner && owner && identityKey(runner) === identityKey(owner);
      const isRun = runner !== undefined && !isOwn;
      return isRun ? [[identityKey(runner), { pid: runner.pid, runner, project, epic }] as const] : [];
    }),
  );
  return { agents, others, runs: [...runs.values()] };
}
