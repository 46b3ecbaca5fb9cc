/** coordination-memory EPIC plan: what a run would do. */
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { explainPlan } from './plan-facts.ts';
import { planStreams } from './plan-streams.ts';

/** The plan; nothing starts. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);

  const plan = await planStreams(call, context, paths, undefined, { mayLackCommands: true });

  return explainPlan(context, paths, plan);
}
