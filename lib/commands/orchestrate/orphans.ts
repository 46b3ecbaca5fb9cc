/** Which agents work on prompts whose runs were killed? Their reports will never come, and nobody holds their limits: they are ended. */
import type { Lease } from '../../model.ts';
import { loadLedger, updateLedger, withoutLeases } from '../../state/ledger.ts';
import type { Context } from '../context.ts';
import { endAgents } from '../end-agents.ts';
import { isPromptEpic } from './plan-prompt.ts';

/** Whoever calls next does not wait as long for them as their own run would have. */
const GRACE_MS = 5000;

export interface EndedOrphans {
  readonly agents: number;
  readonly processes: number;
}

/** Ends the agents of killed prompt runs of this user, on this machine; a live run's are left alone. */
export async function endOrphans(context: Context): Promise<EndedOrphans> {
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  const isOrphan = ({ role, epic, runner }: Lease): boolean =>
    role === 'agent' &&
    epic !== undefined &&
    isPromptEpic(epic) &&
    runner !== undefined &&
    liveness.isAlive(runner) === false;
  const orphans = loadLedger(stateDir).leases.filter(isOrphan);
  if (orphans.length === 0) return { agents: 0, processes: 0 };
  const graceMs = Math.min(GRACE_MS, context.settings.cleanupTimeoutMs);
  const { ended, left } = await endAgents(context, orphans, graceMs);
  const ids = new Set(orphans.map(({ id }) => id));
  if (left === 0)
    updateLedger(stateDir, liveness, (ledger) => ({
      ledger: withoutLeases(ledger, ids),
      answer: undefined,
    }));
  return { agents: orphans.length, processes: ended };
}
