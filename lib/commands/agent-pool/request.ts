/** agent-pool request: an agent for the caller alone, until `release` or until the caller ends; or why there is none. */
import { EXIT } from '../../failure.ts';
import { flagBytes, flagText, wholeNumber, type Call } from '../../flags.ts';
import type { MemorySnapshot, ProcessIdentity } from '../../model.ts';
import type { Answer } from '../../output/answer.ts';
import { placeRefusal } from '../../output/pool.ts';
import type { AdmissionDecision } from '../../policy/admission.ts';
import { chooseFree } from '../../policy/pool.ts';
import type { PoolAgent, PoolState } from '../../pool-model.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { withAgent } from '../../state/pool.ts';
import { findOwner } from '../coordination-memory/owner.ts';
import { planStart, reservePlace } from './place.ts';
import { leaseOf, lives, openPool, type Pool } from './pool.ts';
import { settlePool } from './settle.ts';
import { readKind, readPlan } from './wish.ts';
import { updateLedger, withLease } from '../../state/ledger.ts';

type Requested =
  | { readonly agent: PoolAgent; readonly isReused: boolean }
  | { readonly reason: string; readonly decision: AdmissionDecision | undefined };

/** Exit 0 with the agent; 75 when not now, 30 when never. A live agent is reused, else a share is reserved for one that the caller starts. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);
  const kind = readKind(call, pool);
  const pidText = flagText(call, 'pid');
  const pid = pidText === undefined ? undefined : wholeNumber('--pid', pidText, 1, 2 ** 22);
  const owner = findOwner(pid, call.env, () => readProcessTable()) ?? pool.liveness.self;
  await settlePool(pool, 'due');

  const got = request(pool, call, kind, owner, pool.context.memory);

  if ('reason' in got) return placeRefusal(kind, got.reason, got.decision, pool.context.warnings);
  const { agent, isReused } = got;
  const paths = agent.protocol === undefined ? undefined : pool.paths(agent.id);
  return {
    exitCode: EXIT.ok,
    json: { decision: 'admit', agent, isReused },
    lines: [
      ['decision', 'admit'],
      ['agent', agent.id],
      ['kind', kind],
      ['reused', isReused],
      ['lease', agent.leaseId],
      ['owner_pid', owner.pid],
      ['pid', agent.process?.pid],
      ['output', paths?.stdout],
    ],
    table: () =>
      isReused
        ? `${agent.id} is yours: \`agent-pool submit --agent ${agent.id} TASK\`, then \`agent-pool release ${agent.id}\`.`
        : `${agent.id}: a place and a share are yours; \`agent-pool release ${agent.id}\` gives them back.`,
    talk: pool.context.warnings,
  };
}

function request(
  pool: Pool,
  call: Call,
  kind: string,
  owner: ProcessIdentity,
  memory: MemorySnapshot,
): Requested {
  const { projectDir, settings } = pool.context;
  return pool.update<Requested>((state) => {
    const living = state.agents.filter(({ process }) => lives(pool, process) !== false);
    const free = chooseFree(living, { kind, project: projectDir });
    if (free) {
      const agent = { ...free, keeper: owner };
      return { pool: withAgent(state, agent), answer: { agent, isReused: true } };
    }
    const { size } = settings.pool;
    if (state.agents.length >= size) {
      const reason = `the pool is full: ${state.agents.length} of ${size} agents, and none of kind ${kind} is free`;
      return { pool: state, answer: { reason, decision: undefined } };
    }
    return reserve(pool, call, state, kind, owner, memory);
  });
}

/** A place for an agent that the owner starts itself: a name, a share, no process of ours. */
function reserve(
  pool: Pool,
  call: Call,
  state: PoolState,
  kind: string,
  owner: ProcessIdentity,
  memory: MemorySnapshot,
): { pool: PoolState; answer: Requested } {
  const plan = readPlan(call, pool, kind) ?? planStart(pool, call.env, ownStart(call, kind));
  const place = reservePlace(pool, state, memory, plan);
  if ('decision' in place)
    return { pool: state, answer: { reason: place.decision.reason, decision: place.decision } };
  const agent: PoolAgent = { ...place.agent, state: 'reserved', protocol: undefined, keeper: owner };
  updateLedger(pool.stateDir, pool.liveness, (ledger) => ({
    ledger: withLease(ledger, leaseOf(agent, agent.estimateBytes, Date.now())),
    answer: undefined,
  }));
  return { pool: withAgent(state, agent), answer: { agent, isReused: false } };
}

/** The figures of a kind of which nobody says how it is pooled. */
function ownStart(call: Call, kind: string): Parameters<typeof planStart>[2] {
  const pooled = { command: [], protocol: 'lines', recycle: 'baseline' } as const;
  return {
    kind,
    pooled,
    estimateBytes: flagBytes(call, 'memory'),
    limitBytes: flagBytes(call, 'limit'),
  };
}
