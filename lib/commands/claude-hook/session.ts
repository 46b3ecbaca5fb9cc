/** What does a session hear of the machine when it begins? How many sub-agents may start now, in one line. */
import { adviceText, capacityText, type HookText } from '../../output/hook-answer.ts';
import { decideAdmission } from '../../policy/admission.ts';
import { judgeCapacity, spawnCapacity } from '../../policy/capacity.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { lookAtBreaker } from '../breaker-gate.ts';
import { checkLeases } from '../leases.ts';
import type { GateWorld } from './world.ts';

/** Also says where settings could not be read anew, so that the ones before them still hold. */
export function sessionText(world: GateWorld): HookText {
  const { settings, memory, needs } = world;
  const nowMs = Date.now();
  const ledger = loadLedger(world.stateDir());
  const leases = checkLeases(ledger.leases, world.liveness().isAlive, nowMs, () => readProcessTable());
  const facts = { settings, memory, leases, budget: undefined, modeBefore: ledger.mode };
  const capacity = judgeCapacity(facts);
  const breaker = lookAtBreaker(world).answer;
  const decision = decideAdmission({ ...facts, nowMs, memoryOf: ledger }, needs.usual);
  const count = spawnCapacity(capacity, needs.usual.estimateBytes);
  const words = capacityText({
    startable: Math.max(1, count),
    liveAgents: capacity.liveAgents,
    maxConcurrent: capacity.maxConcurrent,
    estimateBytes: needs.usual.estimateBytes,
    headroomBytes: capacity.headroomBytes,
    held: !breaker.allowed ? breaker.reason : decision.decision === 'admit' ? undefined : decision.reason,
  });
  const stale =
    world.stale === undefined
      ? ''
      : ` The settings have a fault, the ones before it still hold: ${world.stale.split('\n')[0] ?? ''}`;
  return adviceText('SessionStart', `${words}${stale}`);
}
