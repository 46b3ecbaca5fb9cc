/** Which settings does every run rest on: profile, memory_management, node_options, thresholds, admission? */
import { memory, reserve, whole } from '../setting.ts';
import type { Setting } from '../setting.ts';

/**
 * Every setting by its dotted key. The sections memory_management and node_options keep their ancestors' names and
 * defaults, made for a machine of 96 GB: a sixth of it for the coordinator, a twelfth for an agent.
 * Laptop: an agent and the coordinator get a sixth each, so two agents and the coordinator are half of the machine.
 */
export const SPINE_SETTINGS = {
  profile: {
    type: 'profile',
    standard: 'auto',
    meaning: 'Which defaults: auto fits this machine, laptop takes half of it, workstation is for 96 GB.',
  },
  'memory_management.enabled': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, memory holds nothing back; only max_concurrent_agents does.',
  },
  'memory_management.max_concurrent_agents': {
    type: 'integer',
    range: [1, 1000],
    standard: 8,
    figures: { laptop: 2 },
    meaning: 'The most agents that run at once, however much memory is free.',
  },
  'memory_management.memory_per_agent_gb': {
    type: 'gigabytes',
    range: [0.25, 1024],
    standard: 8,
    figures: { auto: memory(12), strict: memory(12), laptop: memory(6) },
    meaning: 'What an agent is expected to need and where it is stopped, unless its kind or stream says so.',
  },
  'memory_management.total_memory_limit_gb': {
    type: 'gigabytes',
    range: [0.25, 65536],
    standard: 96,
    figures: { auto: whole(1), strict: whole(1), laptop: whole(2) },
    meaning: 'The most that all agents and the coordinator may use together.',
  },
  'memory_management.coordinator_memory_gb': {
    type: 'gigabytes',
    range: [0, 1024],
    standard: 16,
    figures: { auto: memory(6), strict: memory(6), laptop: memory(6) },
    meaning: 'What is kept for the coordinator while it is not running.',
  },
  'memory_management.monitoring_enabled': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, agents are measured but never stopped for their memory.',
  },
  'memory_management.cleanup_timeout': {
    type: 'seconds',
    range: [0, 3600],
    standard: 30,
    meaning: 'How long an agent may take to end by itself (TERM) before it is ended (KILL).',
  },
  'memory_management.retry_on_memory_limit': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, nothing is tried again after it ran out of memory.',
  },
  'node_options.coordinator_heap_size': {
    type: 'whole_megabytes',
    range: [64, 1048576],
    standard: 16384,
    figures: { auto: memory(6), strict: memory(6), laptop: memory(6) },
    meaning: "The coordinator's V8 heap, where its program takes heap flags.",
  },
  'node_options.agent_heap_size': {
    type: 'whole_megabytes',
    range: [64, 1048576],
    standard: 8192,
    figures: { auto: memory(12), strict: memory(12), laptop: memory(6) },
    meaning: "An agent's V8 heap, where its program takes heap flags.",
  },
  'node_options.gc_exposure': {
    type: 'boolean',
    standard: true,
    meaning: 'Lets programs call the garbage collector (--expose-gc), where Node takes it.',
  },
  'node_options.optimize_for_size': {
    type: 'boolean',
    standard: true,
    meaning: 'Trades speed for a smaller heap.',
  },
  'thresholds.warning_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 1024,
    figures: { strict: 500 },
    meaning: 'A single guarded command: from here on a warning.',
  },
  'thresholds.critical_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 2048,
    figures: { strict: 1000 },
    meaning: 'A single guarded command: from here on a critical alert.',
  },
  'thresholds.max_mb': {
    type: 'megabytes',
    range: [1, 1048576],
    standard: 4096,
    figures: { strict: 2000 },
    meaning: 'A single guarded command: here it is stopped.',
  },
  'thresholds.sample_interval': {
    type: 'seconds',
    range: [0.05, 2],
    standard: 2,
    meaning: 'The longest time between two looks; it shrinks by itself as memory gets short.',
  },
  'thresholds.abort': {
    type: 'boolean',
    standard: true,
    meaning: 'When false, crossings are reported and nothing is stopped.',
  },
  'thresholds.kernel_ceiling': {
    type: 'kernel_ceiling',
    standard: 'auto',
    meaning:
      'A cgroup or systemd scope for each agent, a little above its limit, where this machine gives one.',
  },
  'admission.floor_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 1024,
    figures: { auto: reserve(24), strict: reserve(24), laptop: 500 },
    meaning: 'With less than this available, nothing starts, not even a single agent.',
  },
  'admission.safety_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 512,
    figures: { auto: reserve(48), strict: reserve(48), laptop: 300 },
    meaning: 'Kept free on top of everything that is promised.',
  },
  // Eight agents of a twelfth and a coordinator of a sixth leave a sixth free: a machine that is used as planned stays in full_parallel.
  'admission.sequential_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 2048,
    figures: { auto: reserve(12), strict: reserve(12), laptop: 1000 },
    meaning: 'With less than this available, one agent runs at a time (mode sequential); 0: never.',
  },
  'admission.limited_mb': {
    type: 'megabytes',
    range: [0, 1048576],
    standard: 4096,
    figures: { auto: reserve(6), strict: reserve(6), laptop: 2000 },
    meaning: 'With less than this available, at most two run at once (mode limited_parallel); 0: never.',
  },
  'admission.lookahead': {
    type: 'integer',
    range: [0, 1000],
    standard: 20,
    meaning: 'How many waiting streams behind a blocked one may overtake it.',
  },
  'admission.ageing': {
    type: 'seconds',
    range: [0, 86400],
    standard: 60,
    meaning: 'A stream that has waited this long is overtaken no more.',
  },
  'admission.lease': {
    type: 'seconds',
    range: [1, 604800],
    standard: 3600,
    meaning: 'How long a lease without a process of its own lasts.',
  },
} as const satisfies Record<string, Setting>;
