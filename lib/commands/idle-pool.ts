/** Which shares belong to agents of the pool that have nothing to do at this moment? */
import { Failure } from '../failure.ts';
import { isFree } from '../policy/pool.ts';
import { loadPool } from '../state/pool.ts';

/** Ids of their leases; none where the pool cannot be read, which whoever uses it is told. */
export function readIdleLeases(stateDir: string): ReadonlySet<string> {
  try {
    return new Set(
      loadPool(stateDir)
        .agents.filter(isFree)
        .map(({ leaseId }) => leaseId),
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return new Set();
  }
}
