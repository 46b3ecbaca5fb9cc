/** Does the ledger know that a coordinator is running? Its lease, for as long as the coordinator lives. */
import { randomUUID } from 'node:crypto';
import { Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Lease } from '../../model.ts';
import { readIdentity } from '../../probe/identity.ts';
import { updateLedger, withLease, withoutLeases } from '../../state/ledger.ts';
import type { Context } from '../context.ts';

/**
 * Enters the process as coordinator, so that its share of the memory is no longer kept free beside it. A ledger that
 * cannot be written is told on stderr and no reason to end a coordinator that is running already.
 * `release` takes the lease back; after a kill of ours the death of the coordinator voids it.
 */
export function registerCoordinator(
  call: Call,
  context: Context,
  pid: number,
  heapMb: number,
): { release: () => void } {
  const owner = readIdentity(pid);
  if (owner === undefined) return { release: () => undefined };
  const liveness = context.liveness();
  const nowMs = Date.now();
  const lease: Lease = {
    id: randomUUID(),
    role: 'coordinator',
    owner,
    runner: liveness.self,
    project: context.projectDir,
    epic: undefined,
    key: 'coordinator',
    kind: 'coordinator',
    estimateBytes: context.settings.coordinatorMemoryBytes,
    limitBytes: undefined,
    heapMb,
    baseBytes: 0,
    sinceMs: nowMs,
    expiresMs: undefined,
    renewedMs: nowMs,
    state: 'running',
    peakBytes: undefined,
  };
  const orTell = (deed: () => void): void => {
    try {
      deed();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      call.err(`${call.program}: the ledger does not know this coordinator: ${error.message}`);
    }
  };
  const stateDir = context.stateDir();
  orTell(() =>
    updateLedger(stateDir, liveness, (ledger) => ({ ledger: withLease(ledger, lease), answer: undefined })),
  );
  return {
    release: () =>
      orTell(() =>
        updateLedger(stateDir, liveness, (ledger) => ({
          ledger: withoutLeases(ledger, new Set([lease.id])),
          answer: undefined,
        })),
      ),
  };
}
