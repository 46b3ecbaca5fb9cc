/** How does a simulated world look to the rules of admission? As a machine with one budget and a ledger. */
import type { MemorySnapshot } from '../model.ts';
import type { Budget } from './capacity.ts';
import type { CheckedLease } from './charge.ts';
import type { SimAgent, SimWorld } from './simulate.ts';

/** Whose budget it is. */
const EPIC = 'simulated';

/** All of the simulated memory. */
export function simBudget({ budgetBytes }: SimWorld): Budget {
  return { bytes: budgetBytes, project: '', epic: EPIC };
}

/** The memory is a budget of which nobody else takes: the machine around it never binds, as with `run --budget`. */
export function simSnapshot({ nowMs, budgetBytes }: SimWorld): MemorySnapshot {
  const aroundBytes = budgetBytes * 1000;
  const bound = {
    kind: 'machine' as const,
    name: 'machine',
    totalBytes: aroundBytes,
    availableBytes: aroundBytes,
  };
  return {
    atMs: nowMs,
    totalBytes: aroundBytes,
    availableBytes: aroundBytes,
    binding: bound,
    bounds: [bound],
    swapTotalBytes: undefined,
    swapFreeBytes: undefined,
    pressure: undefined,
  };
}

/** The lease of one that runs, charged with so much. */
export function simLease(
  { task, currentBytes, step }: SimAgent,
  estimateBytes: number,
  { nowMs, stepMs }: SimWorld,
): CheckedLease {
  const owner = { bootId: task.key, pidNamespace: undefined, pid: 1, startTicks: 1 };
  return {
    life: 'live',
    treeBytes: currentBytes,
    lease: {
      id: task.key,
      role: 'agent',
      owner,
      runner: undefined,
      project: '',
      epic: EPIC,
      key: task.key,
      kind: task.kind,
      estimateBytes,
      limitBytes: undefined,
      heapMb: undefined,
      baseBytes: 0,
      sinceMs: nowMs - step * stepMs,
      expiresMs: undefined,
      renewedMs: nowMs,
      state: 'running',
      peakBytes: undefined,
    },
  };
}
