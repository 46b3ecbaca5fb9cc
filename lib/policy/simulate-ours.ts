/** How do our own rules run traces? Admission, charges, victims, pauses and forecasts are the code that a real run uses. */
import type { MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { decideAdmission, type AdmissionMemory } from './admission.ts';
import type { CheckedLease } from './charge.ts';
import { compileRun, type CompiledRun, type ForecastTask } from './forecast.ts';
import { forecastAdmission, type ForecastSettings } from './outlook.ts';
import { planPauses } from './pause.ts';
import { profileOf } from './profile.ts';
import type { SimAgent, SimRule, SimWorld } from './simulate.ts';
import { chooseVictim } from './victim.ts';

export interface OurRules {
  readonly name: string;
  readonly settings: Settings;
  readonly forecast: ForecastSettings;
  /** Past runs of this kind, not of this very task. */
  readonly pastOfKind: (agent: SimAgent) => readonly CompiledRun[];
  /** Earlier runs of this very stream. */
  readonly pastOfStream: (agent: SimAgent) => readonly CompiledRun[];
  /** Whether what ends in this run teaches the rest of it. */
  readonly learns: boolean;
  /** Whether growing agents are halted before memory runs out. */
  readonly pauses: boolean;
  /** Tried again after so many steps where nothing ended. */
  readonly admitEverySteps: number;
}

/** What an agent's forecast rests on, as of so many attempts that ended in this run. */
interface Pools {
  readonly count: number;
  readonly kind: readonly CompiledRun[];
  readonly others: readonly CompiledRun[];
}

interface Memory {
  readonly learned: Map<string, { readonly key: string; readonly run: CompiledRun }[]>;
  readonly stopped: Map<string, CompiledRun[]>;
  readonly pools: Map<readonly CompiledRun[], Map<string, Pools>>;
  memoryOf: AdmissionMemory;
  nextMs: number;
  count: number;
}

/** Whose budget it is. */
const EPIC = 'simulated';

/** Our rules as one of the simulator's; each call begins with nothing learned. */
export function ourRule(rules: OurRules): SimRule {
  const memory: Memory = {
    learned: new Map(),
    stopped: new Map(),
    pools: new Map(),
    memoryOf: { holdSinceMs: undefined, lastMemoryEventMs: undefined },
    nextMs: 0,
    count: 0,
  };
  const taskOf = (agent: SimAgent, stepMs: number) => forecastTask(agent, stepMs, rules, memory);
  return {
    name: rules.name,
    requeue: 'back',
    admit: (world) => admit(world, rules, memory, taskOf),
    victim: (world) => victimOf(world),
    ended: (agent, how, { stepMs }) => learn(agent, how, stepMs, rules, memory),
    ...(rules.pauses ? { pauses: (world: SimWorld) => pausesOf(world, rules, taskOf) } : {}),
  };
}

type TaskOf = (agent: SimAgent, stepMs: number) => ForecastTask;

function admit(world: SimWorld, rules: OurRules, memory: Memory, taskOf: TaskOf): SimAgent[] {
  const { running, waiting, nowMs, stepMs, budgetBytes } = world;
  if (waiting.length === 0 || nowMs < memory.nextMs || running.some(({ isPaused }) => isPaused)) return [];
  memory.nextMs = nowMs + stepMs * rules.admitEverySteps;
  const { settings } = rules;
  const candidates = waiting.slice(0, settings.admission.lookahead + 1);
  const forecast = forecastAdmission({
    running: running.map((agent) => taskOf(agent, stepMs)),
    candidates: candidates.map((agent) => taskOf(agent, stepMs)),
    budgetBytes: budgetBytes - settings.admission.safetyBytes,
    settings: rules.forecast,
  });
  const leases = running.map((agent) => leaseOf(agent, forecast.charges.get(agent.task.key) ?? 0, world));
  const starts: SimAgent[] = [];
  for (const [at, agent] of candidates.entries()) {
    const answer = forecast.answers[at];
    if (answer?.decision !== 'start') continue;
    const decision = decideAdmission(
      {
        settings,
        memory: snapshot(world),
        leases,
        budget: { bytes: budgetBytes, project: '', epic: EPIC },
        nowMs,
        memoryOf: memory.memoryOf,
      },
      { estimateBytes: answer.marginalBytes, limitBytes: undefined, estimateIsStated: false },
    );
    memory.memoryOf = decision.memory;
    if (decision.decision !== 'admit') break;
    agent.estimateBytes = answer.peakBytes;
    leases.push(leaseOf(agent, decision.estimateBytes, world));
    starts.push(agent);
  }
  return starts;
}

/** What a forecast said at the start is no promise: half as much again is within what is usual. */
const TOLERANCE_SHARE = 0.5;

/** The rule of the machine's guard. */
function victimOf({ running, stepMs, usedBytes, budgetBytes }: SimWorld): SimAgent {
  const growing = running.reduce((sum, { grewBytes }) => sum + Math.max(0, grewBytes), 0);
  const choice = chooseVictim(
    running.map(({ task, currentBytes, estimateBytes, step }) => ({
      key: task.key,
      currentBytes,
      privateBytes: currentBytes,
      estimateBytes,
      ageMs: step * stepMs,
      isLeaving: false,
    })),
    { neededBytes: usedBytes - budgetBytes + growing, toleranceShare: TOLERANCE_SHARE },
  );
  const found = choice.choice === 'stop' ? running.find(({ task }) => task.key === choice.key) : undefined;
  if (found === undefined) throw new Error(`nobody to stop: ${choice.reason}`);
  return found;
}

function pausesOf(world: SimWorld, rules: OurRules, taskOf: TaskOf) {
  const { running, usedBytes, budgetBytes, stepMs } = world;
  const limitBytes = budgetBytes - rules.settings.admission.safetyBytes;
  const byKey = new Map(running.map((agent) => [agent.task.key, agent]));
  const fits = (key: string): boolean => {
    const one = byKey.get(key);
    const others = running.filter(({ isPaused, task }) => !isPaused && task.key !== key);
    const held = running.reduce(
      (sum, agent) => sum + (agent.isPaused && agent !== one ? agent.currentBytes : 0),
      0,
    );
    const { neededBytes } = forecastAdmission({
      running: [...others, ...(one ? [one] : [])].map((agent) => taskOf(agent, stepMs)),
      candidates: [],
      budgetBytes: limitBytes,
      settings: { ...rules.forecast, caution: rules.forecast.caution / 2 },
    });
    return held + neededBytes <= limitBytes;
  };
  const plan = planPauses({
    agents: running.map(({ task, step, grewBytes, isPaused }) => ({
      key: task.key,
      ageMs: step * stepMs,
      grewBytes: isPaused ? 0 : grewBytes,
      isPaused,
    })),
    usedBytes,
    budgetBytes: limitBytes,
    fits,
  });
  const agentsOf = (keys: readonly string[]) => running.filter(({ task }) => keys.includes(task.key));
  return { pause: agentsOf(plan.pause), resume: agentsOf(plan.resume) };
}

function learn(
  agent: SimAgent,
  how: 'done' | 'stopped',
  stepMs: number,
  rules: OurRules,
  memory: Memory,
): void {
  memory.nextMs = 0;
  const { key, kind, bytes } = agent.task;
  const steps = how === 'done' ? bytes.length : agent.step;
  const samples = Array.from(bytes.subarray(0, steps), (held, at) => ({
    atMs: (at + 1) * stepMs,
    bytes: held,
  }));
  const run = compileRun({ profile: profileOf(samples), isCensored: how === 'stopped' });
  if (run === undefined) return;
  if (how === 'stopped') memory.stopped.set(key, [run]);
  if (!rules.learns) return;
  memory.learned.set(kind, [...(memory.learned.get(kind) ?? []), { key, run }]);
  memory.count += 1;
}

function forecastTask(agent: SimAgent, stepMs: number, rules: OurRules, memory: Memory): ForecastTask {
  const { task, step, currentBytes, seenBytes } = agent;
  const stopped = memory.stopped.get(task.key) ?? [];
  return {
    key: task.key,
    ageMs: step * stepMs,
    currentBytes,
    peakBytes: seenBytes,
    halfBytes: task.bytes[Math.max(0, Math.ceil(step / 2) - 1)] ?? 0,
    past: { stream: [...stopped, ...rules.pastOfStream(agent)], ...poolsOf(agent, rules, memory) },
  };
}

/** The same arrays for all agents that have the same past, so that those that are to start share a forecast. */
function poolsOf(agent: SimAgent, rules: OurRules, memory: Memory): Pools {
  const { kind } = agent.task;
  const given = rules.pastOfKind(agent);
  const pools = memory.pools.get(given) ?? new Map<string, Pools>();
  memory.pools.set(given, pools);
  const known = pools.get(kind);
  if (known?.count === memory.count) return known;
  const own = (memory.learned.get(kind) ?? []).map(({ run }) => run);
  const others = [...memory.learned].flatMap(([other, runs]) =>
    other === kind ? [] : runs.map(({ run }) => run),
  );
  const pool = { count: memory.count, kind: [...given, ...own], others };
  pools.set(kind, pool);
  return pool;
}

/** The memory is a budget of which nobody else takes: the machine around it never binds, as with `run --budget`. */
function snapshot({ nowMs, budgetBytes }: SimWorld): MemorySnapshot {
  const aroundBytes = budgetBytes * 1000;
  const bound = {
    kind: 'machine' as const,
    name: 'machine',
    totalBytes: aroundBytes,
    availableBytes: aroundBytes,
  };
  return {
    atMs: nowMs,
    totalBytes: aroundBytes,
    availableBytes: aroundBytes,
    binding: bound,
    bounds: [bound],
    swapTotalBytes: undefined,
    swapFreeBytes: undefined,
    pressure: undefined,
  };
}

function leaseOf(
  { task, currentBytes, step }: SimAgent,
  estimateBytes: number,
  { nowMs, stepMs }: SimWorld,
): CheckedLease {
  const owner = { bootId: task.key, pidNamespace: undefined, pid: 1, startTicks: 1 };
  return {
    life: 'live',
    treeBytes: currentBytes,
    lease: {
      id: task.key,
      role: 'agent',
      owner,
      runner: undefined,
      project: '',
      epic: EPIC,
      key: task.key,
      kind: task.kind,
      estimateBytes,
      limitBytes: undefined,
      heapMb: undefined,
      baseBytes: 0,
      sinceMs: nowMs - step * stepMs,
      expiresMs: undefined,
      renewedMs: nowMs,
      state: 'running',
      peakBytes: undefined,
    },
  };
}
