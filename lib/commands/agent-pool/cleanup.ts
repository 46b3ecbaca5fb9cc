/** agent-pool cleanup: end what is void or idle too long, take down answers, remove what nobody needs any more. For cron. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { openPool } from './pool.ts';
import { cleanPool } from './clean.ts';

/** Exit 0, 30 where something outlived KILL. */
export async function run(call: Call): Promise<Answer> {
  const pool = await openPool(call);

  const { ended, answered, answers, folders, strays } = await cleanPool(
    pool,
    call.flags['all-idle'] === true ? 'pressed' : 'now',
  );

  const left = ended.reduce((sum, one) => sum + one.left, 0);
  const { agents } = pool.load();
  return {
    exitCode: left === 0 ? EXIT.ok : EXIT.critical,
    json: { ended, answered, answers, folders, strays, agents: agents.length },
    lines: [
      ['ended', ended.length],
      ['left', left],
      ['answers_taken_down', answered.length],
      ['old_answers_removed', answers],
      ['stray_folders_removed', folders],
      ['stray_agents_ended', strays],
      ['total_agents', agents.length],
      ...ended.map(({ id, kind, reason }): [string, LineValue] => ['agent', `${id} kind=${kind} ${reason}`]),
    ],
    table: () => `${ended.length + strays} agents were ended, ${agents.length} are in the pool.`,
    talk: pool.context.warnings,
  };
}
