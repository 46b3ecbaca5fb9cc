/** agent-pool stop AGENT, --kind KIND or --all: end agents of the pool, also in mid-task; whoever waits is told at once. */
import { EXIT, Failure } from '../../failure.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import { cleanText } from '../../names.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import type { PoolAgent, PoolState } from '../../pool-model.ts';
import { withAgent } from '../../state/pool.ts';
import { cleanPool } from './clean.ts';
import { openPool } from './pool.ts';
import { asStopping, endAgent, settlePool } from './settle.ts';

/** Exit 0 when nothing of them is left, 30 when something outlived KILL, 2 where no agent is meant. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);
  const kind = flagText(call, 'kind');
  const isAll = call.flags['all'] === true;
  if ([call.args.length > 0, kind !== undefined, isAll].filter(Boolean).length !== 1)
    throw new Failure('stop needs an AGENT, --kind KIND, or --all: one of them');
  const reason = cleanText(flagText(call, 'reason') ?? 'it was stopped by hand', 200);

  const stops = pool.update((state) => {
    const chosen = choose(state, call.args[0], kind);
    let next = state;
    for (const agent of chosen) next = withAgent(next, asStopping(pool, agent, reason));
    return { pool: next, answer: chosen.map((agent) => asStopping(pool, agent, reason)) };
  });
  const ended = await Promise.all(stops.map((agent) => endAgent(pool, agent)));
  // To clear the pool is to leave nothing: also what a killed caller had reserved and not yet written down.
  await (isAll ? cleanPool(pool, 'due') : settlePool(pool, 'due'));

  const left = ended.reduce((sum, one) => sum + one.left, 0);
  return {
    exitCode: left === 0 ? EXIT.ok : EXIT.critical,
    json: { stopped: ended },
    lines: [
      ['stopped', ended.length],
      ['left', left],
      ...ended.map(({ id, kind: of }): [string, LineValue] => ['agent', `${id} kind=${of}`]),
    ],
    table: () => `${ended.length} agents were ended${left > 0 ? `; ${left} processes are left` : ''}.`,
    talk: pool.context.warnings,
  };
}

function choose({ agents }: PoolState, id: string | undefined, kind: string | undefined): PoolAgent[] {
  if (id === undefined) return agents.filter((agent) => kind === undefined || agent.kind === kind);
  const found = agents.filter((agent) => agent.id === id);
  if (found.length === 0) throw new Failure(`no agent ${shownWord(id)} is in the pool`);
  return found;
}
