/** How does a TypeScript program use the toolkit without starting its scripts? The same decisions, files and limits, as functions. */
import { Failure } from './failure.ts';
import type { Call } from './flags.ts';
import { openContext, readMachineMemory } from './commands/context.ts';
import {
  askBreaker,
  change,
  lookAtBreaker,
  reportMemoryEvent,
  reportProbe,
} from './commands/breaker-gate.ts';
import { checkLeases } from './commands/leases.ts';
import type { MemorySnapshot } from './model.ts';
import { oneLine, type Answer } from './output/answer.ts';
import type { OrchestrationReport } from './output/orchestrate.ts';
import { CLOSED, holdBreaker } from './policy/breaker.ts';
import type { BreakerAnswer } from './policy/breaker-answer.ts';
import { judgePreflight, type Preflight } from './policy/preflight.ts';
import { judgeHealth, type MachineHealth } from './policy/health.ts';
import { judgeLevel, levelMessage, limitRules, type Level, type LimitRules } from './policy/limit.ts';
import { planTrees } from './policy/tree.ts';
import { readIdentity } from './probe/identity.ts';
import { readProcessTable, readPss } from './probe/processes.ts';
import { loadLedger } from './state/ledger.ts';

export { Failure } from './failure.ts';
export type { BreakerAnswer } from './policy/breaker-answer.ts';
export type { MachineHealth } from './policy/health.ts';
export type { MemorySnapshot } from './model.ts';
export type { OrchestrationReport, AgentReport } from './output/orchestrate.ts';
export type { Preflight } from './policy/preflight.ts';

/** Where a call stands; everything may be left out. */
export interface ToolkitOptions {
  /** The project, whose .claude-pm.yaml counts (default: the present folder). */
  readonly projectDir?: string;
  /** CLAUDE_PM_STATE_DIR, HOME and so on; agents inherit it (default: ours). */
  readonly env?: NodeJS.ProcessEnv;
  /** Settings by dotted key, above all files: `{ 'orchestrator.timeout': '5m' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gets what happens, a line each (default: nobody). */
  readonly onLine?: (line: string) => void;
}

export interface OrchestrateOptions extends ToolkitOptions {
  /** Where the queue is full or the breaker open: wait (default: false, a Failure with exitCode 75). */
  readonly wait?: boolean;
  /** Agents whose kind has a `pool` in the settings come from the pool (default: false). */
  readonly pool?: boolean;
}

/**
 * `orchestrate run`: several agents work on a prompt within the machine's memory. Resolves to the report also where agents
 * failed: look at `exitCode` and each agent's `status`. While it runs, SIGINT and SIGTERM end its agents first.
 * @throws Failure (75) where the queue is full or the breaker open; (2) for faults of the settings or of the prompt.
 */
export async function orchestrateWithMemoryManagement(
  prompt: string,
  options: OrchestrateOptions = {},
): Promise<OrchestrationReport> {
  if (prompt.trim() === '') throw new Failure('an empty prompt asks for nothing');
  const plain = callOf(options);
  const call = { ...plain, flags: { ...plain.flags, pool: options.pool === true } };
  const { orchestrate } = await import('./commands/orchestrate/orchestrate.ts');
  return orchestrate(call, await openContext(call), prompt, { wait: options.wait === true });
}

/** Limits of one agent of the caller's own; what is left out is that of the settings. */
export interface AgentLimits {
  /** Here it should be stopped (default: memory_per_agent_gb). */
  readonly limitBytes?: number;
  /** What it is expected to need: up to there nothing is told. */
  readonly estimateBytes?: number;
}

/** An agent's whole process tree now. */
export interface AgentCheck {
  readonly isRunning: boolean;
  /** Its processes, descendants in other sessions included. */
  readonly processes: number;
  /** Proportional memory where the kernel says it, else resident. */
  readonly bytes: number;
  readonly level: Level;
  readonly limitBytes: number;
  /** What the guard would say; undefined at level normal. */
  readonly message: string | undefined;
}

export interface AbortDecision {
  readonly abort: boolean;
  readonly reason: string | undefined;
}

/** The machine and agents that the caller starts itself. */
export interface ResourceMonitor {
  /** The machine's memory now, every cgroup considered. */
  readonly memory: () => Promise<MemorySnapshot>;
  /** The level of `memory-monitor check`. */
  readonly health: () => Promise<MachineHealth>;
  /**
   * May an agent start now? Looks and reserves nothing: two programs that ask at once both hear yes. What shall count for
   * others is reserved by `coordination-memory EPIC spawn`.
   */
  readonly preflight: (need?: { readonly bytes?: number; readonly count?: number }) => Promise<Preflight>;
  /** How an agent stands against its limit, by the pid of its first process. */
  readonly checkAgent: (pid: number, limits?: AgentLimits) => AgentCheck;
  /** Whether it should be stopped now: over its limit, or the machine so short that somebody must go. Stops nothing. */
  readonly shouldAbort: (pid: number, limits?: AgentLimits) => Promise<AbortDecision>;
}

/** Opens the monitor with the settings as they are now. */
export async function getResourceMonitor(options: ToolkitOptions = {}): Promise<ResourceMonitor> {
  const context = await openContext(callOf(options));
  const { settings } = context;
  const levels = new Map<string, Level>();
  const rulesFor = (limits: AgentLimits): LimitRules & { readonly limitBytes: number } => {
    const limitBytes = limits.limitBytes ?? settings.memoryPerAgentBytes;
    return { ...limitRules(limitBytes, limits.estimateBytes), limitBytes };
  };

  const checkAgent = (pid: number, limits: AgentLimits = {}): AgentCheck => {
    const rules = rulesFor(limits);
    const { limitBytes } = rules;
    const found = measureTree(pid);
    if (found === undefined)
      return { isRunning: false, processes: 0, bytes: 0, level: 'normal', limitBytes, message: undefined };
    const level = judgeLevel(found.bytes, rules, levels.get(found.name) ?? 'normal');
    levels.set(found.name, level);
    const message = level === 'normal' ? undefined : levelMessage(level, found.bytes, rules, undefined);
    return { isRunning: true, processes: found.processes, bytes: found.bytes, level, limitBytes, message };
  };
  return {
    memory: readMachineMemory,
    health: async () => judgeHealth(await readMachineMemory(), settings),
    preflight: async (need = {}) => {
      const memory = await readMachineMemory();
      const ledger = loadLedger(context.stateDir());
      const { isAlive } = context.liveness();
      const nowMs = Date.now();
      return judgePreflight({
        settings,
        memory,
        leases: checkLeases(ledger.leases, isAlive, nowMs, () => readProcessTable()),
        breaker: lookAtBreaker({ ...context, memory }).answer,
        memoryOf: ledger,
        nowMs,
        bytes: need.bytes ?? settings.memoryPerAgentBytes,
        count: need.count ?? 1,
      });
    },
    checkAgent,
    shouldAbort: async (pid, limits = {}) => {
      const { level, message } = checkAgent(pid, limits);
      if (level === 'over') return { abort: true, reason: message };
      // A run ends its agents for the machine's sake at half of the floor, too.
      const stopBelowBytes = settings.enabled ? settings.admission.floorBytes / 2 : 0;
      const memory = await readMachineMemory();
      if (memory.availableBytes >= stopBelowBytes) return { abort: false, reason: undefined };
      return { abort: true, reason: judgeHealth(memory, settings).reason };
    },
  };
}

/** The machine's circuit breaker, shared by all processes of the user. */
export interface CircuitBreaker {
  /** What it would answer; asks for nothing. */
  readonly status: () => BreakerAnswer;
  /**
   * Asks to start something under a name of the caller's own. Where `probe` is true this start is the one of a half-open
   * breaker: `report` its end.
   */
  readonly tryStart: (id: string) => Promise<BreakerAnswer>;
  /** `borne`: the machine did not run out of memory by it, whatever its exit code was. */
  readonly report: (id: string, end: 'borne' | { readonly outOfMemory: string }) => void;
  /** Nothing starts any more, on the whole machine, until `close`, or for this long. @throws Failure (2) for what is no text or no time. */
  readonly open: (by: string, reason: string, forMs?: number) => void;
  readonly close: () => void;
}

/** Takes hold of the breaker, with the settings as they are now. */
export async function getCircuitBreaker(options: ToolkitOptions = {}): Promise<CircuitBreaker> {
  const context = await openContext(callOf(options));
  const { self } = context.liveness();
  return {
    status: () => lookAtBreaker(context).answer,
    tryStart: async (id) =>
      askBreaker({ ...context, memory: await readMachineMemory() }, { id, owner: self }),
    report: (id, end) => {
      if (end === 'borne') reportProbe(context, id, true);
      else reportMemoryEvent(context, end.outOfMemory);
    },
    open: (by, reason, forMs) => {
      // From plain JavaScript anything may come, and what is written down is read by all.
      if (![by, reason].every((text) => typeof text === 'string' && text.trim() !== ''))
        throw new Failure('open(by, reason) needs two texts: who opens the breaker, and why');
      if (forMs !== undefined && !(Number.isFinite(forMs) && forMs > 0))
        throw new Failure(`open(by, reason, forMs): ${String(forMs)} is no time in milliseconds`);
      change(context, (state, { nowMs }) =>
        holdBreaker(state, {
          by: oneLine(by),
          reason: oneLine(reason),
          sinceMs: nowMs,
          untilMs: forMs === undefined ? undefined : nowMs + forMs,
        }),
      );
    },
    close: () => void change(context, () => CLOSED),
  };
}

/** What a call of the pool came to: the exit code of `agent-pool` (75: not now) and its JSON document. */
export interface PoolAnswer {
  readonly exitCode: number;
  readonly answer: unknown;
}

/** Agents that take one task after another, shared by all processes of the user. */
export interface AgentPool {
  readonly status: () => Promise<PoolAnswer>;
  /** Hands a task to an agent of a kind that the settings pool, and waits for the answer. */
  readonly submit: (kind: string, task: string) => Promise<PoolAnswer>;
  /** An agent, or a place for one, for this process alone until `release` or its end. */
  readonly request: (kind: string) => Promise<PoolAnswer>;
  readonly release: (agent: string) => Promise<PoolAnswer>;
}

/** Takes hold of the pool; each call reads the settings anew. Its promises reject with a Failure as the script's calls fail. */
export function getAgentPool(options: ToolkitOptions = {}): AgentPool {
  const call = callOf(options);
  const ask = async (
    command: Promise<{ readonly run: (call: Call) => Promise<Answer | number> }>,
    given: Partial<Call>,
  ): Promise<PoolAnswer> => {
    const { run } = await command;
    const answer = await run({ ...call, ...given, flags: { ...call.flags, ...given.flags } });
    return typeof answer === 'number'
      ? { exitCode: answer, answer: undefined }
      : { exitCode: answer.exitCode, answer: answer.json };
  };
  return {
    status: () => ask(import('./commands/agent-pool/status.ts'), {}),
    submit: (kind, task) => ask(import('./commands/agent-pool/submit.ts'), { args: [task], flags: { kind } }),
    request: (kind) =>
      ask(import('./commands/agent-pool/request.ts'), { flags: { kind, pid: String(process.pid) } }),
    release: (agent) => ask(import('./commands/agent-pool/release.ts'), { args: [agent] }),
  };
}

/** A process and all below it; undefined where nobody has this pid. */
function measureTree(pid: number): { name: string; processes: number; bytes: number } | undefined {
  const identity = readIdentity(pid);
  if (identity === undefined) return undefined;
  const { startTicks } = identity;
  const root = { id: 'agent', pid, startTicks };
  const members = planTrees(readProcessTable(), [root], new Map()).get('agent') ?? [];
  if (members.length === 0) return undefined;
  const pss = members.map((member) => readPss(member.pid) ?? member.residentBytes);
  return {
    name: `${pid} ${startTicks}`,
    processes: members.length,
    bytes: pss.reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** A call as a script's would be, without a terminal; what it says goes to the caller. */
function callOf({ projectDir, env, settings, onLine }: ToolkitOptions): Call {
  const tell = (text: string): void => {
    for (const line of text.split('\n')) if (line !== '') onLine?.(line);
  };
  return {
    program: 'claude-pm-memory',
    command: 'api',
    subject: '',
    args: [],
    flags: { set: Object.entries(settings ?? {}).map(([key, value]) => `${key}=${value}`) },
    rest: [],
    json: false,
    terminal: false,
    projectDir: projectDir ?? process.cwd(),
    env: env ?? process.env,
    out: tell,
    err: tell,
    readerGone: () => false,
  };
}
