/** `coordinator-setup check`: do the coordinator and all agents of the settings fit on this machine? */
import { EXIT, type ExitCode } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { judgeFit, type Fit } from '../../policy/setup.ts';
import { formatBytes } from '../../units.ts';
import { openContext } from '../context.ts';

const CODES = { fits: EXIT.ok, fewer: EXIT.warning, none: EXIT.critical } satisfies Record<
  Fit['verdict'],
  ExitCode
>;

/** Answers as if nothing else ran; what is free right now is `memory-monitor check`. */
export async function run(call: Call): Promise<Answer> {
  const { settings, memory, warnings } = await openContext(call);

  const fit = judgeFit(settings, memory);

  const lines: [string, LineValue][] = [
    ['total_memory', formatBytes(memory.totalBytes)],
    ['available_memory', formatBytes(memory.availableBytes)],
    ['profile', settings.profile],
    ['coordinator_memory', formatBytes(settings.coordinatorMemoryBytes)],
    ['memory_per_agent', formatBytes(settings.memoryPerAgentBytes)],
    ['max_concurrent', fit.maxConcurrent],
    ['needed_memory', formatBytes(fit.neededBytes)],
    ['room_for_agents', formatBytes(fit.leftBytes)],
    ['agents_that_fit', fit.agents],
    ['binding', fit.binding],
    ['verdict', fit.verdict],
  ];
  return {
    exitCode: CODES[fit.verdict],
    json: fit,
    lines,
    table: () =>
      renderTable(
        ['', ''],
        lines.map(([key, value]) => [key, String(value)]),
      ),
    talk: [...warnings, ...fit.reasons],
  };
}
