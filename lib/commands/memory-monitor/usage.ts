/** memory-monitor usage: machine, cgroups, swap, pressure, and what is ours. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { sumCharges } from '../../policy/charge.ts';
import { judgeHealth } from '../../policy/health.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { loadLedger } from '../../state/ledger.ts';
import { formatBytes, formatShare, gigabytes, MIB } from '../../units.ts';
import { openContext } from '../context.ts';
import { checkLeases } from '../leases.ts';

/** Exit 0, whatever the level: `check` judges. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const { memory, settings, nowMs } = context;
  const checked = checkLeases(loadLedger(context.stateDir()).leases, context.liveness().isAlive, nowMs, () =>
    readProcessTable(),
  );
  const { readHardware } = await import('../../probe/machine.ts');
  const hardware = await readHardware();

  const charge = sumCharges(checked);
  const health = judgeHealth(memory, settings);
  const { pressure, swapTotalBytes, swapFreeBytes } = memory;

  return {
    exitCode: EXIT.ok,
    json: { memory, charge, health, hardware },
    lines: [
      ['total_memory', gigabytes(memory.totalBytes)],
      ['available_memory', gigabytes(memory.availableBytes)],
      ['memory_unit', 'GB'],
      ['used_percent', Math.round(health.usedShare * 100)],
      ['binding_limit', memory.binding.kind === 'machine' ? 'machine' : memory.binding.name],
      ...memory.bounds.map((bound): [string, LineValue] => [
        'bound',
        `${bound.name} total_mb=${Math.round(bound.totalBytes / MIB)} available_mb=${Math.round(bound.availableBytes / MIB)}`,
      ]),
      ['swap_total_mb', swapTotalBytes === undefined ? undefined : Math.round(swapTotalBytes / MIB)],
      ['swap_free_mb', swapFreeBytes === undefined ? undefined : Math.round(swapFreeBytes / MIB)],
      ['pressure_some_10s_percent', pressure && Math.round(pressure.some10Share * 1000) / 10],
      ['pressure_full_10s_percent', pressure && Math.round(pressure.full10Share * 1000) / 10],
      ['agents_current_mb', Math.round(charge.currentBytes / MIB)],
      ['agents_charged_mb', Math.round(charge.chargedBytes / MIB)],
      ['cpu_cores', hardware.cores],
    ],
    table: async () =>
      [
        await renderTable(
          ['memory of', 'total', 'available', 'used', ''],
          memory.bounds.map((bound) => [
            bound.name,
            formatBytes(bound.totalBytes),
            formatBytes(bound.availableBytes),
            formatShare(bound.totalBytes > 0 ? 1 - bound.availableBytes / bound.totalBytes : 1),
            bound === memory.binding ? 'binds' : '',
          ]),
        ),
        `Swap: ${swapTotalBytes === undefined ? 'unknown' : swapTotalBytes === 0 ? 'none' : `${formatBytes(swapFreeBytes ?? 0)} of ${formatBytes(swapTotalBytes)} free`}.`,
        `Pressure: ${pressure === undefined ? 'the kernel does not tell' : `some ${(pressure.some10Share * 100).toFixed(1)}%, full ${(pressure.full10Share * 100).toFixed(1)}% of the last 10 s`}.`,
        `Agents: ${formatBytes(charge.currentBytes)} in use, ${formatBytes(charge.chargedBytes)} charged.`,
      ].join('\n'),
    talk: context.warnings,
  };
}
