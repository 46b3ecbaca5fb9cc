/** Which shares belong to agents of the pool that have nothing to do at this moment? */
import { Failure } from '../failure.ts';
import type { Lease } from '../model.ts';
import { isFree, KEY_PREFIX } from '../policy/pool.ts';
import { loadPool } from '../state/pool.ts';

/** Ids of their leases; none where the pool cannot be read, which whoever uses it is told. */
export function readIdleLeases(stateDir: string, leases: readonly Lease[]): ReadonlySet<string> {
  // Without a look at the pool where none of its agents has a share.
  if (!leases.some(({ key }) => key.startsWith(KEY_PREFIX))) return new Set();
  try {
    const idle = loadPool(stateDir).agents.filter(isFree);
    return new Set(idle.map(({ leaseId }) => leaseId));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return new Set();
  }
}
