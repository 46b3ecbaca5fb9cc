/** agent-pool optimize: does reuse pay for each kind, and how many agents are enough? From what was measured. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { flagText } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { adviceLines, adviceText } from '../../output/pool.ts';
import { advisePool, summarizePool } from '../../policy/pool-advice.ts';
import { readPoolLog } from '../../state/pool-answers.ts';
import { readCapacity } from '../coordination-memory/need.ts';
import { openPool } from './pool.ts';

/** Exit 0, also where too little was measured to say anything; changes nothing. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);
  const { context } = pool;
  const kind = flagText(call, 'kind');
  const stats = summarizePool(readPoolLog(pool.stateDir)).filter(
    (one) => kind === undefined || one.kind === kind,
  );
  const { headroomBytes } = readCapacity(context, undefined);

  const advice = stats.map((one) => {
    const bytes = Math.max(1, one.peakBytes ?? one.heldBytes ?? context.settings.memoryPerAgentBytes);
    return advisePool(one, Math.floor(headroomBytes / bytes));
  });

  return {
    exitCode: EXIT.ok,
    json: { advice, stats, max_pool_size: context.settings.pool.size },
    lines: [['max_pool_size', context.settings.pool.size], ...adviceLines(advice)],
    table: () => adviceText(advice),
    talk: context.warnings,
  };
}
