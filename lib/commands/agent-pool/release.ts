/** agent-pool release AGENT: give back what request gave. */
import { EXIT, Failure } from '../../failure.ts';
import { shownWord, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { statusOf } from '../../output/pool.ts';
import { withAgent } from '../../state/pool.ts';
import { openPool } from './pool.ts';
import { asStopping, endAgent, settlePool } from './settle.ts';

/** Exit 0, also where it was given back already; 2 for an agent that is nobody's to release. */
export async function run(call: Call): Promise<Answer> {
  const id = call.args[0] ?? '';
  const pool = await openPool(call);

  const released = pool.update((state) => {
    const agent = state.agents.find((entry) => entry.id === id);
    if (agent === undefined) return { pool: state, answer: undefined };
    const status = statusOf(agent);
    if (status === 'busy')
      throw new Failure(`${id} is at work on ${agent.task?.id ?? 'a task'}: wait for it, or \`stop\` it`);
    const next =
      status === 'reserved'
        ? asStopping(pool, agent, 'it was given back')
        : status === 'requested'
          ? { ...agent, keeper: undefined, freeSinceMs: Date.now() }
          : agent;
    return { pool: next === agent ? state : withAgent(state, next), answer: { agent: next, status } };
  });
  if (released === undefined && !/^agent-[0-9a-f]{12}$/.test(id))
    throw new Failure(`${shownWord(id)} is no agent of the pool: request and status name them`);
  if (released?.status === 'reserved') await endAgent(pool, released.agent);
  await settlePool(pool, 'due');

  const wasHeld = released?.status === 'reserved' || released?.status === 'requested';
  return {
    exitCode: EXIT.ok,
    json: { agent: id, released: wasHeld },
    lines: [
      ['agent', id],
      ['released', wasHeld],
    ],
    table: () => (wasHeld ? `${id} was given back.` : `${id} was in nobody's hands.`),
    talk: pool.context.warnings,
  };
}
