/** coordination-memory EPIC batch [N]: in which batches would N agents, or the epic's streams, run? */
import { EXIT } from '../../failure.ts';
import { wholeNumber, type Call } from '../../flags.ts';
import { checkName } from '../../names.ts';
import type { Answer } from '../../output/answer.ts';
import { capacityLines, capacityTable } from '../../output/capacity.ts';
import { planCounts } from '../../policy/batch.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { readBudget, readCapacity, readNeed, startable } from './need.ts';
import { explainPlan } from './plan-facts.ts';
import { planStreams } from './plan-streams.ts';

/** With N: sizes for equal agents; 75 and no batch size where none may start. Without: the batches of the streams. */
export async function run(call: Call): Promise<Answer> {
  checkName('epic', call.subject);
  const [word] = call.args;
  const context = await openContext(call);
  if (word === undefined) {
    const paths = projectPaths(context.projectDir, call.subject);
    const plan = await planStreams(call, context, paths, undefined, { mayLackCommands: true });
    return explainPlan(context, paths, plan);
  }
  const count = wholeNumber('N', word, 1, 100_000);
  const need = readNeed(call, context);
  const capacity = readCapacity(context, readBudget(call, context));

  const fits = startable(context, capacity, need);
  const { strategy, batchSize, batches } = planCounts(count, fits);

  const facts = { context, capacity, estimateBytes: need.estimateBytes, spawnCapacity: fits };
  return {
    exitCode: batchSize === undefined ? EXIT.later : EXIT.ok,
    json: { count, batchSize, batches, strategy, need, capacity },
    lines: [
      ['agents', count],
      ['batch_size', batchSize],
      ['batches', batches],
      ['strategy', strategy],
      ...capacityLines(facts),
    ],
    table: () =>
      capacityTable(
        facts,
        batchSize === undefined
          ? 'no agent may start now'
          : `${count} agents: ${strategy}, ${batches} batches of at most ${batchSize}`,
      ),
    talk: context.warnings,
  };
}
