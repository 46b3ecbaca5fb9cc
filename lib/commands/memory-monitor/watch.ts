/** memory-monitor watch: one look after another until Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, Failure } from '../../failure.ts';
import { flagDuration, flagText, wholeNumber, type Call } from '../../flags.ts';
import { judgeCapacity } from '../../policy/capacity.ts';
import { judgeHealth } from '../../policy/health.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { formatBytes, formatShare, megabytes } from '../../units.ts';
import { openContext, readMachineMemory } from '../context.ts';
import { checkLeases } from '../leases.ts';

const DEFAULT_MS = 2000;
const LEAST_MS = 100;

/** One line a look (--json: one object). Ends with 0 by --count, by Ctrl-C, or when nobody reads any more. */
export async function run(call: Call): Promise<number> {
  const context = await openContext(call);
  const { settings } = context;
  const intervalMs = flagDuration(call, 'interval') ?? DEFAULT_MS;
  if (intervalMs < LEAST_MS) throw new Failure(`--interval must be at least ${LEAST_MS}ms`);
  const countText = flagText(call, 'count');
  const count = countText === undefined ? Infinity : wholeNumber('--count', countText, 1, 1e9);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end).once('SIGTERM', end);

  const isOver = (): boolean => stop.signal.aborted || call.readerGone();
  for (let looked = 0; looked < count && !isOver(); looked += 1) {
    if (looked > 0) await sleep(intervalMs, undefined, { signal: stop.signal }).catch(() => undefined);
    if (isOver()) break;
    const nowMs = Date.now();
    const memory = await readMachineMemory();
    const leases = checkLeases(loadLedger(context.stateDir()).leases, context.liveness().isAlive, nowMs, () =>
      readProcessTable(),
    );

    const capacity = judgeCapacity({ settings, memory, leases, budget: undefined });
    const { level, usedShare } = judgeHealth(memory, settings);

    const some = memory.pressure?.some10Share;
    const look = {
      at: new Date(nowMs).toISOString(),
      level,
      available_mb: megabytes(memory.availableBytes),
      used_percent: Math.round(usedShare * 100),
      running_agents: capacity.liveAgents,
      agents_mb: megabytes(capacity.charge.currentBytes),
      charged_mb: megabytes(capacity.charge.chargedBytes),
      pressure_some_10s_percent: some === undefined ? undefined : Math.round(some * 1000) / 10,
    };
    const stall = some === undefined ? '' : `, ${(some * 100).toFixed(1)}% stalled`;
    const line = `${look.at.slice(11, 19)} ${level}: ${formatBytes(memory.availableBytes)} available, ${formatShare(usedShare)} used${stall}; ${capacity.liveAgents} agents, ${formatBytes(capacity.charge.currentBytes)} of ${formatBytes(capacity.charge.chargedBytes)} charged`;
    call.out(`${call.json ? JSON.stringify(look) : line}\n`);
  }
  process.off('SIGINT', end).off('SIGTERM', end);
  return EXIT.ok;
}
