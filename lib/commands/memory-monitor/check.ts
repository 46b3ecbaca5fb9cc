/** memory-monitor check: may an agent start now? What cron lines and scripts ask most often, so it loads little. */
import { EXIT, Failure } from '../../failure.ts';
import { isThere } from '../../files.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import type { BreakerAnswer } from '../../policy/breaker-answer.ts';
import { judgeCapacity, spawnCapacity, spawnLimit } from '../../policy/capacity.ts';
import { judgeHealth } from '../../policy/health.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { breakerPath } from '../../state/paths.ts';
import { formatBytes, gigabytes, MIB, parseSize } from '../../units.ts';
import { openContext, type Context } from '../context.ts';
import { checkLeases } from '../leases.ts';

/** Exit 75 where the need does not fit or the circuit breaker lets nothing start, else by the machine's level: 0, 20, 30. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const { settings, memory, nowMs } = context;
  const { leases, mode: modeBefore } = loadLedger(context.stateDir());
  const checked = checkLeases(leases, context.liveness().isAlive, nowMs, () => readProcessTable());
  const need = readNeed(call, settings.memoryPerAgentBytes);

  const capacity = judgeCapacity({ settings, memory, leases: checked, budget: undefined, modeBefore });
  const health = judgeHealth(memory, settings);
  const isUnderFloor = settings.enabled && memory.availableBytes < settings.admission.floorBytes;
  const fits = isUnderFloor ? 0 : spawnCapacity(capacity, need.bytes);
  const breaker = await lookAtBreaker(context);
  const hasRoom = need.isAsked ? fits >= need.count : true;
  const alone =
    fits === 0 && capacity.liveAgents === 0 && memory.availableBytes >= settings.admission.floorBytes;

  const exitCode =
    !hasRoom || !breaker.allowed
      ? EXIT.later
      : { normal: EXIT.ok, warning: EXIT.warning, critical: EXIT.critical }[health.level];
  const [tightest] = capacity.rooms;
  return {
    exitCode,
    json: {
      level: health.level,
      reason: health.reason,
      need,
      spawnCapacity: fits,
      singleAgent: alone,
      circuitBreaker: breaker,
      memory,
      capacity,
    },
    lines: [
      ['level', health.level],
      ['reason', health.reason],
      ['total_memory', gigabytes(memory.totalBytes)],
      ['available_memory', gigabytes(memory.availableBytes)],
      ['memory_unit', 'GB'],
      ['running_agents', capacity.liveAgents],
      ['max_concurrent', capacity.maxConcurrent],
      ['spawn_capacity', fits],
      ['single_agent', alone ? true : undefined],
      ['memory_enabled', settings.enabled],
      ['mode', capacity.mode],
      ['limited_by', spawnLimit(capacity, need.bytes)],
      [
        'headroom_mb',
        Number.isFinite(capacity.headroomBytes) ? Math.round(capacity.headroomBytes / MIB) : undefined,
      ],
      [
        'short_by_mb',
        hasRoom ? undefined : Math.ceil(Math.max(0, need.bytes * need.count - capacity.headroomBytes) / MIB),
      ],
      ['circuit_breaker', breaker.state],
      ['circuit_breaker_reason', breaker.allowed ? undefined : breaker.reason],
      ['retry_after_seconds', breaker.allowed ? undefined : Math.ceil(breaker.retryAfterMs / 1000)],
    ],
    table: () =>
      [
        `${health.level}: ${health.reason}.`,
        need.isAsked
          ? `${hasRoom ? 'There is' : 'There is no'} room for ${need.count} more of ${formatBytes(need.bytes)}.`
          : `${fits} more agents of ${formatBytes(need.bytes)} may start; ${capacity.liveAgents} of ${capacity.maxConcurrent} run.`,
        ...(breaker.allowed ? [] : [`Nothing starts: ${breaker.reason}.`]),
        `Tightest: ${tightest?.name ?? 'the machine'}, ${formatBytes(Math.max(0, tightest?.headroomBytes ?? 0))} of headroom.`,
      ].join('\n'),
    talk: context.warnings,
  };
}

/** Nearly always there is no file, and then none of the breaker's code is loaded. */
async function lookAtBreaker(context: Context): Promise<BreakerAnswer> {
  if (!isThere(breakerPath(context.stateDir()))) return { allowed: true, probe: false, state: 'closed' };
  const gate = await import('../breaker-gate.ts');
  return gate.lookAtBreaker(context).answer;
}

/** `--need 3`: three agents as the settings have them; `--need 4GB`: one of that size. */
function readNeed(call: Call, perAgentBytes: number): { count: number; bytes: number; isAsked: boolean } {
  const text = flagText(call, 'need');
  if (text === undefined) return { count: 1, bytes: perAgentBytes, isAsked: false };
  if (/^\d{1,4}$/.test(text) && Number(text) > 0)
    return { count: Number(text), bytes: perAgentBytes, isAsked: true };
  const bytes = parseSize(text);
  if (bytes === undefined || bytes < MIB)
    throw new Failure(`--need ${shownWord(text)} is neither a number of agents nor a size; write 3 or 4GB`);
  return { count: 1, bytes, isAsked: true };
}
