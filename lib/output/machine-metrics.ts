/** Which figures of the machine and of our agents are exported, under which names? */
import type { Lease, MemorySnapshot } from '../model.ts';
import type { Capacity } from '../policy/capacity.ts';
import type { CheckedLease } from '../policy/charge.ts';
import type { MachineHealth } from '../policy/health.ts';
import { single, stateSet, type Metric, type Sample } from './prometheus.ts';

export interface MetricsView {
  readonly version: string;
  readonly memory: MemorySnapshot;
  readonly health: MachineHealth;
  readonly capacity: Capacity;
  readonly leases: readonly CheckedLease[];
  readonly spawnCapacity: number;
  readonly breakerState: string;
}

const LEVELS = ['normal', 'warning', 'critical'];
const MODES = ['full_parallel', 'limited_parallel', 'sequential'];
const PHASES = ['closed', 'open', 'half-open'];
const LIVES = ['live', 'unchecked', 'void-owner-dead', 'void-expired'];

/** All metrics, in a fixed order. Sizes are bytes, times seconds, shares 0 to 1. */
export function machineMetrics(view: MetricsView): Metric[] {
  return [...memoryMetrics(view), ...admissionMetrics(view), ...agentMetrics(view)];
}

function memoryMetrics({ version, memory, health }: MetricsView): Metric[] {
  const bounds = (pick: 'totalBytes' | 'availableBytes'): Sample[] =>
    memory.bounds.map((bound) => ({ labels: { bound: bound.name }, value: bound[pick] }));
  const { pressure } = memory;
  const stall = (kind: string, window: string, value: number): Sample => ({
    labels: { kind, window },
    value,
  });
  return [
    { name: 'claude_pm_build_info', type: 'gauge', help: 'Version of the toolkit.', samples: [{ labels: { version }, value: 1 }] },
    { name: 'claude_pm_memory_total_bytes', type: 'gauge', help: 'Memory of the machine and of each enclosing cgroup with a limit.', samples: bounds('totalBytes') },
    { name: 'claude_pm_memory_available_bytes', type: 'gauge', help: 'What could be had now of the machine and of each enclosing cgroup.', samples: bounds('availableBytes') },
    single('gauge', 'claude_pm_memory_used_ratio', 'Share in use of the limit that is worst off.', health.usedShare),
    stateSet('claude_pm_memory_level', 'How short memory is: 1 for the level that it is now.', 'level', LEVELS, health.level),
    single('gauge', 'claude_pm_swap_total_bytes', 'Swap space.', memory.swapTotalBytes),
    single('gauge', 'claude_pm_swap_free_bytes', 'Unused swap space.', memory.swapFreeBytes),
    {
      name: 'claude_pm_memory_pressure_ratio',
      type: 'gauge',
      help: 'Share of the window in which some or all tasks waited for memory.',
      samples: pressure === undefined ? [] : [
        stall('some', '10s', pressure.some10Share), stall('some', '60s', pressure.some60Share),
        stall('full', '10s', pressure.full10Share), stall('full', '60s', pressure.full60Share),
      ],
    },
    {
      name: 'claude_pm_memory_stalled_seconds_total',
      type: 'counter',
      help: 'Time in which some or all tasks waited for memory, since boot.',
      samples: pressure === undefined ? [] : [
        { labels: { kind: 'some' }, value: pressure.someTotalUs / 1e6 }, { labels: { kind: 'full' }, value: pressure.fullTotalUs / 1e6 },
      ],
    },
  ]; // prettier-ignore
}

function admissionMetrics({ capacity, spawnCapacity, breakerState }: MetricsView): Metric[] {
  const { charge, headroomBytes } = capacity;
  return [
    single('gauge', 'claude_pm_agents_running', 'Agents and sub-agents that hold a share.', capacity.liveAgents),
    single('gauge', 'claude_pm_agents_max', 'The most that may run at once.', capacity.maxConcurrent),
    single('gauge', 'claude_pm_spawn_capacity', 'How many agents of the usual size may start now.', spawnCapacity),
    stateSet('claude_pm_mode', 'How many may run side by side by what is free: 1 for the mode that it is now.', 'mode', MODES, capacity.mode),
    single('gauge', 'claude_pm_headroom_bytes', 'What the tightest limit leaves for further agents.', headroomBytes),
    single('gauge', 'claude_pm_charge_current_bytes', 'What agents and the coordinator use of their shares now.', charge.currentBytes),
    single('gauge', 'claude_pm_charge_promised_bytes', 'What is promised to them and not used yet.', charge.promisedBytes),
    stateSet('claude_pm_circuit_breaker', 'State of the circuit breaker: 1 for the state that it is in now.', 'state', PHASES, breakerState),
  ]; // prettier-ignore
}

function agentMetrics({ leases }: MetricsView): Metric[] {
  const live = leases
    .filter(({ life }) => life === 'live' || life === 'unchecked')
    .map(({ lease, treeBytes }) => ({ lease, treeBytes, labels: labelsOf(lease) }));
  const of = (pick: (one: (typeof live)[number]) => number | undefined): Sample[] =>
    live.flatMap((one) => {
      const value = pick(one);
      return value === undefined ? [] : [{ labels: one.labels, value }];
    });
  const lives = LIVES.map((life) => ({
    labels: { life },
    value: leases.filter((one) => one.life === life).length,
  }));
  return [
    { name: 'claude_pm_leases', type: 'gauge', help: 'Entries of the ledger; void ones count nothing.', samples: lives },
    // A sub-agent lives in its client's tree, which is not its own.
    { name: 'claude_pm_agent_memory_bytes', type: 'gauge', help: 'Private memory of the process tree of an agent.', samples: of(({ lease, treeBytes }) => (lease.role === 'subagent' || lease.state === 'starting' ? undefined : treeBytes)) },
    { name: 'claude_pm_agent_estimate_bytes', type: 'gauge', help: 'What an agent was admitted with.', samples: of(({ lease }) => lease.estimateBytes) },
    { name: 'claude_pm_agent_limit_bytes', type: 'gauge', help: 'Where an agent is stopped.', samples: of(({ lease }) => lease.limitBytes) },
  ]; // prettier-ignore
}

function labelsOf({ project, epic, key, kind, role }: Lease): Record<string, string> {
  return { project, epic: epic ?? '', key, kind, role };
}
