/** What would start an agent of a kind, and is there a place and a share for it? */
import { randomUUID } from 'node:crypto';
import { isThere } from '../../files.ts';
import type { MemorySnapshot, ProcessIdentity } from '../../model.ts';
import { sizeOf } from '../../pipes.ts';
import type { AdmissionDecision } from '../../policy/admission.ts';
import { protocolOf } from '../../policy/protocol.ts';
import type { PoolAgent, PoolState, PoolTask } from '../../pool-model.ts';
import { readExecutable } from '../../probe/executable.ts';
import type { PlannedStream } from '../../run-model.ts';
import type { AgentKind, PooledKind } from '../../settings-model.ts';
import { needsOf } from '../coordination-memory/plan-streams.ts';
import { tryReserve, type Held } from '../memory-retry/reserve.ts';
import { KEY_PREFIX } from '../../policy/pool.ts';
import type { Pool } from './pool.ts';

type Needs = Pick<PlannedStream, 'estimateBytes' | 'limitBytes' | 'heapMb' | 'estimateFrom'>;

/** What an agent of a kind is started with. */
export interface StartPlan extends PooledKind {
  readonly kind: string;
  readonly project: string;
  readonly env: NodeJS.ProcessEnv;
  readonly needs: Needs;
}

/** What is said on the command line, over what the settings say of the kind. */
export interface Wish {
  readonly kind: string;
  readonly pooled: PooledKind;
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
}

export function planStart(pool: Pool, env: NodeJS.ProcessEnv, wish: Wish): StartPlan {
  const { projectDir, settings } = pool.context;
  const kind: AgentKind | undefined = settings.agents.get(wish.kind);
  const world = { ...env, ...kind?.env };
  const takesHeap =
    settings.enabled && readExecutable(wish.pooled.command[0] ?? '', world, projectDir).kind === 'node';
  const own = { estimateBytes: wish.estimateBytes, limitBytes: wish.limitBytes, heapMb: undefined };
  const needs = needsOf(own, kind, settings, takesHeap, Infinity);
  return { ...wish.pooled, kind: wish.kind, project: projectDir, env: world, needs };
}

export type Place =
  | { readonly agent: PoolAgent; readonly held: Held }
  | { readonly decision: Exclude<AdmissionDecision, { decision: 'admit' }> };

/** Takes a share and an id that no other agent has; under the pool's lock. `keeper` answers for it until it has a process. */
export function reservePlace(
  pool: Pool,
  state: PoolState,
  memory: MemorySnapshot,
  plan: Omit<StartPlan, 'env' | 'command'>,
): Place {
  const id = newId(pool, state);
  const { estimateFrom, ...needs } = plan.needs;
  const reserved = tryReserve(pool.context, memory, {
    ...needs,
    key: `${KEY_PREFIX}${plan.kind}/${id}`,
    kind: plan.kind,
    estimateIsStated: estimateFrom !== 'prior',
    alone: false,
    atMostConcurrent: undefined,
  });
  if ('decision' in reserved) return reserved;
  const { held } = reserved;
  if (held.warning !== undefined) pool.say(held.warning);
  return {
    agent: newAgent(id, plan, held.lease.id, held.lease.estimateBytes, held.limitBytes, pool.liveness.self),
    held,
  };
}

/** An agent that is being started by us. */
export function newAgent(
  id: string,
  plan: Omit<StartPlan, 'env' | 'command'>,
  leaseId: string,
  estimateBytes: number,
  limitBytes: number | undefined,
  self: ProcessIdentity,
): PoolAgent {
  const nowMs = Date.now();
  return {
    id,
    kind: plan.kind,
    project: plan.project,
    state: 'starting',
    protocol: plan.protocol,
    echoes: false,
    recycle: plan.recycle,
    leaseId,
    process: undefined,
    keeper: self,
    task: undefined,
    estimateBytes,
    limitBytes,
    heapMb: plan.needs.heapMb,
    sinceMs: nowMs,
    freeSinceMs: nowMs,
    uses: 0,
    freshBytes: undefined,
    baselineBytes: undefined,
    freshProcesses: undefined,
    activity: undefined,
    reason: undefined,
  };
}

/** `agent-` and 12 hexadecimal digits that no agent has, nor has left a folder under. */
export function newId(pool: Pool, { agents }: PoolState): string {
  for (;;) {
    const id = `agent-${randomUUID().replaceAll('-', '').slice(0, 12)}`;
    if (!agents.some((agent) => agent.id === id) && !isThere(pool.paths(id).dir)) return id;
  }
}

/** The agent with this task of ours. */
export function withTask(
  pool: Pool,
  agent: PoolAgent,
  { id, isKept }: Pick<PoolTask, 'id' | 'isKept'>,
): PoolAgent {
  const nowMs = Date.now();
  const isUuid = agent.protocol !== undefined && protocolOf(agent.protocol).ids === 'uuid';
  return {
    ...agent,
    uses: agent.uses + 1,
    task: {
      id,
      sentAs: isUuid ? randomUUID() : id,
      caller: pool.liveness.self,
      isKept,
      fromByte: sizeOf(pool.paths(agent.id).stdout),
      sinceMs: nowMs,
      idleMs: Math.max(0, nowMs - agent.freeSinceMs),
    },
  };
}

/** Whether its command makes it repeat the tasks' ids. */
export function echoesOf({ protocol, command }: PooledKind): boolean {
  const { echoFlag } = protocolOf(protocol);
  return echoFlag !== undefined && command.includes(echoFlag);
}
