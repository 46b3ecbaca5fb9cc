/** coordination-memory EPIC assess [N]: can N agents run now, and what says so? */
import { EXIT } from '../../failure.ts';
import { wholeNumber, type Call } from '../../flags.ts';
import { checkName } from '../../names.ts';
import type { Answer } from '../../output/answer.ts';
import { capacityLines, capacityTable } from '../../output/capacity.ts';
import { planCounts } from '../../policy/batch.ts';
import { openContext } from '../context.ts';
import { readBudget, readCapacity, readNeed, startable } from './need.ts';

/** Exit 0: all of them; 20: fewer; 75: none now. */
export async function run(call: Call): Promise<Answer> {
  checkName('epic', call.subject);
  const wanted = wholeNumber('N', call.args[0] ?? '1', 1, 100_000);
  const context = await openContext(call);
  const need = readNeed(call, context);
  const capacity = readCapacity(context, readBudget(call, context));

  const count = startable(context, capacity, need);
  const assessment = count >= wanted ? 'sufficient' : count > 0 ? 'limited' : 'insufficient';
  const { strategy, batchSize, batches } = planCounts(wanted, count);

  const facts = { context, capacity, estimateBytes: need.estimateBytes, spawnCapacity: count };
  return {
    exitCode: { sufficient: EXIT.ok, limited: EXIT.warning, insufficient: EXIT.later }[assessment],
    json: {
      assessment,
      wanted,
      spawnCapacity: count,
      recommendedBatchSize: batchSize,
      batches,
      strategy,
      need,
      capacity,
      memory: context.memory,
    },
    lines: [
      ['assessment', assessment],
      ['wanted', wanted],
      ...capacityLines(facts),
      ['recommended_batch_size', batchSize],
      ['batches', batches],
      ['strategy', strategy],
    ],
    table: () => capacityTable(facts, `${assessment}: ${count} of ${wanted} agents may start now`),
    talk: context.warnings,
  };
}
