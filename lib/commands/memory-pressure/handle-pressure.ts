/** What happens at one handling: look, judge, take the right to work, run the handlers, look again, write down? */
import { runHandlers, type HandlerResult } from '../../act/handlers.ts';
import type { MemorySnapshot, ProcessIdentity } from '../../model.ts';
import {
  decideHandling,
  judgePressure,
  planHandlers,
  type PressureJudgement,
} from '../../policy/pressure.ts';
import {
  loadPressure,
  putDamagedAside,
  recordPressure,
  rememberedLevel,
  takeHandling,
} from '../../state/pressure.ts';
import type { Context } from '../context.ts';
import { liftHold, makeHandlers } from './built-in.ts';

export interface HandlingOptions {
  readonly context: Context;
  /** The environment that the user's handlers inherit. */
  readonly env: NodeJS.ProcessEnv;
  readonly isForced: boolean;
  readonly readMemory: () => Promise<MemorySnapshot>;
  /** Ends the handler that runs and leaves out the rest. */
  readonly stop: AbortSignal;
}

export interface Handling {
  /** nothing: the level is normal; busy: another process is at it; stopped: we were told to end. */
  readonly outcome: 'nothing' | 'cooldown' | 'busy' | 'handled' | 'stopped';
  readonly reason: string;
  readonly before: PressureJudgement;
  /** The level afterwards; that of `before` where nothing was done. */
  readonly after: PressureJudgement;
  readonly results: readonly HandlerResult[];
  readonly retryAfterMs: number | undefined;
  /** What else there is to say, one line each. */
  readonly notes: readonly string[];
}

/** Handles memory pressure once. Two at the same time: one works, the other answers `busy` without waiting. */
export async function handlePressure(options: HandlingOptions): Promise<Handling> {
  const { context, readMemory } = options;
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  const aside = putDamagedAside(stateDir, liveness, context.nowMs);
  const notes = aside === undefined ? [] : [`the damaged file of the last handling was kept as ${aside}`];
  const lookedMs = Date.now();
  const previous = rememberedLevel(loadPressure(stateDir), lookedMs);
  const before = judgePressure(await readMemory(), context.settings, previous);
  const idle = { before, after: before, results: [], retryAfterMs: undefined, notes };

  if (before.level === 'normal') {
    recordPressure(stateDir, liveness, { level: 'normal', lookedMs });
    return { ...idle, outcome: 'nothing', reason: before.reason, notes: withLifted(notes, context) };
  }
  const lock = takeHandling(stateDir, liveness);
  if (!('release' in lock)) return { ...idle, outcome: 'busy', reason: busyReason(lock.holder) };
  try {
    return await handleLocked(options, idle, lookedMs);
  } finally {
    lock.release();
  }
}

type Idle = Omit<Handling, 'outcome' | 'reason'>;

async function handleLocked(options: HandlingOptions, idle: Idle, lookedMs: number): Promise<Handling> {
  const { context, env, isForced, readMemory, stop } = options;
  const { settings } = context;
  const { before, notes } = idle;
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  // Only now: whoever held the right before us may have handled this very pressure.
  const { last } = loadPressure(stateDir);
  const { cooldownMs, handlers } = settings.pressure;
  const decision = decideHandling({ level: before.level, last, cooldownMs, isForced, nowMs: Date.now() });
  if (decision.decision !== 'handle') {
    recordPressure(stateDir, liveness, { level: before.level, lookedMs });
    const retryAfterMs = decision.decision === 'wait' ? decision.retryAfterMs : undefined;
    return { ...idle, outcome: 'cooldown', reason: decision.reason, retryAfterMs };
  }

  const planned = makeHandlers(planHandlers(before.level, handlers), context, env, before);
  const results = await runHandlers(planned, async () => (await readMemory()).availableBytes, stop);
  const after = judgePressure(await readMemory(), settings, before.level);
  const atMs = Date.now();
  const look = { level: after.level, lookedMs: atMs };
  if (stop.aborted) {
    recordPressure(stateDir, liveness, look);
    const reason = `told to end: ${planned.length - results.length} of ${planned.length} handlers were left out`;
    return { ...idle, outcome: 'stopped', reason, after, results };
  }
  recordPressure(stateDir, liveness, {
    ...look,
    last: { atMs, level: before.level, levelAfter: after.level, results },
  });
  const lifted = after.level === 'critical' ? notes : withLifted(notes, context);
  const reason = `${decision.reason}: ${before.reason}`;
  return { ...idle, outcome: 'handled', reason, after, results, notes: lifted };
}

function withLifted(notes: readonly string[], context: Context): readonly string[] {
  const said = liftHold(context);
  return said === undefined ? notes : [...notes, said];
}

function busyReason(holder: ProcessIdentity | undefined): string {
  return `${holder === undefined ? 'another process' : `process ${holder.pid}`} is handling memory pressure now`;
}
