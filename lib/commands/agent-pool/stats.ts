/** agent-pool stats: starts, tasks, times and memory of each kind, as they were measured. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { statsLines, statsTable } from '../../output/pool.ts';
import { summarizePool } from '../../policy/pool-advice.ts';
import { readPoolLog } from '../../state/pool-answers.ts';
import { openPool } from './pool.ts';

/** Exit 0. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);

  const stats = summarizePool(readPoolLog(pool.stateDir));

  return {
    exitCode: EXIT.ok,
    json: { stats },
    lines: [['kinds', stats.length], ...statsLines(stats)],
    table: () => (stats.length === 0 ? 'No agent of the pool has been measured yet.' : statsTable(stats)),
    talk: pool.context.warnings,
  };
}
