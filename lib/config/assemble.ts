/** What do the chosen values come to in the units of the code? */
import type { AgentKind, PressureHandler, RosterAgent, Settings } from '../settings-model.ts';
import { GIB, MIB } from '../units.ts';
import type { Receivers } from './alerts.ts';
import type { Choices } from './rules.ts';
import {
  ALERT_LEVELS,
  ESTIMATOR_CHOICES,
  GATE_ANSWERS,
  GATE_BASH,
  GATE_FAILURES,
  PROFILES,
  RETRY_POLICIES,
} from './setting.ts';
import type { SettingKey } from './settings.ts';

/** The settings in the units of the code: whole bytes, milliseconds, shares from 0 to 1. */
export function assemble(
  choices: Choices,
  agents: ReadonlyMap<string, AgentKind>,
  lists: {
    readonly handlers: readonly PressureHandler[];
    /** undefined: nobody wrote one. */
    readonly roster: readonly RosterAgent[] | undefined;
    /** Commands of a shell that are heavy. */
    readonly heavy: readonly string[];
  },
  receivers: Receivers,
): Settings {
  const value = (key: SettingKey) => choices.get(key)?.value;
  const is = (key: SettingKey) => value(key) === true;
  const number = (key: SettingKey) => Number(value(key));
  const gb = (key: SettingKey) => Math.round(number(key) * GIB);
  const mb = (key: SettingKey) => Math.round(number(key) * MIB);
  const ms = (key: SettingKey) => Math.round(number(key) * 1000);
  const share = (key: SettingKey) => number(key) / 100;
  return {
    profile: PROFILES.find((name) => name === value('profile')) ?? 'auto',
    enabled: is('memory_management.enabled'),
    maxConcurrentAgents: number('memory_management.max_concurrent_agents'),
    memoryPerAgentBytes: gb('memory_management.memory_per_agent_gb'),
    totalMemoryLimitBytes: gb('memory_management.total_memory_limit_gb'),
    coordinatorMemoryBytes: gb('memory_management.coordinator_memory_gb'),
    monitoringEnabled: is('memory_management.monitoring_enabled'),
    cleanupTimeoutMs: ms('memory_management.cleanup_timeout'),
    retryOnMemoryLimit: is('memory_management.retry_on_memory_limit'),
    coordinatorHeapMb: number('node_options.coordinator_heap_size'),
    agentHeapMb: number('node_options.agent_heap_size'),
    gcExposure: is('node_options.gc_exposure'),
    optimizeForSize: is('node_options.optimize_for_size'),
    thresholds: {
      warningBytes: mb('thresholds.warning_mb'),
      criticalBytes: mb('thresholds.critical_mb'),
      maxBytes: mb('thresholds.max_mb'),
      sampleIntervalMs: ms('thresholds.sample_interval'),
      abort: is('thresholds.abort'),
      kernelCeiling: value('thresholds.kernel_ceiling') === 'off' ? 'off' : 'auto',
    },
    subprocess: {
      enabled: is('subprocess.enabled'),
      warnBytes: mb('subprocess.warn_mb'),
      limitBytes: mb('subprocess.limit_mb'),
      aggregateBytes: mb('subprocess.aggregate_mb'),
    },
    admission: {
      floorBytes: mb('admission.floor_mb'),
      safetyBytes: mb('admission.safety_mb'),
      sequentialBytes: mb('admission.sequential_mb'),
      limitedBytes: mb('admission.limited_mb'),
      lookahead: number('admission.lookahead'),
      ageingMs: ms('admission.ageing'),
      leaseMs: ms('admission.lease'),
    },
    pressure: {
      warningShare: share('pressure.warning'),
      criticalShare: share('pressure.critical'),
      cooldownMs: ms('pressure.cooldown'),
      handlers: lists.handlers,
    },
    retry: {
      policy: RETRY_POLICIES.find((name) => name === value('retry.policy')) ?? 'auto',
      memoryAttempts: number('retry.memory_attempts'),
      crashAttempts: number('retry.crash_attempts'),
      timeoutAttempts: number('retry.timeout_attempts'),
      backoffMs: ms('retry.backoff'),
      backoffCapMs: ms('retry.backoff_cap'),
    },
    feedback: {
      estimator: ESTIMATOR_CHOICES.find((name) => name === value('feedback.estimator')) ?? 'p99',
      windowAttempts: number('feedback.window'),
      halfLifeAttempts: number('feedback.half_life'),
      leastAttempts: number('feedback.min_records'),
    },
    circuitBreaker: {
      failures: number('circuit_breaker.failures'),
      windowMs: ms('circuit_breaker.window'),
      recoveryMs: ms('circuit_breaker.recovery'),
      recoveryMostMs: ms('circuit_breaker.recovery_max'),
      availableBytes: mb('circuit_breaker.available_mb'),
      probeMs: ms('circuit_breaker.probe'),
    },
    promptCache: {
      ttlMs: ms('prompt_cache.ttl'),
      maxBytes: mb('prompt_cache.max_mb'),
      maxEntries: number('prompt_cache.max_entries'),
      evictShare: share('prompt_cache.evict_at'),
      sweepEveryMs: ms('prompt_cache.cleanup_interval'),
    },
    orchestrator: {
      agents: lists.roster,
      timeoutMs: ms('orchestrator.timeout'),
      queue: number('orchestrator.queue'),
    },
    alerts: {
      webhook: receivers.webhook,
      command: receivers.command,
      minLevel: ALERT_LEVELS.find((name) => name === value('alerts.min_level')) ?? 'warning',
      timeoutMs: ms('alerts.timeout'),
    },
    pool: {
      size: number('pool.size'),
      idleMs: ms('pool.idle'),
      cleanupMs: ms('pool.cleanup'),
      uses: number('pool.uses'),
      growthBytes: mb('pool.growth_mb'),
      pastFreshBytes: mb('pool.past_fresh_mb'),
    },
    gate: {
      whenFull: GATE_ANSWERS.find((name) => name === value('gate.when_full')) ?? 'deny',
      waitMs: ms('gate.wait'),
      onFailure: GATE_FAILURES.find((name) => name === value('gate.on_failure')) ?? 'allow',
      unstartedMs: ms('gate.unstarted'),
      bash: GATE_BASH.find((name) => name === value('gate.bash')) ?? 'off',
      heavy: lists.heavy,
      toolJobs: number('gate.tool_jobs'),
    },
    agents,
  };
}
