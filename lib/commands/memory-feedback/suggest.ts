/** memory-feedback suggest EPIC: batches and time for exactly these streams, by what past attempts took. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { suggestAnswer } from '../../output/suggest.ts';
import { planBatches } from '../../policy/batch.ts';
import { timesInWays } from '../../policy/suggest.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { readCapacity } from '../coordination-memory/need.ts';
import { planStreams } from '../coordination-memory/plan-streams.ts';

/** Exit 0; 30 where a stream can never run. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const [epic = ''] = call.args;
  const paths = projectPaths(context.projectDir, epic);
  const plan = await planStreams(call, context, paths);
  const { budgetBytes } = plan;
  const budget =
    budgetBytes === undefined
      ? undefined
      : { bytes: budgetBytes, project: context.projectDir, epic: paths.epic };
  const capacity = readCapacity(context, budget);

  const open = plan.planned.filter(({ impossible }) => impossible === undefined);
  const room = {
    headroomBytes: capacity.headroomBytes,
    slots: Math.max(1, capacity.maxConcurrent - capacity.liveAgents),
  };
  const needs = new Map(open.map(({ stream, estimateBytes }) => [stream.key, estimateBytes]));
  const streams = open.map(({ stream }) => stream);
  const { batches } = planBatches(streams, ({ key }) => needs.get(key) ?? 0, room);
  const timed = open.flatMap(({ estimateBytes, expectedMs, stream }) =>
    expectedMs === undefined ? [] : [{ stream, estimateBytes, expectedMs }],
  );
  const times = timed.length === open.length ? timesInWays(timed, batches, room) : undefined;

  const isLost = plan.planned.length > open.length;
  return {
    exitCode: isLost ? EXIT.critical : EXIT.ok,
    ...suggestAnswer({ epic: paths.epic, planned: plan.planned, batches, room, times }),
    talk: [...context.warnings, ...plan.notes],
  };
}
