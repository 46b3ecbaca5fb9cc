/** memory-pressure handle: what can be done about memory pressure, once; for cron and scripts. */
import { EXIT, type ExitCode } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import {
  figureLines,
  handlerLine,
  handlerSentence,
  LEVEL_EXIT,
  levelSentence,
} from '../../output/pressure.ts';
import { openContext, readMachineMemory } from '../context.ts';
import { takeSignals } from '../coordination-memory/signals.ts';
import { handlePressure, type Handling } from './handle-pressure.ts';

/** Exit 0 at level normal, before or after; 20 or 30 where that level remains; 75 in the cooldown or if another one is at it. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const stop = new AbortController();
  const letGo = takeSignals(() => stop.abort());

  let handling: Handling;
  try {
    handling = await handlePressure({
      context,
      env: call.env,
      isForced: call.flags['force'] === true,
      readMemory: readMachineMemory,
      stop: stop.signal,
    });
  } finally {
    letGo();
  }

  return handlingAnswer(handling, context.warnings);
}

function exitOf({ outcome, after }: Handling): ExitCode {
  return outcome === 'nothing' || outcome === 'handled' ? LEVEL_EXIT[after.level] : EXIT.later;
}

function handlingAnswer(handling: Handling, warnings: readonly string[]): Answer {
  const { outcome, reason, before, after, results, retryAfterMs, notes } = handling;
  const failed = results.filter(({ status }) => status !== 'done');
  return {
    exitCode: exitOf(handling),
    json: handling,
    lines: [
      ['decision', outcome],
      ['reason', reason],
      ['level', before.level],
      ['level_after', after.level],
      ...figureLines(after),
      ['handlers', results.length],
      ['failed_handlers', failed.length],
      ...results.map(handlerLine),
      ['retry_after_seconds', retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000)],
    ],
    table: () =>
      [`${levelSentence(before)}.`, `${outcome}: ${reason}.`, ...results.map(handlerSentence)]
        .concat(results.length > 0 ? [`Now ${levelSentence(after)}.`] : [])
        .join('\n'),
    talk: [...warnings, ...notes],
  };
}
