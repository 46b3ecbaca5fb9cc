/** agent-pool status: who is in the pool, at what, and what does each hold? */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { countByStatus, poolLines, poolTable } from '../../output/pool.ts';
import { lives, lookAt, openPool } from './pool.ts';

/** Exit 0; looks only: what is dead is shown as such until somebody comes by who may change the pool. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);
  const { settings, nowMs, warnings } = pool.context;
  const { agents } = pool.load();

  const rows = agents.map((agent) => ({ agent, bytes: lookAt(pool, agent)?.bytes }));
  const dead = agents.filter(({ process }) => lives(pool, process) === false);
  const byStatus = countByStatus({ agents });

  return {
    exitCode: EXIT.ok,
    json: {
      total_agents: agents.length,
      max_pool_size: settings.pool.size,
      agents_by_status: byStatus,
      agents: rows,
    },
    lines: [
      ['total_agents', agents.length],
      ['max_pool_size', settings.pool.size],
      ...Object.entries(byStatus),
      ['dead', dead.length > 0 ? dead.map(({ id }) => id).join(' ') : undefined],
      ...poolLines(rows, nowMs),
    ],
    table: () => poolTable(rows, settings.pool.size, nowMs),
    talk: warnings,
  };
}
