/** agent-pool init: is the pool there and whole? Makes it where it is not, keeps a damaged one aside. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { isThere } from '../../files.ts';
import { poolPath } from '../../state/pool.ts';
import { formatBytes, formatDuration, MIB } from '../../units.ts';
import { openPool } from './pool.ts';
import { settlePool } from './settle.ts';

/** Exit 0; a pool that is there keeps its agents. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);
  const { settings, warnings } = pool.context;
  const wasThere = isThere(poolPath(pool.stateDir));

  pool.update((state) => ({ pool: { ...state }, answer: undefined }));
  await settlePool(pool, 'due');

  const { agents } = pool.load();
  const { size, idleMs, cleanupMs, uses, growthBytes, pastFreshBytes } = settings.pool;
  return {
    exitCode: EXIT.ok,
    json: { path: poolPath(pool.stateDir), wasThere, agents: agents.length, settings: settings.pool },
    lines: [
      ['pool', poolPath(pool.stateDir)],
      ['created', !wasThere],
      ['total_agents', agents.length],
      ['max_pool_size', size],
      ['idle_seconds', idleMs / 1000],
      ['cleanup_seconds', cleanupMs / 1000],
      ['uses', uses],
      ['growth_mb', growthBytes / MIB],
      ['past_fresh_mb', pastFreshBytes / MIB],
    ],
    table: () =>
      `The pool has ${agents.length} of ${size} agents. An agent goes after ${uses} tasks, ${formatDuration(idleMs)} of idleness, or ${formatBytes(growthBytes)} of growth.`,
    talk: warnings,
  };
}
