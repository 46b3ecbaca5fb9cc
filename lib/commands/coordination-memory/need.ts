/** What would one agent of this call need, and how much room is there for it? Shared by assess, batch and spawn. */
import { Failure } from '../../failure.ts';
import { flagBytes, flagText, shownWord, type Call } from '../../flags.ts';
import type { AdmissionRequest } from '../../policy/admission.ts';
import { judgeCapacity, spawnCapacity, type Budget, type Capacity } from '../../policy/capacity.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import type { Context } from '../context.ts';
import { readIdleLeases } from '../idle-pool.ts';
import { checkLeases } from '../leases.ts';
import { isStated, needsOf } from './plan-streams.ts';

export interface Need extends AdmissionRequest {
  readonly kind: string;
  readonly heapMb: number | undefined;
}

/** Estimate, limit and heap of one agent by --memory, --limit and --kind, else the settings. */
export function readNeed(call: Call, context: Context): Need {
  const { settings } = context;
  const kind = flagText(call, 'kind');
  const known = kind === undefined ? undefined : settings.agents.get(kind);
  if (kind !== undefined && known === undefined) {
    const names = [...settings.agents.keys()].join(', ');
    throw new Failure(
      `--kind ${shownWord(kind)}: agents: in .claude-pm.yaml has ${names === '' ? 'no kinds' : `only ${names}`}`,
    );
  }
  const own = {
    estimateBytes: flagBytes(call, 'memory'),
    limitBytes: flagBytes(call, 'limit'),
    heapMb: undefined,
  };
  const needs = needsOf(own, known, settings, false, Infinity);
  return { kind: kind ?? 'agent', ...needs, estimateIsStated: isStated(needs) };
}

/** `--budget`, for the leases of this epic. */
export function readBudget(call: Call, context: Context): Budget | undefined {
  const bytes = flagBytes(call, 'budget');
  return bytes === undefined ? undefined : { bytes, project: context.projectDir, epic: call.subject };
}

/** The room there is now, read without the lock: good for showing. */
export function readCapacity(context: Context, budget: Budget | undefined): Capacity {
  const { settings, memory, nowMs } = context;
  const { leases, mode: modeBefore } = loadLedger(context.stateDir());
  const idle = readIdleLeases(context.stateDir(), leases);
  const checked = checkLeases(leases, context.liveness().isAlive, nowMs, () => readProcessTable(), idle);
  return judgeCapacity({ settings, memory, leases: checked, budget, modeBefore });
}

/** How many more of this need may start: at least one where nothing runs and the floor is there (single-agent mode). */
export function startable(context: Context, capacity: Capacity, need: Need): number {
  const count = spawnCapacity(capacity, need.estimateBytes);
  const { settings, memory } = context;
  if (count > 0 || capacity.liveAgents > 0 || !settings.enabled) return count;
  return memory.availableBytes >= settings.admission.floorBytes ? 1 : 0;
}
