/** What can we do about memory pressure by ourselves? Hold admissions, sweep up after the dead, remove old records. */
import type { Handler } from '../../act/handlers.ts';
import { commandHandler } from '../../act/command-handler.ts';
import { Failure } from '../../failure.ts';
import { isThere } from '../../files.ts';
import { counts } from '../../policy/charge.ts';
import { holdLeftMs, planHoldUntil } from '../../policy/hold.ts';
import type { BuiltInName, PlannedHandler, PressureJudgement } from '../../policy/pressure.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger, updateLedger, withPressureHold } from '../../state/ledger.ts';
import { poolPath } from '../../state/pool.ts';
import { formatBytes, formatDuration, MIB } from '../../units.ts';
import type { Context } from '../context.ts';
import { checkLeases } from '../leases.ts';
import { relieveCache } from '../prompt-cache/cache.ts';
import { KEEP_MS, removeOldRuns } from '../memory-monitor/cleanup.ts';
import { sweep } from '../sweep.ts';

/** Beyond the grace that the dead's processes get. */
const SWEEP_SLACK_MS = 5000;
/** Waiting for a lock holds up all other handlers. */
const LOCK_MS = 2000;

/** Ours that wait for processes to end; the same for all that do. */
function endsProcesses(name: BuiltInName): boolean {
  return name === 'void-leases' || name === 'idle-agents';
}

/** How long each of ours may take; the sweep waits for processes that are given time to end. */
export function builtInTimeoutMs(name: BuiltInName, context: Context): number {
  return endsProcesses(name) ? context.settings.cleanupTimeoutMs + SWEEP_SLACK_MS : 10_000;
}

/** The planned handlers as things that can be run, with the level's figures for the user's. */
export function makeHandlers(
  planned: readonly PlannedHandler[],
  context: Context,
  env: NodeJS.ProcessEnv,
  judgement: PressureJudgement,
): Handler[] {
  const runs: Record<BuiltInName, () => Promise<string> | string> = {
    hold: () => holdAdmissions(context),
    'idle-agents': () => endIdleAgents(context),
    'void-leases': () => sweepDead(context),
    'prompt-cache': () => dropCached(context, judgement.level),
    logs: () => removeLogs(context),
  };
  return planned.map((plan) => {
    if (plan.kind === 'command') {
      const extra = { ...figuresOf(judgement), CLAUDE_PM_PRESSURE_HANDLER: plan.name };
      return commandHandler({ ...plan, cwd: context.projectDir, env: { ...env, ...extra } });
    }
    const run = async (): Promise<{ isDone: boolean; detail: string }> => ({
      isDone: true,
      detail: await runs[plan.name](),
    });
    return {
      name: plan.name,
      timeoutMs: builtInTimeoutMs(plan.name, context),
      endsProcesses: endsProcesses(plan.name),
      run,
    };
  });
}

/** What a user's handler finds in its environment: whole MB, percent with one decimal; absent where it is not known. */
function figuresOf(judgement: PressureJudgement): Record<string, string> {
  const percent = (share: number): string => (share * 100).toFixed(1);
  const { level, availableBytes, totalBytes, usedShare, some10Share, full10Share } = judgement;
  return {
    CLAUDE_PM_PRESSURE_LEVEL: level,
    CLAUDE_PM_PRESSURE_AVAILABLE_MB: String(Math.round(availableBytes / MIB)),
    CLAUDE_PM_PRESSURE_TOTAL_MB: String(Math.round(totalBytes / MIB)),
    CLAUDE_PM_PRESSURE_USED_PERCENT: percent(usedShare),
    ...(some10Share !== undefined && { CLAUDE_PM_PRESSURE_SOME_PERCENT: percent(some10Share) }),
    ...(full10Share !== undefined && { CLAUDE_PM_PRESSURE_FULL_PERCENT: percent(full10Share) }),
  };
}

/** With nothing of ours running there is nothing to hold: one agent may always start, on a smaller limit. */
function holdAdmissions(context: Context): string {
  const { settings } = context;
  if (!settings.enabled) return 'memory management is off: nothing is held';
  const liveness = context.liveness();
  return updateLedger(context.stateDir(), liveness, (ledger) => {
    const nowMs = Date.now();
    const checked = checkLeases(ledger.leases, liveness.isAlive, nowMs, () => readProcessTable());
    const running = checked.filter(({ life, lease }) => counts(life) && lease.role !== 'coordinator').length;
    if (running === 0)
      return { ledger: withPressureHold(ledger, undefined), answer: 'no agent runs: nothing to hold' };
    const untilMs = planHoldUntil(nowMs, settings.pressure.cooldownMs);
    const answer = `no agent is admitted beside the ${running} that run, for ${formatDuration(untilMs - nowMs)} at most`;
    return { ledger: withPressureHold(ledger, untilMs), answer };
  });
}

/** Idle agents of the pool go first: nothing is lost with them but the time of a start. */
async function endIdleAgents(context: Context): Promise<string> {
  if (!isThere(poolPath(context.stateDir()))) return 'there is no pool';
  const { cleanPoolOf } = await import('../agent-pool/clean.ts');
  const { ended } = await cleanPoolOf({ ...context, nowMs: Date.now() }, 'pressed');
  return `${ended.length} agents of the pool ended`;
}

async function sweepDead(context: Context): Promise<string> {
  const { leases, processes, files } = await sweep({ ...context, nowMs: Date.now() }, () => true);
  return `${leases.length} void leases given back, ${processes} left-over processes ended, ${files.length} temporary files removed`;
}

/** What lies on disk costs memory only as far as the kernel keeps it there, all of it where the state folder is a tmpfs. */
function dropCached(context: Context, level: PressureJudgement['level']): string {
  const { removed, freedBytes, left } = relieveCache(
    context,
    level === 'critical' ? 'critical' : 'warning',
    LOCK_MS,
  );
  return `${removed} entries removed (${formatBytes(freedBytes)}), ${left} are left`;
}

function removeLogs(context: Context): string {
  const removed = removeOldRuns({ ...context, nowMs: Date.now() }, KEEP_MS);
  return `${removed.length} old records of runs removed`;
}

/** For how long admissions are still held by pressure, ms; 0: they are not. */
export function readHoldMs(context: Context, nowMs: number): number {
  return holdLeftMs(loadLedger(context.stateDir()).pressureHoldUntilMs, nowMs);
}

/** Ends a hold that pressure had set; answers what there is to say about it. */
export function liftHold(context: Context): string | undefined {
  try {
    if (loadLedger(context.stateDir()).pressureHoldUntilMs === undefined) return undefined;
    updateLedger(context.stateDir(), context.liveness(), (ledger) => ({
      ledger: withPressureHold(ledger, undefined),
      answer: undefined,
    }));
    return 'admissions are no longer held';
  } catch (error) {
    // The ledger is somebody else's to mend; what was found out about pressure stands all the same.
    if (!(error instanceof Failure)) throw error;
    return `the hold on admissions could not be lifted: ${error.message}`;
  }
}
