/** What becomes of an agent of the pool: kept, given the next task, ended, and which one first? */
import type { PoolActivity, PoolAgent, TaskAnswer } from '../pool-model.ts';
import type { PoolSettings } from '../settings-model.ts';
import { formatBytes, formatDuration } from '../units.ts';

/** How agents of the pool are called in the ledger. */
export const KEY_PREFIX = 'pool/';

/** What was found out about an agent's processes. undefined: it cannot be told from here, which counts as alive. */
export interface EntrySeen {
  readonly process: boolean | undefined;
  readonly keeper: boolean | undefined;
  readonly caller: boolean | undefined;
  /** Of a task for which nobody waits; undefined: its output holds none yet. */
  readonly answer: TaskAnswer | undefined;
}

export type EntryDeed =
  | { readonly deed: 'keep' }
  /** Its task is answered and nobody waits: the answer is kept where that was wished for, and the agent is free. */
  | { readonly deed: 'free' }
  /** Who had it by request is dead. */
  | { readonly deed: 'return' }
  /** It is ended, and forgotten. */
  | { readonly deed: 'stop'; readonly reason: string };

const KEEP: EntryDeed = { deed: 'keep' };

/** What whoever comes by must do about an agent. An agent in mid-task whose caller died is never given to another one. */
export function judgeEntry({ state, task, reason }: PoolAgent, seen: EntrySeen): EntryDeed {
  const stop = (why: string): EntryDeed => ({ deed: 'stop', reason: why });
  if (state === 'reserved') return seen.keeper === false ? stop('its owner is dead') : KEEP;
  if (state === 'starting') return seen.keeper === false ? stop('whoever started it died') : KEEP;
  if (state === 'stopping') return seen.keeper === false ? stop(reason ?? 'it was being ended') : KEEP;

  const isAwaited = task?.caller !== undefined && seen.caller !== false;
  // Whoever waits for it sees its end first, and reads its last words.
  if (seen.process === false) return isAwaited ? KEEP : stop('it ended by itself');
  if (task !== undefined && !isAwaited) {
    if (seen.answer !== undefined) return { deed: 'free' };
    if (task.caller !== undefined) return stop('its caller died in mid-task');
  }
  return task === undefined && seen.keeper === false ? { deed: 'return' } : KEEP;
}

/** What an attempt of a run is called as a task. */
export function taskName(key: string, attempt: number): string {
  return `${key}.${attempt}`;
}

/** No task, not being started or ended, in nobody's hands. */
export function isFree({ state, task, keeper, process }: PoolAgent): boolean {
  return state === 'ready' && task === undefined && keeper === undefined && process !== undefined;
}

/** Who would use an agent. */
export interface Wanted {
  readonly kind: string;
  readonly project: string;
}

function suits(agent: PoolAgent, { kind, project }: Wanted): boolean {
  return agent.kind === kind && agent.project === project;
}

/** The free agent that was used last: the others grow idle and can go. */
export function chooseFree(agents: readonly PoolAgent[], wanted: Wanted): PoolAgent | undefined {
  const free = agents.filter((agent) => isFree(agent) && suits(agent, wanted));
  return free.reduce<PoolAgent | undefined>(
    (last, agent) => (last && last.freeSinceMs >= agent.freeSinceMs ? last : agent),
    undefined,
  );
}

/** In a full pool: the free agent of another kind or project that has had nothing to do for longest. */
export function chooseEvicted(agents: readonly PoolAgent[], wanted: Wanted): PoolAgent | undefined {
  const free = agents.filter((agent) => isFree(agent) && !suits(agent, wanted));
  return free.reduce<PoolAgent | undefined>(
    (first, agent) => (first && first.freeSinceMs <= agent.freeSinceMs ? first : agent),
    undefined,
  );
}

/** Why it takes no further task, undefined where it does. `bytes` is what its tree holds now, resident. */
export function recycleReason(
  agent: Pick<PoolAgent, 'uses' | 'recycle' | 'freshBytes' | 'baselineBytes'>,
  bytes: number | undefined,
  rules: PoolSettings,
): string | undefined {
  if (agent.uses >= rules.uses) return `it has taken ${agent.uses} tasks`;
  const isFresh = agent.recycle === 'fresh';
  // One whose start nobody measured is judged by what it held after its first task.
  const fromBytes = isFresh ? (agent.freshBytes ?? agent.baselineBytes) : agent.baselineBytes;
  const mostBytes = isFresh ? rules.pastFreshBytes : rules.growthBytes;
  if (bytes === undefined || fromBytes === undefined || bytes - fromBytes < mostBytes) return undefined;
  return `it has grown by ${formatBytes(bytes - fromBytes)} over ${formatBytes(fromBytes)} ${isFresh ? 'fresh' : 'after its first task'}`;
}

/** Timers and the garbage collector of a runtime that does nothing take less than this of one core. */
const RESTING_CPU_SHARE = 0.01;
/** The clock behind CPU times ticks every 10 ms. */
const CPU_TICK_MS = 10;

/** A look at an agent's life. */
export interface ActivityLook extends PoolActivity {
  readonly processes: number;
}

/**
 * Since when an agent is idle, epoch ms; undefined: it is not. Idle means: no task and in nobody's hands, no processes beyond
 * those of its start, no output and no CPU worth the name since the last look.
 */
export function idleSince(agent: PoolAgent, look: ActivityLook): number | undefined {
  if (!isFree(agent)) return undefined;
  if (look.processes > (agent.freshProcesses ?? 1)) return undefined;
  const { activity } = agent;
  // What was done before its task ended says nothing.
  if (activity === undefined || activity.atMs < agent.freeSinceMs) return agent.freeSinceMs;
  if (look.outputBytes !== activity.outputBytes) return undefined;
  const cpuMs = (look.cpuMs ?? 0) - (activity.cpuMs ?? 0);
  const mostMs = CPU_TICK_MS + RESTING_CPU_SHARE * Math.max(0, look.atMs - activity.atMs);
  return cpuMs > mostMs ? undefined : agent.freeSinceMs;
}

/** Why an idle agent goes now: after its time, or at once where memory is short; undefined: it stays. */
export function reapReason(
  idleSinceMs: number | undefined,
  nowMs: number,
  rules: PoolSettings,
  isPressed: boolean,
): string | undefined {
  if (idleSinceMs === undefined) return undefined;
  const idleMs = Math.max(0, nowMs - idleSinceMs);
  if (isPressed) return `memory is short, and it was idle for ${formatDuration(idleMs)}`;
  return idleMs >= rules.idleMs ? `it was idle for ${formatDuration(idleMs)}` : undefined;
}
