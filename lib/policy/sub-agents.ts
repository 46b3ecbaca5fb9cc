/** What becomes of the shares of a client's sub-agents when its hooks tell of a start, an end, or the end of a turn? */
import type { ClientPlace, Lease } from '../model.ts';
import type { BackgroundTask, HookEvent } from './hook-event.ts';

/** The events that change shares which are there already. */
export type ShareEvent = Extract<
  HookEvent,
  { event: 'answered' | 'failed' | 'started' | 'ended' | 'turn-over' | 'session-end' }
>;

/** A lease of a sub-agent that a hook announced. */
export type SubLease = Lease & { readonly client: ClientPlace };

/** How long shares are kept without another word. */
export interface ShareTimes {
  readonly nowMs: number;
  /** admission.lease: of an agent that runs. */
  readonly leaseMs: number;
}

/** The client's name for the agents that a workflow starts one by one, under the one call that was asked for. */
const WORKFLOW_AGENT = 'workflow-subagent';
/** How long the answer of a call may take after its agent ended. */
const ANSWER_MS = 30_000;

/**
 * The leases of one session of one client after an event; those that are not given back come out in their order, the same
 * objects where nothing changed. Ends without starts, repeats and events in any order are harmless.
 *
 * A start names the agent but not the call that asked for it, so a start takes the oldest share of its kind that has no
 * agent yet. Only the call's answer names both: until it comes the share is kept, also beyond the agent's end, and where it
 * names another pair, the shares change their agents. So there are as many shares as calls without an answer and agents
 * that outlive it.
 */
export function stepShares(
  leases: readonly SubLease[],
  event: ShareEvent,
  times: ShareTimes,
): readonly SubLease[] {
  switch (event.event) {
    case 'started':
      return started(leases, event, times);
    case 'ended':
      return ended(leases, event.agent, times);
    case 'answered':
      return event.launched ? launched(leases, event, times) : completed(leases, event);
    case 'failed':
      return failed(leases, event.call);
    case 'turn-over':
      return reconciled(leases, event.tasks);
    case 'session-end':
      // A conversation that is only cleared leaves its background agents running.
      return event.reason === 'clear' ? leases.filter(isStarted) : [];
  }
}

/** Whether the agent is known to have begun. */
export function isStarted({ client, state }: SubLease): boolean {
  return client.agent !== undefined && state !== 'starting';
}

/** The share of this agent, whether it runs or is about to be woken. */
export function shareOf(leases: readonly SubLease[], agent: string): SubLease | undefined {
  return leases.find(({ client }) => client.agent === agent);
}

function isWaiting({ client }: SubLease): boolean {
  return client.agent === undefined;
}

function started(
  leases: readonly SubLease[],
  { agent, kind }: Extract<ShareEvent, { event: 'started' }>,
  times: ShareTimes,
): readonly SubLease[] {
  const own = shareOf(leases, agent);
  const asked = kind === WORKFLOW_AGENT ? 'workflow' : kind;
  const chosen =
    own ??
    leases.find((lease) => isWaiting(lease) && lease.kind === asked) ??
    // A call that named no kind, or a fork.
    leases.find((lease) => isWaiting(lease) && lease.kind !== 'workflow' && kind !== WORKFLOW_AGENT);
  return replaced(leases, chosen, (lease) => {
    const again = { ...lease, client: { ...lease.client, hasEnded: undefined } };
    return running(again, agent, times);
  });
}

/** An agent whose call has no answer yet keeps its share until then: the answer follows at once. */
function ended(leases: readonly SubLease[], agent: string, { nowMs }: ShareTimes): readonly SubLease[] {
  const its = shareOf(leases, agent);
  if (its === undefined) return leases;
  if (its.client.call === undefined) return without(leases, its.id);
  return replaced(leases, its, (lease) => ({
    ...lease,
    expiresMs: nowMs + ANSWER_MS,
    client: { ...lease.client, hasEnded: true },
  }));
}

/** From now on the share is the agent's, and its end gives it back; a workflow names none, its share waits for the first of its agents. */
function launched(
  leases: readonly SubLease[],
  { call, became }: Extract<ShareEvent, { event: 'answered' }>,
  times: ShareTimes,
): readonly SubLease[] {
  const mine = ofCall(leases, call);
  if (became === undefined) return replaced(leases, mine, answeredShare).filter(isOwed);
  const its = shareOf(leases, became);
  if (mine === undefined) return leases;
  const paired = its === mine ? leases : withAgents(leases, mine, its, became);
  return replaced(paired, mine, (lease) => running(answeredShare(lease), became, times)).filter(isOwed);
}

function completed(
  leases: readonly SubLease[],
  { call, became }: Extract<ShareEvent, { event: 'answered' }>,
): readonly SubLease[] {
  const mine = ofCall(leases, call);
  const its = became === undefined ? undefined : shareOf(leases, became);
  if (mine === undefined) return its === undefined ? leases : without(leases, its.id);
  const paired = its === mine || became === undefined ? leases : withAgents(leases, mine, its, became);
  return without(paired, mine.id);
}

function failed(leases: readonly SubLease[], call: string): readonly SubLease[] {
  const mine = ofCall(leases, call);
  return mine === undefined ? leases : without(handedOn(leases, mine), mine.id);
}

/** The call was this agent's: whoever stood in its share goes to where the agent stood, or to a share that waits. */
function withAgents(
  leases: readonly SubLease[],
  mine: SubLease,
  its: SubLease | undefined,
  agent: string,
): readonly SubLease[] {
  const freed =
    its === undefined ? handedOn(leases, mine) : replaced(leases, its, (lease) => settled(lease, mine));
  return replaced(freed, mine, (lease) =>
    its === undefined
      ? { ...lease, client: { ...lease.client, agent, hasEnded: undefined } }
      : settled(lease, its),
  );
}

/** The share with the agent of another one. */
function settled(lease: SubLease, from: SubLease): SubLease {
  const { agent, hasEnded } = from.client;
  return {
    ...lease,
    state: from.state,
    expiresMs: from.expiresMs,
    client: { ...lease.client, agent, hasEnded },
  };
}

/** Whoever stands in this share takes the oldest one of its kind that waits; where none does, nobody is moved. */
function handedOn(leases: readonly SubLease[], from: SubLease): readonly SubLease[] {
  if (!isStarted(from)) return leases;
  const free = leases.find((lease) => lease.id !== from.id && isWaiting(lease) && lease.kind === from.kind);
  return replaced(leases, free, (lease) => settled(lease, from));
}

function answeredShare(lease: SubLease): SubLease {
  return { ...lease, client: { ...lease.client, call: undefined } };
}

/** Answered and ended: nothing is owed any more. */
function isOwed({ client }: SubLease): boolean {
  return client.call !== undefined || client.hasEnded !== true;
}

/**
 * What runs after a turn of the conversation is over: agents that the client lists, those of a workflow that it lists, and
 * what they have started themselves. Everything else ended without a word: by its last turn, a kill, a refusal of the user's.
 */
function reconciled(
  leases: readonly SubLease[],
  tasks: readonly BackgroundTask[] | undefined,
): readonly SubLease[] {
  if (tasks === undefined)
    return leases.filter((lease) => isStarted(lease) || lease.client.parent !== undefined);
  const alive = new Set(tasks.filter(({ isRunning }) => isRunning).map(({ id }) => id));
  const hasWorkflow = tasks.some(({ isRunning, isWorkflow }) => isRunning && isWorkflow);
  for (let before = -1; before < alive.size;) {
    before = alive.size;
    for (const { client, kind } of leases) {
      const isKept = client.parent !== undefined && alive.has(client.parent);
      const isWorkflows = hasWorkflow && kind === WORKFLOW_AGENT;
      if (client.agent !== undefined && (isKept || isWorkflows)) alive.add(client.agent);
    }
  }
  return leases.filter(({ client, kind }) => {
    if (hasWorkflow && (kind === 'workflow' || kind === WORKFLOW_AGENT)) return true;
    if (client.agent !== undefined && alive.has(client.agent)) return true;
    return client.parent !== undefined && alive.has(client.parent);
  });
}

function running(lease: SubLease, agent: string, { nowMs, leaseMs }: ShareTimes): SubLease {
  const client = { ...lease.client, agent };
  return { ...lease, client, state: 'running', renewedMs: nowMs, expiresMs: nowMs + leaseMs };
}

function ofCall(leases: readonly SubLease[], call: string): SubLease | undefined {
  return leases.find(({ client }) => client.call === call);
}

function without(leases: readonly SubLease[], id: string): readonly SubLease[] {
  return leases.filter((lease) => lease.id !== id);
}

function replaced(
  leases: readonly SubLease[],
  old: SubLease | undefined,
  change: (lease: SubLease) => SubLease,
): readonly SubLease[] {
  return old === undefined ? leases : leases.map((lease) => (lease.id === old.id ? change(lease) : lease));
}
