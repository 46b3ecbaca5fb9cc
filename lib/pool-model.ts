/** What are the nouns of the pool? Agents that take one task after another, their tasks and answers: types only. */
import type { ProcessIdentity } from './model.ts';
import type { ProtocolName, RecycleRule } from './settings-model.ts';

/** What an agent of the pool is at. */
export interface PoolTask {
  readonly id: string;
  /** The id under which the agent knows it: the same, or one of its protocol's own form. */
  readonly sentAs: string;
  /** Whoever waits for the answer; undefined: nobody does (detached), and whoever comes by keeps the answer. */
  readonly caller: ProcessIdentity | undefined;
  /** The answer is kept, so that the same id is never done twice. */
  readonly isKept: boolean;
  /** Where in the agent's output its answer can begin, bytes. */
  readonly fromByte: number;
  readonly sinceMs: number;
  /** How long the agent had been idle before, ms. */
  readonly idleMs: number;
}

/** An agent's last signs of life, for telling whether it is idle. */
export interface PoolActivity {
  readonly atMs: number;
  /** User and system time of its whole tree; undefined where the system does not tell. */
  readonly cpuMs: number | undefined;
  readonly outputBytes: number;
}

/**
 * One place of the pool. reserved: a share and a name for an agent that its owner starts itself; starting: it has no process
 * yet; ready: it lives and takes tasks; stopping: it is being ended.
 */
export interface PoolAgent {
  readonly id: string;
  readonly kind: string;
  readonly project: string;
  readonly state: 'reserved' | 'starting' | 'ready' | 'stopping';
  /** undefined for a reserved place. */
  readonly protocol: ProtocolName | undefined;
  /** It repeats each task's id in its output before it begins: an answer is then known to be this task's. */
  readonly echoes: boolean;
  readonly recycle: RecycleRule;
  /** Its share in the ledger, and the mark in its environment. */
  readonly leaseId: string;
  readonly process: ProcessIdentity | undefined;
  /** Who answers for it now: the owner of a reserved place, the starter, whoever is stopping it, or who had it by `request`. */
  readonly keeper: ProcessIdentity | undefined;
  readonly task: PoolTask | undefined;
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly sinceMs: number;
  /** Its last task's end, else its start. */
  readonly freeSinceMs: number;
  /** Tasks that it was given. */
  readonly uses: number;
  /** Its whole tree, resident, when it had come to rest after its start, and after its first task. */
  readonly freshBytes: number | undefined;
  readonly baselineBytes: number | undefined;
  readonly freshProcesses: number | undefined;
  readonly activity: PoolActivity | undefined;
  /** Why it is being ended. */
  readonly reason: string | undefined;
}

export interface PoolState {
  readonly version: 1;
  readonly agents: readonly PoolAgent[];
  /** When idle agents were last looked for. */
  readonly reapedMs: number;
}

/** What an agent answered to a task. */
export interface TaskAnswer {
  /** false: it said itself that it failed. */
  readonly ok: boolean;
  readonly text: string;
}

/** A task's end as it is kept. */
export interface KeptAnswer {
  readonly version: 1;
  readonly task: string;
  readonly kind: string;
  readonly agent: string;
  /** lost: its agent ended before it had answered; the same id may be submitted again. */
  readonly status: 'answered' | 'lost';
  readonly answer: TaskAnswer | undefined;
  readonly reason: string | undefined;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** One line of the pool's log: what was measured. */
export type PoolRecord = { readonly atMs: number; readonly kind: string; readonly agent: string } & (
  | { readonly event: 'start'; readonly startMs: number; readonly freshBytes: number | undefined }
  | {
      readonly event: 'task';
      readonly task: string;
      readonly ms: number;
      readonly idleMs: number;
      readonly outcome: 'answered' | 'failed' | 'died' | 'cancelled' | 'over-limit';
      readonly peakBytes: number | undefined;
      readonly bytes: number | undefined;
      /** Agents of the kind that had a task then, this one included. */
      readonly busy: number;
      readonly uses: number;
    }
  | { readonly event: 'end'; readonly reason: string; readonly uses: number; readonly livedMs: number }
);
