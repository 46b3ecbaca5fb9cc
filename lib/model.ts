/** What are the nouns? Types only: what the folders hand to each other. Bytes are whole numbers, times are epoch milliseconds. */

/** Who a process is: a pid alone is reused, so it counts only together with the boot and the start time. */
export interface ProcessIdentity {
  readonly bootId: string;
  /** The pid namespace in which `pid` means something (the inode of /proc/self/ns/pid); undefined where there is none. */
  readonly pidNamespace: string | undefined;
  readonly pid: number;
  /** Linux: field 22 of /proc/PID/stat, clock ticks since boot. macOS: start time in seconds since the epoch. */
  readonly startTicks: number;
}

/** One limit on memory that applies to us: the machine itself or an enclosing cgroup. */
export interface MemoryBound {
  readonly kind: 'machine' | 'cgroup';
  /** `machine`, or the cgroup's path as /proc/self/cgroup writes it. */
  readonly name: string;
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/** Pressure stall information, shares 0 to 1 of wall time in which some or all tasks waited for memory. */
export interface PressureStall {
  readonly some10Share: number;
  readonly some60Share: number;
  readonly full10Share: number;
  readonly full60Share: number;
  /** Total stalled time since boot, microseconds. */
  readonly someTotalUs: number;
  readonly fullTotalUs: number;
}

/** The machine's memory at one instant; total and available are the smallest of all bounds. */
export interface MemorySnapshot {
  readonly atMs: number;
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** The bound with the least available: the one that decides. */
  readonly binding: MemoryBound;
  /** The machine first, then each enclosing cgroup that has a limit, innermost first. */
  readonly bounds: readonly MemoryBound[];
  readonly swapTotalBytes: number | undefined;
  readonly swapFreeBytes: number | undefined;
  /** undefined where the kernel has no PSI. */
  readonly pressure: PressureStall | undefined;
}

/** One process as the kernel shows it at one instant. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startTicks: number;
  /** The kernel's name of it (at most 15 bytes; may hold spaces and parentheses). */
  readonly comm: string;
  /** R, S, D, T, Z … */
  readonly state: string;
  readonly residentBytes: number;
  /** Resident less shared (statm): what ending it would about free. */
  readonly privateBytes: number;
}

/** All processes by pid, as one scan found them. */
export type ProcessTable = ReadonlyMap<number, ProcessFacts>;

/** What kind of program a command starts, which decides which limits can hold. */
export interface Executable {
  /** The file that runs in the end, after PATH, links and `#!` lines. */
  readonly path: string;
  /** node: takes V8 flags; bun and native: ignore them; script: an interpreter other than these; missing: not found. */
  readonly kind: 'node' | 'bun' | 'native' | 'script' | 'missing';
  /** For a script: its interpreter (`python3`); for node: its version where it was asked. */
  readonly detail: string | undefined;
}

/** How bad an alert is: `over` is the hard limit. */
export type AlertLevel = 'warning' | 'critical' | 'over';

/** One line of memory-alerts.log; the names and units are the file's. */
export interface AlertRecord {
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly level: AlertLevel;
  readonly subprocess_id: string;
  readonly message: string;
  readonly system_memory: {
    readonly total_mb: number;
    readonly available_mb: number;
    readonly used_mb: number;
    /** Of the total in use, 0 to 100. */
    readonly percent: number;
  };
}

/** One line of subprocess-stats.jsonl: what one guarded process used from its start to its end. */
export interface StatsRecord {
  readonly subprocess_id: string;
  readonly memory_stats: {
    readonly start_mb: number | undefined;
    readonly peak_mb: number | undefined;
    readonly end_mb: number | undefined;
    readonly duration_seconds: number;
    readonly warnings: readonly string[];
    /** We stopped it. */
    readonly aborted: boolean;
    /** A sub-agent: the figures are its client's tree's, in which so many others lived at its end. */
    readonly shared_with?: number;
  };
  /** When it ended; ISO 8601, UTC. */
  readonly timestamp: string;
}

/** What ends one attempt: the states that a stream can be left in. */
export type Outcome =
  | 'done'
  | 'failed'
  | 'killed-limit'
  | 'killed-user'
  | 'killed-machine'
  | 'killed-kernel'
  | 'timed-out'
  | 'stopped'
  | 'not-started'
  | 'refused';

/** Why an attempt ended, from evidence; what is done about it depends on nothing else. */
export type Cause =
  /** It ended well. */
  | 'success'
  /** It ended with an exit code of its own: a failed test, a wrong flag. */
  | 'failed'
  /** It died of a fault of its own (SIGSEGV, an abort that has nothing to do with memory). */
  | 'crash'
  /** SIGKILL, and nothing says who sent it. */
  | 'killed-unknown'
  /** Somebody asked it to end: TERM, INT, HUP from outside. */
  | 'terminated'
  /** It took longer than it was given. */
  | 'timeout'
  /** Stopped at its own hard limit, by us or by a cgroup that holds that limit. */
  | 'our-limit'
  /** We stopped it because the machine ran out of memory. */
  | 'our-machine'
  /** Somebody had us stop it. */
  | 'user'
  /** Its run was interrupted. */
  | 'interrupt'
  /** The kernel killed it because the machine, or a cgroup that it shares, ran out. */
  | 'kernel-oom'
  /** Its runtime's own heap limit: V8, a worker's, the JVM's, PHP's. */
  | 'heap-limit'
  /** The system had no memory to give for an allocation of its own. */
  | 'allocation'
  /** There was no memory to start a process. */
  | 'spawn-memory'
  /** Node refused NODE_OPTIONS. */
  | 'bad-node-options';

/** One independent slice of work. */
export interface Stream {
  /** `EPIC/ISSUE/STREAM` */
  readonly key: string;
  readonly epic: string;
  readonly issue: string;
  readonly id: string;
  /** Free text for people; control characters already taken out. */
  readonly title: string;
  /** The agent type that `agents:` in the settings maps to a command. */
  readonly kind: string;
  /** Words to execute, or one line for `sh -c`; undefined: the kind's command with the prompt. */
  readonly command: readonly string[] | string | undefined;
  readonly prompt: string | undefined;
  readonly cwd: string | undefined;
  /** Further variables of this stream's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Keys of streams that must be done first. */
  readonly dependsOn: readonly string[];
  /** Keys of streams that must not run at the same time. */
  readonly conflictsWith: readonly string[];
  /** What it is expected to need; undefined: the kind's, else the configured prior. */
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly expectedMs: number | undefined;
  /** Longer than this no attempt runs; undefined: nobody set a time. */
  readonly timeoutMs?: number | undefined;
  /** Where it was written: `file:line`. */
  readonly source: string;
}

/** Where in a coding client a sub-agent lives: the client's own names for the session, the call and the agent. */
export interface ClientPlace {
  readonly session: string;
  /** The call that asked for it and is not answered yet; undefined: its answer named the agent, or nobody asked. */
  readonly call: string | undefined;
  /** undefined until the client says which agent the call became. */
  readonly agent: string | undefined;
  /** The sub-agent that made the call; undefined: the session itself. */
  readonly parent: string | undefined;
  /** The agent has ended, the answer of its call is still to come. */
  readonly hasEnded?: true | undefined;
}

/** An agent's entry in the ledger. */
export interface Lease {
  readonly id: string;
  readonly role: 'agent' | 'subagent' | 'coordinator';
  /** Whose death voids this lease: the agent itself, or the client in which a sub-agent lives. */
  readonly owner: ProcessIdentity | undefined;
  /** The run that started it; a live owner with a dead runner is a survivor. */
  readonly runner: ProcessIdentity | undefined;
  readonly project: string;
  readonly epic: string | undefined;
  /** Stream key, or a name of the caller's. */
  readonly key: string;
  readonly kind: string;
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  /** What the owner's tree already held when the lease was given (sub-agents share their owner's tree); 0 for an agent of its own. */
  readonly baseBytes: number;
  readonly sinceMs: number;
  /** A lease without a process of its own ends here at the latest. */
  readonly expiresMs: number | undefined;
  /** Last sign of life of whoever keeps it; decides only where the owner cannot be checked (another pid namespace). */
  readonly renewedMs: number;
  readonly state: 'starting' | 'running' | 'paused';
  /** The largest the agent has been, where its keeper measured it. */
  readonly peakBytes: number | undefined;
  /** Only for a sub-agent that a client's hooks announced. */
  readonly client?: ClientPlace | undefined;
}

/** Why a lease counts or does not. */
export type LeaseLife = 'live' | 'void-owner-dead' | 'void-expired' | 'unchecked';

/** What limits an admission. */
export type BindingLimit =
  | 'machine'
  | 'cgroup'
  | 'total_memory_limit'
  | 'budget'
  | 'max_concurrent'
  | 'mode'
  | 'floor'
  | 'hold'
  | 'caution'
  | 'breaker';

/** closed: work starts; open: nothing starts; half-open: one probe may start. */
export type BreakerPhase = 'closed' | 'open' | 'half-open';

/** The one start that a half-open breaker lets through. */
export interface BreakerProbe {
  /** The lease's id, or a name of the asker's own. */
  readonly id: string;
  /** Whose death gives the place back; undefined: only its time does. */
  readonly owner: ProcessIdentity | undefined;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Somebody opened the breaker by hand. */
export interface BreakerHold {
  readonly by: string;
  readonly reason: string | undefined;
  readonly sinceMs: number;
  /** undefined: until it is closed by hand. */
  readonly untilMs: number | undefined;
}

/** The machine's circuit breaker; a hold lies over the phase, which goes its own way below it. */
export interface BreakerState {
  readonly phase: BreakerPhase;
  /** When the phase began. */
  readonly sinceMs: number;
  /** How long this opening lasts; 0 unless open. */
  readonly openMs: number;
  /** Openings in a row without a probe that passed; 0 while closed. */
  readonly rounds: number;
  /** When the machine ran out of memory, oldest first. */
  readonly eventsMs: readonly number[];
  /** What opened it; undefined while closed. */
  readonly reason: string | undefined;
  /** Only while half-open. */
  readonly probe: BreakerProbe | undefined;
  readonly hold: BreakerHold | undefined;
}

/** How many agents may run side by side by what is free: as many as fit, two, or one. */
export type Mode = 'full_parallel' | 'limited_parallel' | 'sequential';

/** What a finished attempt at a stream left. */
export interface AttemptResult {
  readonly key: string;
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly peakBytes: number | undefined;
  readonly peakKind: 'rss' | 'pss' | undefined;
  readonly averageBytes: number | undefined;
  readonly samples: number;
  /** One sentence for people: why it ended as it did. */
  readonly reason: string;
  /** undefined where nobody judged it. */
  readonly cause?: Cause | undefined;
  /** It was stopped for the machine's sake because its own run had let more start than fits: the machine itself is well. */
  readonly isOverbooked?: boolean | undefined;
}
