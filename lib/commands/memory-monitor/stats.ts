/** memory-monitor stats: what each guarded process used. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { statsAnswer } from '../../output/guard-log.ts';
import { summarizeStats } from '../../policy/subprocess-stats.ts';
import { readStats } from '../../state/guard-log.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { sinceFlag } from '../since.ts';

/** The largest first; exit 0, also where there are none. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const sinceMs = sinceFlag(call, context.nowMs);

  const { records, skipped } = readStats(projectPaths(context.projectDir).logsDir, { sinceMs });

  return {
    exitCode: EXIT.ok,
    ...statsAnswer(summarizeStats(records), skipped),
    talk: context.warnings,
  };
}
