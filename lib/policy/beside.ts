/** May an agent start that must run alone, or beside a few others only? */
import { decideAdmission, type AdmissionDecision, type AdmissionRequest } from './admission.ts';
import { judgeCapacity, type Capacity } from './capacity.ts';

type Facts = Parameters<typeof decideAdmission>[0];

/** Soon enough after the end of one that is in the way. */
const RETRY_MS = 2000;

/** The admission of one that must run alone: only while nothing else of ours runs, and then with all the room there is. */
export function decideAlone(facts: Facts, request: AdmissionRequest): AdmissionDecision {
  const capacity = judgeCapacity(facts);
  const decision = decideAdmission(facts, wholeRoom(request, capacity));
  const { liveAgents } = capacity;
  return liveAgents === 0
    ? decision
    : waitInstead(
        decision,
        `it must run alone, and ${liveAgents} ${liveAgents === 1 ? 'agent is' : 'agents are'} running`,
      );
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
function wholeRoom(request: AdmissionRequest, { headroomBytes, liveAgents }: Capacity): AdmissionRequest {
  if (liveAgents > 0 || !Number.isFinite(headroomBytes)) return request;
  return { ...request, estimateBytes: Math.max(request.estimateBytes, headroomBytes) };
}
