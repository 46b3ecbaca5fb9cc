/** memory-monitor health: machine, ledger and settings in one look, in the ancestors' fields. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { counts } from '../../policy/charge.ts';
import { shownPhase } from '../../policy/breaker-answer.ts';
import { countByStatus } from '../../output/pool.ts';
import { judgeHealth } from '../../policy/health.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { loadPool } from '../../state/pool.ts';
import { megabytes } from '../../units.ts';
import { lookAtBreaker } from '../breaker-gate.ts';
import { openContext } from '../context.ts';
import { checkLeases } from '../leases.ts';

/** Exit by the machine's level: 0, 20, 30. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const { memory, settings, nowMs } = context;
  const checked = checkLeases(loadLedger(context.stateDir()).leases, context.liveness().isAlive, nowMs, () =>
    readProcessTable(),
  );

  const health = judgeHealth(memory, settings);
  const active = checked.filter(({ life, lease }) => counts(life) && lease.role !== 'coordinator');
  const voided = checked.length - checked.filter(({ life }) => counts(life)).length;
  const memoryStats = {
    process_memory_mb: megabytes(process.memoryUsage.rss()),
    system_memory_available_mb: megabytes(memory.availableBytes),
    active_agents: active.length,
    registered_agents: checked.length,
  };

  const breaker = lookAtBreaker(context);
  const pooled = loadPool(context.stateDir()).agents;
  const agentPool = {
    total_agents: pooled.length,
    max_pool_size: settings.pool.size,
    agents_by_status: countByStatus({ agents: pooled }),
  };
  const circuitBreaker = { state: shownPhase(breaker.state), failure_count: breaker.failureCount };

  return {
    exitCode: { normal: EXIT.ok, warning: EXIT.warning, critical: EXIT.critical }[health.level],
    json: {
      level: health.level,
      reason: health.reason,
      memory_stats: memoryStats,
      circuit_breaker: circuitBreaker,
      agent_pool: agentPool,
    },
    lines: [
      ['level', health.level],
      ['reason', health.reason],
      ...Object.entries(memoryStats),
      ['void_leases', voided],
      ['circuit_breaker', circuitBreaker.state],
      ['failure_count', circuitBreaker.failure_count],
      ['pool_agents', agentPool.total_agents],
      ['max_pool_size', agentPool.max_pool_size],
      [
        'coordinator_running',
        checked.some(({ life, lease }) => counts(life) && lease.role === 'coordinator'),
      ],
      ['memory_enabled', settings.enabled],
      ['state_folder', context.stateDir()],
    ],
    table: () =>
      [
        `${health.level}: ${health.reason}.`,
        `${active.length} agents run, ${voided} leases are void${voided > 0 ? ' (`memory-monitor cleanup` removes them)' : ''}.`,
        `The circuit breaker is ${circuitBreaker.state}.${breaker.answer.allowed ? '' : ` ${breaker.answer.reason}.`}`,
        `State: ${context.stateDir()}. This look took ${memoryStats.process_memory_mb}MB itself.`,
      ].join('\n'),
    talk: context.warnings,
  };
}
