/** memory-monitor emergency: nothing starts any more, and all that the ledger owns is ended; what was there is written down first. */
import { readSettled } from '../../act/handlers.ts';
import { EXIT, Failure } from '../../failure.ts';
import { ensureDir } from '../../files.ts';
import { flagDuration, type Call } from '../../flags.ts';
import { tryLock, type HeldLock } from '../../lock.ts';
import type { Lease } from '../../model.ts';
import type { Answer } from '../../output/answer.ts';
import { emergencyAnswer, type EmergencyView } from '../../output/emergency.ts';
import { holdBreaker } from '../../policy/breaker.ts';
import { planEmergency } from '../../policy/emergency.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger, updateLedger } from '../../state/ledger.ts';
import { readAgents } from '../agents.ts';
import { change } from '../breaker-gate.ts';
import { openContext, readMachineMemory, type Context } from '../context.ts';
import { readReason, whoCalls } from '../who-calls.ts';
import { endEverything, keepEvidence } from './end-everything.ts';

/** An emergency does not wait as long for an agent as a run does. */
const GRACE_MS = 5000;

/**
 * Exit 0 when nothing of any agent is left, 30 when something outlived KILL, 75 while another emergency works.
 * The breaker opens first, so that nothing starts behind our back; what cannot be opened or written down is told, and
 * holds nothing up.
 */
export async function run(call: Call): Promise<Answer> {
  const reason = readReason(call);
  const isDry = call.flags['dry-run'] === true;
  if (reason === undefined && !isDry)
    throw new Failure('emergency needs --reason TEXT: everybody reads it who is refused from now on');
  const context = await openContext(call);
  const graceMs = flagDuration(call, 'grace') ?? Math.min(GRACE_MS, context.settings.cleanupTimeoutMs);
  const by = whoCalls(call.env);

  if (isDry) return emergencyAnswer(dryView(context, by, reason), EXIT.ok, context.warnings);
  const breakerFaults = tellFault(() => openBreaker(context, by, reason));
  const notes = [...context.warnings, ...breakerFaults];
  const lock = lockOut(context, notes);
  try {
    const plan = planEmergency(readAll(context, notes));
    const { isAlive } = context.liveness();
    const runs = plan.runs.filter(({ runner }) => isAlive(runner) !== false);
    let evidence: string | undefined;
    const facts = { by, reason, memory: context.memory };
    notes.push(
      ...tellFault(() => (evidence = keepEvidence(context, facts, [...plan.agents, ...plan.others]))),
    );
    const { agents, left, talk } = await endEverything(context, plan.agents, reason ?? '', graceMs);
    const afterBytes = await readSettled(async () => (await readMachineMemory()).availableBytes);
    const view: EmergencyView = {
      by,
      reason,
      agents,
      left,
      others: plan.others,
      runs,
      beforeBytes: context.memory.availableBytes,
      afterBytes,
      evidence,
      isBreakerOpen: breakerFaults.length === 0,
    };
    return emergencyAnswer(view, left === 0 ? EXIT.ok : EXIT.critical, [...notes, ...talk]);
  } finally {
    lock?.release();
  }
}

function openBreaker(context: Context, by: string, reason: string | undefined): void {
  change(context, (state, { nowMs }) =>
    holdBreaker(state, { by, reason: `emergency: ${reason ?? ''}`, sinceMs: nowMs, untilMs: undefined }),
  );
}

/**
 * Keeps further emergencies out meanwhile; undefined, and noted, where nothing can be written (a full disk): to end the same
 * twice does no harm. @throws Failure (75) where one is at it.
 */
function lockOut(context: Context, notes: string[]): HeldLock | undefined {
  const stateDir = context.stateDir();
  let lock: ReturnType<typeof tryLock> | undefined;
  const take = (): void => {
    ensureDir(stateDir);
    lock = tryLock(`${stateDir}/emergency.lock`, context.liveness());
  };
  notes.push(...tellFault(take));
  if (lock === undefined || 'release' in lock) return lock;
  const who = lock.holder === undefined ? 'another process' : `process ${lock.holder.pid}`;
  throw new Failure(`${who} is ending everything at this moment`, EXIT.later);
}

/**
 * Under the ledger's lock: an admission that is under way is in it, the next one meets the open breaker. Where it cannot be
 * locked, as it is: what was missed is found by the next look.
 */
function readAll(context: Context, notes: string[]): ReturnType<typeof readAgents> {
  const liveness = context.liveness();
  const stateDir = context.stateDir();
  let leases: readonly Lease[] | undefined;
  const read = (): void => {
    leases = updateLedger(stateDir, liveness, (ledger) => ({ ledger, answer: ledger.leases }));
  };
  const faults = tellFault(read);
  leases ??= loadLedger(stateDir).leases;
  notes.push(...faults);
  return readAgents(leases, liveness.isAlive, Date.now(), readProcessTable());
}

function dryView(context: Context, by: string, reason: string | undefined): EmergencyView {
  const { agents, others, runs } = planEmergency(readAll(context, []));
  const beforeBytes = context.memory.availableBytes;
  const stopped = agents.map((agent) => ({ ...agent, ended: 0, left: agent.members.length }));
  return { by, reason, agents: stopped, left: undefined, others, runs, beforeBytes, afterBytes: undefined, evidence: undefined, isBreakerOpen: false }; // prettier-ignore
}

/** What goes wrong beside the ending itself is told, and holds nothing up. */
function tellFault(deed: () => unknown): string[] {
  try {
    deed();
    return [];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [`memory-monitor: ${error.message}`];
  }
}
