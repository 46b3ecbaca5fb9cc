/** How would this work have gone under this rule on a machine of this size? Memory traces step by step, no processes. */

/** One agent's whole need, known to nobody but the simulator. */
export interface SimTask {
  readonly key: string;
  readonly kind: string;
  /** The most that it holds in each step of its own time. */
  readonly bytes: Float64Array;
}

/** An agent as a rule may see it: only what is past. */
export interface SimAgent {
  readonly task: SimTask;
  /** Steps of its own time that the present attempt has lived. */
  step: number;
  currentBytes: number;
  /** In the last step. */
  grewBytes: number;
  /** The most it has been, in earlier attempts too. */
  seenBytes: number;
  /** Attempts that were stopped for memory. */
  stops: number;
  isPaused: boolean;
  /** How long it has been halted in one go. */
  haltedMs: number;
  /** What it was admitted with. */
  estimateBytes: number;
}

export interface SimWorld {
  readonly nowMs: number;
  readonly stepMs: number;
  readonly budgetBytes: number;
  readonly running: readonly SimAgent[];
  /** In the order of the queue. */
  readonly waiting: readonly SimAgent[];
  readonly usedBytes: number;
}

export interface SimPauses {
  readonly pause: readonly SimAgent[];
  readonly resume: readonly SimAgent[];
  /** Halted for too long: it is stopped, and counts as a kill. */
  readonly giveUp: readonly SimAgent[];
}

/** A way of running agents. It may look at `task.key` and `task.kind`, and only an oracle at `task.bytes` beyond `step`. */
export interface SimRule {
  readonly name: string;
  /** Who starts now. */
  readonly admit: (world: SimWorld) => readonly SimAgent[];
  /** Who goes, now that more is used than there is: the kernel's choice, or the rule's. */
  readonly victim: (world: SimWorld) => SimAgent;
  /** Who is halted, goes on or gives its place up, before the next step. */
  readonly pauses?: (world: SimWorld) => SimPauses;
  /** What it learns: an attempt ended, after so many steps. */
  readonly ended?: (agent: SimAgent, how: 'done' | 'stopped', world: SimWorld) => void;
  /** Where one that was stopped waits. */
  readonly requeue: 'front' | 'back';
}

export interface SimResult {
  readonly rule: string;
  readonly makespanMs: number;
  /** false: given up, see `mostSteps`. */
  readonly isFinished: boolean;
  readonly kills: number;
  /** Agents' own time that was thrown away. */
  readonly lostMs: number;
  readonly pausedMs: number;
  /** Byte-time of attempts that were stopped, as a share of what the work needs. */
  readonly wastedShare: number;
  /** Of the budget in use, on average. */
  readonly usedShare: number;
}

/**
 * Plays all tasks to their end. Each step: the rule admits; every agent that is not halted lives one step; whoever is through
 * leaves; while more is used than the budget somebody is stopped, loses all and waits again; the rule halts or resumes.
 */
export function simulate(
  tasks: readonly SimTask[],
  rule: SimRule,
  limits: { readonly budgetBytes: number; readonly stepMs: number; readonly mostSteps: number },
): SimResult {
  const { budgetBytes, stepMs, mostSteps } = limits;
  let waiting = tasks.map(newAgent);
  let running: SimAgent[] = [];
  const totals = { kills: 0, lostMs: 0, pausedMs: 0, wasted: 0, used: 0 };
  let steps = 0;
  const world = (): SimWorld => {
    const usedBytes = running.reduce((sum, { currentBytes }) => sum + currentBytes, 0);
    return { nowMs: steps * stepMs, stepMs, budgetBytes, running, waiting, usedBytes };
  };

  for (; waiting.length + running.length > 0 && steps < mostSteps; steps += 1) {
    const started = new Set(rule.admit(world()));
    waiting = waiting.filter((agent) => !started.has(agent));
    running = [...running, ...started];
    for (const agent of running) {
      if (agent.isPaused) totals.pausedMs += stepMs;
      else live(agent);
    }
    const through = running.filter(({ step, task }) => step > task.bytes.length);
    running = running.filter((agent) => !through.includes(agent));
    for (const agent of through) rule.ended?.(agent, 'done', world());

    const stop = (victim: SimAgent, now: SimWorld): void => {
      running = running.filter((agent) => agent !== victim);
      rule.ended?.(victim, 'stopped', now);
      totals.kills += 1;
      totals.lostMs += victim.step * stepMs;
      totals.wasted += sum(victim.task.bytes.subarray(0, victim.step));
      waiting = rule.requeue === 'front' ? [victim, ...waiting] : [...waiting, victim];
      restart(victim);
    };
    for (let now = world(); now.usedBytes > budgetBytes && running.length > 1; now = world())
      stop(rule.victim(now), now);
    const now = world();
    totals.used += Math.min(now.usedBytes, budgetBytes);
    const plan = rule.pauses?.(now);
    for (const agent of plan?.pause ?? []) agent.isPaused = true;
    for (const agent of plan?.resume ?? []) agent.isPaused = false;
    for (const agent of plan?.giveUp ?? []) stop(agent, world());
    for (const agent of running) agent.haltedMs = agent.isPaused ? agent.haltedMs + stepMs : 0;
  }
  const useful = tasks.reduce((all, { bytes }) => all + sum(bytes), 0);
  return {
    rule: rule.name,
    makespanMs: steps * stepMs,
    isFinished: waiting.length + running.length === 0,
    kills: totals.kills,
    lostMs: totals.lostMs,
    pausedMs: totals.pausedMs,
    wastedShare: totals.wasted / Math.max(1, useful),
    usedShare: totals.used / Math.max(1, steps) / budgetBytes,
  };
}

/** No rule is faster: the memory-time area over the budget, and the longest task. */
export function simLowerBoundMs(tasks: readonly SimTask[], budgetBytes: number, stepMs: number): number {
  const area = tasks.reduce((all, { bytes }) => all + sum(bytes), 0) * stepMs;
  const longest = tasks.reduce((most, { bytes }) => Math.max(most, bytes.length), 0) * stepMs;
  return Math.max(area / budgetBytes, longest);
}

function newAgent(task: SimTask): SimAgent {
  return {
    task,
    step: 0,
    currentBytes: 0,
    grewBytes: 0,
    seenBytes: 0,
    stops: 0,
    isPaused: false,
    haltedMs: 0,
    estimateBytes: 0,
  };
}

function live(agent: SimAgent): void {
  const before = agent.currentBytes;
  agent.step += 1;
  agent.currentBytes = agent.task.bytes[agent.step - 1] ?? 0;
  agent.grewBytes = agent.currentBytes - before;
  agent.seenBytes = Math.max(agent.seenBytes, agent.currentBytes);
}

function restart(agent: SimAgent): void {
  agent.stops += 1;
  agent.step = 0;
  agent.currentBytes = 0;
  agent.grewBytes = 0;
  agent.isPaused = false;
  agent.haltedMs = 0;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
