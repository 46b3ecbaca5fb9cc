/** What do the settings come to, in the units of the code? Types only. Bytes are whole numbers, times are milliseconds. */
import type { AlertLevel } from './model.ts';

/** Who is told of alerts, beside the log. */
export interface AlertSettings {
  /** An http or https address that gets each alert as JSON by POST; may hold secrets. */
  readonly webhook: string | undefined;
  /** Words of a command that gets each alert as JSON on stdin; empty: none. */
  readonly command: readonly string[];
  readonly minLevel: AlertLevel;
  /** How long one delivery may take. */
  readonly timeoutMs: number;
}

/** What a retry changes: reduce halves for every memory cause, grow enlarges, auto does what the cause asks for. */
export type RetryPolicy = 'auto' | 'reduce' | 'grow';

/** When and how often something is tried again. */
export interface RetrySettings {
  readonly policy: RetryPolicy;
  /** Further attempts after so many failures of each family; 0: none. */
  readonly memoryAttempts: number;
  readonly crashAttempts: number;
  readonly timeoutAttempts: number;
  /** Before the first further attempt; doubled for each one after it. */
  readonly backoffMs: number;
  readonly backoffCapMs: number;
}

/** Whether agents get a limit of the kernel's own where the machine gives one. */
export type KernelCeiling = 'auto' | 'off';

export type ProfileName = 'auto' | 'workstation' | 'laptop' | 'strict';

/** How an agent of the pool is talked to. */
export type ProtocolName = 'stream-json' | 'lines';

/** Which growth ends an agent of the pool: beyond what it held after its first task, or after its start. */
export type RecycleRule = 'baseline' | 'fresh';

/** How agents of one kind take one task after another. */
export interface PooledKind {
  readonly command: readonly string[];
  readonly protocol: ProtocolName;
  readonly recycle: RecycleRule;
}

/** How agents of one kind are started and bounded. */
export interface AgentKind {
  /** Words with {prompt}, {key}, {title}, {epic}, {issue}, {stream} in them. */
  readonly command: readonly string[];
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** undefined: agents of this kind are never pooled. */
  readonly pool: PooledKind | undefined;
}

/** A command of the user's that is run under memory pressure. */
export interface PressureHandler {
  readonly name: string;
  /** Words to execute at level warning; undefined: nothing at that level. */
  readonly warning: readonly string[] | undefined;
  /** Words to execute at level critical; undefined: those of level warning. */
  readonly critical: readonly string[] | undefined;
  readonly timeoutMs: number;
}

/** How long and how large agents of the pool may become. */
export interface PoolSettings {
  /** Places in all, on the whole machine. */
  readonly size: number;
  /** An agent that was idle for so long is ended. */
  readonly idleMs: number;
  /** Idle ones are looked for at most so often. */
  readonly cleanupMs: number;
  /** Tasks that one takes; then it is ended. */
  readonly uses: number;
  readonly growthBytes: number;
  readonly pastFreshBytes: number;
}

/** The effective settings, in the units of the code. */
export interface Settings {
  readonly profile: ProfileName;
  /** false: memory holds nothing back; only max_concurrent_agents does. */
  readonly enabled: boolean;
  readonly maxConcurrentAgents: number;
  readonly memoryPerAgentBytes: number;
  readonly totalMemoryLimitBytes: number;
  readonly coordinatorMemoryBytes: number;
  /** false: trees are measured but nothing is stopped. */
  readonly monitoringEnabled: boolean;
  /** TERM to KILL. */
  readonly cleanupTimeoutMs: number;
  readonly retryOnMemoryLimit: boolean;
  readonly coordinatorHeapMb: number;
  readonly agentHeapMb: number;
  readonly gcExposure: boolean;
  readonly optimizeForSize: boolean;
  readonly thresholds: {
    readonly warningBytes: number;
    readonly criticalBytes: number;
    readonly maxBytes: number;
    /** At most this long between two looks. */
    readonly sampleIntervalMs: number;
    /** false: crossings are reported, nothing is stopped. */
    readonly abort: boolean;
    readonly kernelCeiling: KernelCeiling;
  };
  readonly admission: {
    /** Under this much available nothing starts. */
    readonly floorBytes: number;
    /** Kept free on top of everything. */
    readonly safetyBytes: number;
    /** How many waiting streams behind a blocked one may overtake it. */
    readonly lookahead: number;
    /** A stream that waited this long is overtaken no more. */
    readonly ageingMs: number;
    /** How long a lease without a process of its own lasts. */
    readonly leaseMs: number;
  };
  readonly pressure: {
    readonly warningShare: number;
    readonly criticalShare: number;
    /** Least time between two handlings of one level. */
    readonly cooldownMs: number;
    readonly handlers: readonly PressureHandler[];
  };
  readonly circuitBreaker: {
    /** This many memory events within the window open it. */
    readonly failures: number;
    readonly windowMs: number;
    /** How long the first opening lasts; doubled from one to the next, up to the most. */
    readonly recoveryMs: number;
    readonly recoveryMostMs: number;
    /** With less than this available it opens at once; 0: never for that. */
    readonly availableBytes: number;
    /** A probe that lived this long without a memory event has passed. */
    readonly probeMs: number;
  };
  readonly retry: RetrySettings;
  readonly alerts: AlertSettings;
  readonly pool: PoolSettings;
  readonly agents: ReadonlyMap<string, AgentKind>;
}
