/** How is a plan explained? Batches for what fits now, and the least time by what earlier runs measured. */
import { EXIT } from '../../failure.ts';
import type { Answer } from '../../output/answer.ts';
import { planAnswer, type PlanFacts } from '../../output/plan.ts';
import { planBatches } from '../../policy/batch.ts';
import { judgeCapacity, modeRoom } from '../../policy/capacity.ts';
import { lowerBoundMs } from '../../policy/queue.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { lastEntries } from '../../state/joblog.ts';
import { loadLedger } from '../../state/ledger.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';
import { readIdleLeases } from '../idle-pool.ts';
import { checkLeases } from '../leases.ts';
import type { Planned } from './plan-streams.ts';

/** The plan in words. Exit code 30 where a stream can never run. */
export function explainPlan(context: Context, paths: EpicPaths, plan: Planned): Answer {
  const isImpossible = plan.planned.some(({ impossible }) => impossible !== undefined);
  return planAnswer(findPlanFacts(context, paths, plan), isImpossible ? EXIT.critical : EXIT.ok);
}

/** What fits now, in which batches, and what limits it. */
export function findPlanFacts(context: Context, paths: EpicPaths, plan: Planned): PlanFacts {
  const { settings, memory, nowMs } = context;
  const { isAlive } = context.liveness();
  const { leases, mode: modeBefore } = loadLedger(context.stateDir());
  const idle = readIdleLeases(context.stateDir(), leases);
  const checked = checkLeases(leases, isAlive, nowMs, () => readProcessTable(), idle);
  const budget =
    plan.budgetBytes === undefined
      ? undefined
      : { bytes: plan.budgetBytes, project: context.projectDir, epic: paths.epic };
  const capacity = judgeCapacity({ settings, memory, leases: checked, budget, modeBefore });
  const open = plan.planned.filter(({ isDone, impossible }) => !isDone && impossible === undefined);
  const needs = new Map(open.map(({ stream, estimateBytes }) => [stream.key, estimateBytes]));
  const slots = Math.max(1, Math.min(capacity.maxConcurrent - capacity.liveAgents, modeRoom(capacity)));
  const { strategy, batches } = planBatches(
    open.map(({ stream }) => stream),
    (stream) => needs.get(stream.key) ?? 0,
    { headroomBytes: capacity.headroomBytes, slots },
  );

  const measured = lastEntries(plan.entries);
  const timed = open.map(({ stream, expectedMs }) => ({
    stream,
    ms: expectedMs,
    memoryBytes: measured.get(stream.key)?.averageBytes ?? 0,
  }));
  const budgetBytes = plan.budgetBytes ?? Math.min(memory.totalBytes, settings.totalMemoryLimitBytes);
  return {
    epic: paths.epic,
    planned: plan.planned,
    strategy,
    batches,
    headroomBytes: capacity.headroomBytes,
    limitedBy: settings.enabled
      ? (capacity.rooms[0]?.name ?? 'the machine')
      : 'nothing: memory management is off',
    slots,
    mode: capacity.mode,
    modeReason: capacity.modeReason,
    budgetBytes: plan.budgetBytes,
    lowerBoundMs:
      open.length > 0 ? lowerBoundMs(timed, { budgetBytes, slots: settings.maxConcurrentAgents }) : undefined,
    notes: [...context.warnings, ...plan.notes],
  };
}
