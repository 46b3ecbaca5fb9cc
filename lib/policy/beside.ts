/** May an agent start that must run alone, or beside a few others only? */
import { decideAdmission, type AdmissionDecision, type AdmissionRequest } from './admission.ts';
import { judgeCapacity, type Capacity } from './capacity.ts';
import { counts } from './charge.ts';

type Facts = Parameters<typeof decideAdmission>[0];

/** Soon enough after the end of one that is in the way. */
const RETRY_MS = 2000;

/**
 * The admission of one that must run alone: only while no other agent with a process of its own runs, and then with all the
 * room there is. `within` is the lease of the agent in which the asker itself lives: to wait for its end would be to wait
 * for one's own. Sub-agents live in their client and are no reason either, for it may be one of them that asks; nor are
 * idle agents of the pool, which may live for hours and get no task meanwhile.
 */
export function decideAlone(
  facts: Facts,
  request: AdmissionRequest,
  within: string | undefined,
): AdmissionDecision {
  const others = facts.leases.filter(
    ({ isIdle, lease, life }) =>
      counts(life) && lease.role === 'agent' && lease.id !== within && isIdle !== true,
  ).length;
  if (others === 0) return decideAdmission(facts, wholeRoom(request, judgeCapacity(facts)));
  const reason = `it must run alone, and ${others} ${others === 1 ? 'agent is' : 'agents are'} running`;
  return waitInstead(decideAdmission(facts, request), reason);
}

/** The same decision, but where it was to admit, it waits for this reason. */
export function waitInstead(decision: AdmissionDecision, reason: string): AdmissionDecision {
  if (decision.decision !== 'admit') return decision;
  const { liveAgents, maxConcurrent, memory, mode } = decision;
  return {
    decision: 'wait',
    reason,
    binding: 'caution',
    shortByBytes: undefined,
    retryAfterMs: RETRY_MS,
    wouldFitBytes: 0,
    liveAgents,
    maxConcurrent,
    memory,
    mode,
  };
}

/** Who runs alone is charged all the room, so that nobody is admitted beside it. */
function wholeRoom(request: AdmissionRequest, { headroomBytes }: Capacity): AdmissionRequest {
  if (!Number.isFinite(headroomBytes)) return request;
  return { ...request, estimateBytes: Math.max(request.estimateBytes, headroomBytes) };
}
