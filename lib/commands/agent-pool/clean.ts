/** What of the pool is of no more use? Its void and idle agents, agents that it has lost, old answers, stray folders. */
import { identityKey } from '../../policy/charge.ts';
import { isFree, KEY_PREFIX } from '../../policy/pool.ts';
import { removeAgentFolder, strayFolders } from '../../state/pool.ts';
import { removeOldAnswers } from '../../state/pool-answers.ts';
import { loadLedger } from '../../state/ledger.ts';
import { fileFacts } from '../../files.ts';
import { readProcessTable } from '../../probe/processes.ts';
import type { Context } from '../context.ts';
import { readAgents } from '../agents.ts';
import { endAgents } from '../end-agents.ts';
import { dropLeases, poolOf, type Pool } from './pool.ts';
import { settlePool, type Reaping, type Settled } from './settle.ts';

/** Whoever wants an answer asks within a day. */
const KEEP_MS = 24 * 3600_000;
/** A folder is made right after its agent's place was taken. */
const STRAY_MS = 60_000;

export interface Cleaned extends Settled {
  /** Old answers that were removed. */
  readonly answers: number;
  readonly folders: number;
  /** Live agents that the ledger knows and the pool does not (its file was damaged). */
  readonly strays: number;
}

/** Cleans up. */
export async function cleanPool(pool: Pool, reaping: Reaping): Promise<Cleaned> {
  const settled = await settlePool(pool, reaping);
  dropDeadTasks(pool);
  const strays = await endStrays(pool);
  const nowMs = Date.now();
  const folders = pool.update((state) => {
    const stray = strayFolders(pool.stateDir, state.agents).filter(
      (id) => nowMs - (fileFacts(pool.paths(id).dir)?.modifiedMs ?? nowMs) > STRAY_MS,
    );
    for (const id of stray) removeAgentFolder(pool.stateDir, id);
    return { pool: state, answer: stray.length };
  });
  return { ...settled, answers: removeOldAnswers(pool.stateDir, nowMs, KEEP_MS), folders, strays };
}

/** Shares of streams on which agents of the pool worked for a run that was killed: the agents live on, and nobody else gives these back. */
function dropDeadTasks(pool: Pool): void {
  const free = new Set(
    pool
      .load()
      .agents.filter(isFree)
      .flatMap(({ process }) => (process ? [identityKey(process)] : [])),
  );
  if (free.size === 0) return;
  const dead = loadLedger(pool.stateDir).leases.filter(
    ({ key, owner, runner }) =>
      !key.startsWith(KEY_PREFIX) &&
      owner !== undefined &&
      free.has(identityKey(owner)) &&
      runner !== undefined &&
      pool.liveness.isAlive(runner) === false,
  );
  if (dead.length > 0)
    dropLeases(
      pool,
      dead.map(({ id }) => id),
    );
}

/** Agents of the pool that nobody can reach any more, because the file that named them was lost. */
async function endStrays(pool: Pool): Promise<number> {
  const leases = pool.update((state) => {
    const known = new Set(state.agents.map(({ leaseId }) => leaseId));
    const own = loadLedger(pool.stateDir).leases.filter(
      ({ key, id }) => key.startsWith(KEY_PREFIX) && !known.has(id),
    );
    return { pool: state, answer: own };
  });
  // A place that somebody reserved has no process of ours.
  const ours = readAgents(
    leases,
    pool.liveness.isAlive,
    Date.now(),
    leases.length > 0 ? readProcessTable() : new Map(),
  )
    .filter(({ lease, members }) => lease.runner !== undefined && members.length > 0)
    .map(({ lease }) => lease);
  if (ours.length > 0) await endAgents(pool.context, ours, pool.context.settings.cleanupTimeoutMs);
  if (leases.length > 0)
    dropLeases(
      pool,
      leases.map(({ id }) => id),
    );
  return ours.length;
}

/** As part of every clean-up of the machine, where there is a pool. */
export function cleanPoolOf(context: Context, reaping: Reaping): Promise<Cleaned> {
  return cleanPool(
    poolOf(context, () => undefined),
    reaping,
  );
}
