/** Which past runs does a forecast of a stream look at, and what can be made of one of which only totals are known? */
import type { PastAttempt, ProfileSegment } from '../history-model.ts';
import { compileRun, tellingRuns, type CompiledRun } from './forecast.ts';
import { MOST_SEGMENTS } from './profile.ts';

/** What is known of an attempt without a profile. */
type Totals = Pick<PastAttempt, 'peakBytes' | 'averageBytes' | 'durationMs'>;

/** Without an average it is taken to have held its peak from the first moment on. */
const MOST_POWER = 8;

/**
 * A course that has this peak, this average and this duration: it grows as a power of time, so that the peak comes last, which
 * is the most that others can run into. Worked values: an average of half of the peak is a straight line, a third the square.
 */
export function courseOf({ peakBytes, averageBytes, durationMs }: Totals): readonly ProfileSegment[] {
  if (durationMs <= 0) return [];
  const share = Math.min(1, Math.max(0, (averageBytes ?? peakBytes) / Math.max(1, peakBytes)));
  const power = Math.min(MOST_POWER, share > 0 ? 1 / share - 1 : MOST_POWER);
  return Array.from({ length: MOST_SEGMENTS }, (_, at) => {
    const part = (at + 1) / MOST_SEGMENTS;
    return { untilMs: durationMs * part, bytes: Math.round(peakBytes * part ** power) };
  });
}

/** The attempt as a forecast reads it; undefined where nothing is known of its course. */
export function compileAttempt(attempt: PastAttempt): CompiledRun | undefined {
  const profile = attempt.profile.length > 0 ? attempt.profile : courseOf(attempt);
  return compileRun({ profile, isCensored: attempt.isCensored });
}

/** The newest of these as a forecast reads them, the oldest first, without stopped ones that tell nothing. */
export function compileNewest(attempts: readonly PastAttempt[], most: number): CompiledRun[] {
  const runs: CompiledRun[] = [];
  for (let at = attempts.length - 1; at >= 0 && runs.length < most; at -= 1) {
    const attempt = attempts[at];
    const run = attempt && compileAttempt(attempt);
    if (run) runs.push(run);
  }
  return tellingRuns(runs.reverse());
}
