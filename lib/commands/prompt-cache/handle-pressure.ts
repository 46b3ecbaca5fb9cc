/** prompt-cache handle-pressure: drops what memory pressure asks for, and measures what that was. */
import { EXIT, Failure } from '../../failure.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { removedAnswer } from '../../output/prompt-cache.ts';
import { judgePressure, PRESSURE_LEVELS, type PressureLevel } from '../../policy/pressure.ts';
import { loadPressure, rememberedLevel } from '../../state/pressure.ts';
import { openContext, type Context } from '../context.ts';
import { relieveCache } from './cache.ts';

/** Exit 0. Half goes at warning, three quarters at critical, nothing at normal; `memory-pressure handle` does the same by itself. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const level = levelOf(call) ?? judgedLevel(context);

  const removed = level === 'normal' ? undefined : relieveCache(context, level);

  return removedAnswer(removed, level, EXIT.ok, context.warnings);
}

function levelOf(call: Call): PressureLevel | undefined {
  const text = flagText(call, 'level');
  if (text === undefined) return undefined;
  const level = PRESSURE_LEVELS.find((name) => name === text);
  if (level === undefined)
    throw new Failure(`--level ${shownWord(text)} is none of ${PRESSURE_LEVELS.join(', ')}`);
  return level;
}

function judgedLevel({ memory, settings, stateDir, nowMs }: Context): PressureLevel {
  return judgePressure(memory, settings, rememberedLevel(loadPressure(stateDir()), nowMs)).level;
}
