/** agent-pool start --kind KIND [-- CMD]: bring an agent into the pool that takes one task after another. */
import { EXIT, Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { placeRefusal } from '../../output/pool.ts';
import { withAgent } from '../../state/pool.ts';
import { formatBytes, MIB } from '../../units.ts';
import { bringUp } from './launch.ts';
import { reservePlace, type Place } from './place.ts';
import { openPool } from './pool.ts';
import { settlePool } from './settle.ts';
import { readKind, readPlan } from './wish.ts';

type Taken = Place | { readonly reason: string };

/** Exit 0 when it waits for work, 75 when there is no room now, 30 when never, 2 where it cannot be started. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);
  const kind = readKind(call, pool);
  const plan = readPlan(call, pool, kind);
  if (plan === undefined)
    throw new Failure(
      `agents.${kind}.pool in .claude-pm.yaml does not say how to start one: write it, or the command behind \`--\``,
    );
  const { size } = pool.context.settings.pool;
  await settlePool(pool, 'due');

  const taken = pool.update<Taken>((state) => {
    if (state.agents.length >= size)
      return {
        pool: state,
        answer: { reason: `the pool is full: ${state.agents.length} of ${size} agents` },
      };
    const place = reservePlace(pool, state, pool.context.memory, plan);
    return { pool: 'agent' in place ? withAgent(state, place.agent) : state, answer: place };
  });
  if (!('agent' in taken)) {
    const decision = 'decision' in taken ? taken.decision : undefined;
    const reason = 'decision' in taken ? taken.decision.reason : taken.reason;
    return placeRefusal(kind, reason, decision, pool.context.warnings);
  }
  const agent = await bringUp(pool, taken, plan);

  const bytes = agent.freshBytes ?? 0;
  return {
    exitCode: EXIT.ok,
    json: { agent },
    lines: [
      ['agent', agent.id],
      ['kind', kind],
      ['pid', agent.process?.pid],
      ['protocol', plan.protocol],
      ['memory_mb', Math.round(bytes / MIB)],
      ['estimate_mb', Math.round(agent.estimateBytes / MIB)],
      ['output', pool.paths(agent.id).stdout],
    ],
    table: () =>
      `${agent.id} (pid ${agent.process?.pid ?? '?'}) waits for work and holds ${formatBytes(bytes)}.`,
    talk: pool.context.warnings,
  };
}
