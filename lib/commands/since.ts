/** From when on does `--since` mean? */
import { Failure } from '../failure.ts';
import { flagText, shownWord, type Call } from '../flags.ts';
import { parseDuration } from '../units.ts';

const MOMENT = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** `2h` ago, or a date or time as ISO 8601 writes it: epoch milliseconds. @throws Failure for anything else. */
export function sinceFlag(call: Call, nowMs: number): number | undefined {
  const text = flagText(call, 'since');
  if (text === undefined) return undefined;
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return nowMs - agoMs;
  const atMs = MOMENT.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(atMs)) return atMs;
  throw new Failure(
    `--since ${shownWord(text)} is neither a duration nor a time; write 2h or 2026-01-31T12:00`,
  );
}
