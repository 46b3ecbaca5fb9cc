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

/** An agent that the orchestrator may choose for a prompt. */
export interface RosterAgent {
  readonly name: string;
  /** Words (whole ones, `*` at their end for any ending) and `/patterns/`; one that is found in the prompt is enough. */
  readonly when: readonly string[];
  /** Chosen where nobody else is. */
  readonly isFallback: boolean;
  /** Words to execute; undefined: those of the kind. */
  readonly command: readonly string[] | undefined;
  /** Of `agents:`. */
  readonly kind: string;
  /** What it is told, with {prompt} in it. */
  readonly prompt: string;
  /** Higher ones come first. */
  readonly priority: number;
}

/** How a prompt becomes several agents. */
export interface OrchestratorSettings {
  /** undefined: the shipped ones. */
  readonly agents: readonly RosterAgent[] | undefined;
  /** Of each attempt. */
  readonly timeoutMs: number;
  /** So many prompts at once on the machine. */
  readonly queue: number;
}

/** What bounds the prompt cache. */
export interface CacheSettings {
  /** From the moment an entry was set. */
  readonly ttlMs: number;
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** At this share of either limit the least recently used entries go, down to half of the limit. */
  readonly evictShare: number;
  /** Least time between two sweeps of what has expired. */
  readonly sweepEveryMs: number;
}

/** Whether agents get a limit of the kernel's own where the machine gives one. */
export type KernelCeiling = 'auto' | 'off';

/** Which rule makes an estimate from history; `fixed`: none, the configured figures stand. */
export type EstimatorChoice = 'p99' | 'vpa' | 'max' | 'tovar' | 'fixed';

/** What the next attempt learns from those before it. */
export interface FeedbackSettings {
  readonly estimator: EstimatorChoice;
  /** So many of the newest attempts of a stream, a kind or a tool count. */
  readonly windowAttempts: number;
  /** After so many further attempts one counts half. */
  readonly halfLifeAttempts: number;
  /** With so many attempts a kind stands for itself; below, what is alike counts, too. */
  readonly leastAttempts: number;
}

/** What a sub-agent that does not fit gets: a refusal with its reason, a wait, or the client's own deferral. */
export type GateAnswer = 'deny' | 'wait' | 'defer';

/** What a gate that cannot do its work does with a call. */
export type GateFailure = 'allow' | 'block';

/** What is done about heavy commands of a shell while memory is critical. */
export type GateBash = 'off' | 'advise' | 'refuse';

/** What a coding client hears through its hooks. */
export interface GateSettings {
  readonly whenFull: GateAnswer;
  readonly waitMs: number;
  readonly onFailure: GateFailure;
  /** A call that was let through and started nothing yet keeps its share this long. */
  readonly unstartedMs: number;
  readonly bash: GateBash;
  /** Words in a row that make a command of a shell a heavy one. */
  readonly heavy: readonly string[];
  /** 0: builds and test runners decide themselves. */
  readonly toolJobs: number;
}

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
  /** Words with {prompt}, {key}, {title}, {epic}, {issue}, {stream}, {session} in them. */
  readonly command: readonly string[];
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** undefined: agents of this kind are never pooled. */
  readonly pool: PooledKind | undefined;
  /** How a further attempt goes on with the session of the one before it; undefined: it begins anew. */
  readonly resume?: AgentResume | undefined;
}

/** How an agent takes up a session that an earlier attempt began. */
export interface AgentResume {
  /** Words as in `command`. */
  readonly command: readonly string[];
  /** The file that must be there for it, with {session} and {cwd-slug} in it; undefined: nobody looks. */
  readonly transcript: string | undefined;
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
  /** Limits of the tools that agents start. */
  readonly subprocess: {
    readonly enabled: boolean;
    /** From here on one tool is warned of. */
    readonly warnBytes: number;
    /** Here one tool is stopped. */
    readonly limitBytes: number;
    /** Over it one tool after another is stopped, until all together hold less. */
    readonly aggregateBytes: number;
  };
  readonly admission: {
    /** Under this much available nothing starts. */
    readonly floorBytes: number;
    /** Kept free on top of everything. */
    readonly safetyBytes: number;
    /** With less than this available one agent runs at a time. */
    readonly sequentialBytes: number;
    /** With less than this available at most two run at once. */
    readonly limitedBytes: number;
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
  readonly promptCache: CacheSettings;
  readonly orchestrator: OrchestratorSettings;
  readonly retry: RetrySettings;
  readonly feedback: FeedbackSettings;
  readonly alerts: AlertSettings;
  readonly pool: PoolSettings;
  readonly gate: GateSettings;
  readonly agents: ReadonlyMap<string, AgentKind>;
}
