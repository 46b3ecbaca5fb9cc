/** How do our own rules run traces? Admission, charges, victims, pauses and forecasts are the code that a real run uses. */
import type { Settings } from '../settings-model.ts';
import { decideAdmission, type AdmissionMemory } from './admission.ts';
import { compileRun, type CompiledRun, type ForecastTask } from './forecast.ts';
import { forecastAdmission, type ForecastSettings } from './outlook.ts';
import { chooseGiveUp, planPauses, type HaltedPlace, type PauseRules } from './pause.ts';
import { growthReserve, OUR_RULES, withPrior } from './our-rules.ts';
import { profileOf } from './profile.ts';
import { simBudget, simLease, simSnapshot } from './simulate-facts.ts';
import type { SimAgent, SimPauses, SimRule, SimWorld } from './simulate.ts';
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
  /** How fast an agent is taken to grow at most until a faster one was seen, bytes a second. */
  readonly growthBytesPerS: number;
  /** Tried again after so many steps where nothing ended. */
  readonly admitEverySteps: number;
}

/** Of the simulated budget, never promised. */
export const SAFETY_SHARE = 0.02;

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
  /** The most that an agent was seen to grow between two looks. */
  largestStepBytes: number;
}

/** Our rules as one of the simulator's; each call begins with nothing learned. */
export function ourRule(rules: OurRules): SimRule {
  const memory: Memory = {
    learned: new Map(),
    stopped: new Map(),
    pools: new Map(),
    memoryOf: { holdSinceMs: undefined, lastMemoryEventMs: undefined },
    nextMs: 0,
    count: 0,
    largestStepBytes: 0,
  };
  const taskOf = (agent: SimAgent, stepMs: number) => forecastTask(agent, stepMs, rules, memory);
  return {
    name: rules.name,
    requeue: 'back',
    admit: (world) => admit(world, rules, memory, taskOf),
    victim: (world) => victimOf(world),
    ended: (agent, how, { stepMs }) => learn(agent, how, stepMs, rules, memory),
    ...(rules.pauses ? { pauses: (world: SimWorld) => pausesOf(world, rules, taskOf, memory) } : {}),
  };
}

type TaskOf = (agent: SimAgent, stepMs: number) => ForecastTask;

function admit(world: SimWorld, rules: OurRules, memory: Memory, taskOf: TaskOf): SimAgent[] {
  const { running, waiting, nowMs, stepMs, budgetBytes } = world;
  if (waiting.length === 0 || nowMs < memory.nextMs || running.some(({ isPaused }) => isPaused)) return [];
  memory.nextMs = nowMs + stepMs * rules.admitEverySteps;
  const { settings } = rules;
  const candidates = waiting.slice(0, settings.admission.lookahead + 1);
  const oldestMs = running.reduce((most, { step }) => Math.max(most, step * stepMs), stepMs);
  const pools = new Map<readonly CompiledRun[], readonly CompiledRun[]>();
  const reserveBytes = growthReserve({
    budgetBytes,
    lookMs: stepMs,
    growthBytesPerS: rules.growthBytesPerS,
    largestStepBytes: memory.largestStepBytes,
  });
  const { priorBytes } = rules.forecast;
  const forecast = forecastAdmission({
    running: running.map((agent) => taskOf(agent, stepMs)),
    candidates: candidates.map((agent) => withPrior(taskOf(agent, stepMs), { priorBytes, oldestMs, pools })),
    budgetBytes: budgetBytes - settings.admission.safetyBytes - reserveBytes,
    settings: rules.forecast,
  });
  const leases = running.map((agent) => simLease(agent, forecast.charges.get(agent.task.key) ?? 0, world));
  const starts: SimAgent[] = [];
  for (const [at, agent] of candidates.entries()) {
    const answer = forecast.answers[at];
    if (answer?.decision !== 'start') continue;
    const decision = decideAdmission(
      {
        settings,
        memory: simSnapshot(world),
        leases,
        budget: simBudget(world),
        nowMs,
        memoryOf: memory.memoryOf,
      },
      { estimateBytes: answer.marginalBytes, limitBytes: undefined, estimateIsStated: false },
    );
    memory.memoryOf = decision.memory;
    if (decision.decision !== 'admit') break;
    agent.estimateBytes = answer.peakBytes;
    leases.push(simLease(agent, decision.estimateBytes, world));
    starts.push(agent);
  }
  return starts;
}

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
    { neededBytes: usedBytes - budgetBytes + growing, toleranceShare: OUR_RULES.toleranceShare },
  );
  const found = choice.choice === 'stop' ? running.find(({ task }) => task.key === choice.key) : undefined;
  if (found === undefined) throw new Error(`nobody to stop: ${choice.reason}`);
  return found;
}

/** A look of the simulator is a whole step: growth may double in one, where a run looks again long before. */
const PAUSE_RULES: PauseRules = { growthFactor: 2, worthShare: 0.005, lastShare: 0.005 };

function pausesOf(world: SimWorld, rules: OurRules, taskOf: TaskOf, memory: Memory): SimPauses {
  const { running, usedBytes, budgetBytes, stepMs } = world;
  for (const { grewBytes, isPaused } of running)
    if (!isPaused) memory.largestStepBytes = Math.max(memory.largestStepBytes, grewBytes);
  const plan = planPauses({
    agents: running.map(({ task, step, grewBytes, isPaused }) => ({
      key: task.key,
      ageMs: step * stepMs,
      // It grew once and was halted for it: when it goes on, about as much is to be expected, not twice as much.
      grewBytes: isPaused ? grewBytes * RESUME_SHARE : grewBytes,
      isPaused,
    })),
    usedBytes,
    budgetBytes: budgetBytes - rules.settings.admission.safetyBytes,
    fits: () => true,
    rules: PAUSE_RULES,
  });
  const late = chooseGiveUp(
    running.flatMap((agent) => (agent.isPaused ? [haltedFacts(agent, taskOf(agent, stepMs), stepMs)] : [])),
  );
  const agentsOf = (keys: readonly string[]) => running.filter(({ task }) => keys.includes(task.key));
  return {
    pause: agentsOf(plan.pause),
    resume: agentsOf(plan.resume.filter((key) => key !== late)),
    giveUp: late === undefined ? [] : agentsOf([late]),
  };
}

/** With the growth factor of 2 a quarter more than its last growth. */
const RESUME_SHARE = 0.625;

function haltedFacts(agent: SimAgent, { past }: ForecastTask, stepMs: number): HaltedPlace {
  const like = past.kind.length > 0 ? past.kind : past.others;
  const all = like.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return {
    key: agent.task.key,
    currentBytes: agent.currentBytes,
    ageMs: agent.step * stepMs,
    haltedMs: agent.haltedMs,
    usualMs: like.length > 0 ? all / like.length : undefined,
    gaveUp: agent.stops > 0,
  };
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
