/** memory-pressure status: the level, the figures behind it, and what was done about it last. */
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import {
  figureLines,
  handlerLine,
  handlerSentence,
  LEVEL_EXIT,
  levelSentence,
} from '../../output/pressure.ts';
import { judgePressure } from '../../policy/pressure.ts';
import { loadPressure, rememberedLevel } from '../../state/pressure.ts';
import { formatDuration } from '../../units.ts';
import { openContext } from '../context.ts';
import { readHoldMs } from './built-in.ts';

/** Exit by the level: 0, 20, 30. Changes nothing. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const { settings, memory, nowMs } = context;
  const state = loadPressure(context.stateDir());
  const holdMs = readHoldMs(context, nowMs);

  const judgement = judgePressure(memory, settings, rememberedLevel(state, nowMs));

  const { last } = state;
  const sinceMs = last === undefined ? undefined : Math.max(0, nowMs - last.atMs);
  const cooldownMs = sinceMs === undefined ? 0 : Math.max(0, settings.pressure.cooldownMs - sinceMs);
  return {
    exitCode: LEVEL_EXIT[judgement.level],
    json: { ...judgement, holdMs, cooldownMs, last },
    lines: [
      ['level', judgement.level],
      ['reason', judgement.reason],
      ...figureLines(judgement),
      ['hold_seconds', holdMs > 0 ? Math.ceil(holdMs / 1000) : undefined],
      ['cooldown_seconds', cooldownMs > 0 ? Math.ceil(cooldownMs / 1000) : undefined],
      ['last_handled', last && new Date(last.atMs).toISOString()],
      ['last_level', last?.level],
      ['last_level_after', last?.levelAfter],
      ...(last?.results ?? []).map(handlerLine),
    ],
    table: () =>
      [
        `${levelSentence(judgement)}.`,
        `${judgement.reason}.`,
        ...(holdMs > 0 ? [`Admissions are held for ${formatDuration(holdMs)} more at most.`] : []),
        last === undefined || sinceMs === undefined
          ? 'Nothing was handled yet.'
          : `Handled ${formatDuration(sinceMs)} ago at ${last.level}, ${last.levelAfter} afterwards:`,
        ...(last?.results ?? []).map(handlerSentence),
      ].join('\n'),
    talk: context.warnings,
  };
}
