/** memory-pressure watch: handle pressure as it comes, in the foreground, until Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../failure.ts';
import { flagText, wholeNumber, type Call } from '../../flags.ts';
import type { MemorySnapshot } from '../../model.ts';
import { oneLine } from '../../output/answer.ts';
import { handlerSentence, levelSentence } from '../../output/pressure.ts';
import { judgePressure, planLookMs, type PressureLevel } from '../../policy/pressure.ts';
import { loadPressure, recordPressure, rememberedLevel } from '../../state/pressure.ts';
import { openContext, readMachineMemory } from '../context.ts';
import { takeSignals } from '../coordination-memory/signals.ts';
import { liftHold } from './built-in.ts';
import { handlePressure, type Handling } from './handle-pressure.ts';

/** While somebody else is at it: the next try. */
const BUSY_MS = 5000;

/**
 * One line for each change of level and each handling (--json: one object). Polls, since Node cannot wait for the kernel's
 * PSI events: 100 ms to 2 s, by how soon the next level could be reached and by the stalls since the last look.
 * Ends with 0 by --count, by Ctrl-C, or when nobody reads any more.
 */
export async function run(call: Call): Promise<number> {
  const context = await openContext(call);
  const { settings } = context;
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  const countText = flagText(call, 'count');
  const count = countText === undefined ? Infinity : wholeNumber('--count', countText, 1, 1e9);
  for (const line of context.warnings) call.err(line);
  const stop = new AbortController();
  const letGo = takeSignals(() => stop.abort());
  const say = (event: string, data: object, text: string): void => {
    const at = new Date().toISOString();
    call.out(
      call.json ? `${JSON.stringify({ at, event, ...data })}\n` : `${at.slice(11, 19)} ${oneLine(text)}\n`,
    );
  };

  const isOver = (): boolean => stop.signal.aborted || call.readerGone();
  let level: PressureLevel | undefined = rememberedLevel(loadPressure(stateDir), Date.now());
  let told: PressureLevel | undefined;
  let memory: MemorySnapshot | undefined;
  let stalled: number | undefined;
  let nextTryMs = 0;
  let triedLevel: PressureLevel = 'normal';
  try {
    for (let looked = 0; looked < count && !isOver(); looked += 1) {
      if (memory !== undefined) {
        const waitMs = planLookMs(memory, settings, level ?? 'normal', stalled);
        await sleep(waitMs, undefined, { signal: stop.signal }).catch(() => undefined);
        if (isOver()) break;
      }
      const now = await readMachineMemory();
      stalled = memory && stalledShare(memory, now);
      memory = now;
      const judgement = judgePressure(memory, settings, level);
      level = judgement.level;

      if (level !== told) {
        recordPressure(stateDir, liveness, { level, lookedMs: Date.now() });
        say('level', judgement, `${levelSentence(judgement)}; ${judgement.reason}`);
        const lifted = level === 'critical' ? undefined : liftHold(context);
        if (lifted !== undefined) say('note', { text: lifted }, lifted);
        told = level;
      }
      const isDue = Date.now() >= nextTryMs || (level === 'critical' && triedLevel === 'warning');
      if (level === 'normal' || !isDue) continue;
      const handling = await handlePressure({
        context: { ...context, nowMs: Date.now() },
        env: call.env,
        isForced: false,
        readMemory: readMachineMemory,
        stop: stop.signal,
      });
      triedLevel = level;
      level = handling.after.level;
      nextTryMs = Date.now() + nextTryAfterMs(handling, settings.pressure.cooldownMs);
      if (handling.outcome !== 'cooldown') say('handling', handling, handlingText(handling));
    }
  } finally {
    letGo();
  }
  return EXIT.ok;
}

/** How much of the time between two looks some tasks waited for memory, by the kernel's total. */
function stalledShare(before: MemorySnapshot, after: MemorySnapshot): number | undefined {
  const elapsedUs = (after.atMs - before.atMs) * 1000;
  if (before.pressure === undefined || after.pressure === undefined || elapsedUs <= 0) return undefined;
  return (after.pressure.someTotalUs - before.pressure.someTotalUs) / elapsedUs;
}

function nextTryAfterMs({ outcome, retryAfterMs }: Handling, cooldownMs: number): number {
  if (outcome === 'busy') return BUSY_MS;
  return retryAfterMs ?? cooldownMs;
}

function handlingText({ outcome, reason, after, results }: Handling): string {
  const told = results.map((result) => handlerSentence(result).trim());
  return [`${outcome}: ${reason}`, ...told, `now ${levelSentence(after)}`].join('; ');
}
