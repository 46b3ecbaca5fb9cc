/** Has what is measured moved for good (a new release of the agent), so that older records tell nothing any more? */
import { neededBytes, type PeakWindow } from './estimators.ts';

/** So many records in a row, all on one side, are a step: of equal halves less than one in a thousand by chance. */
const NEW_RECORDS = 10;
const OLD_RECORDS = 5;
/** All new ones lie this far from the median of the old ones. */
const DOWN = 0.8;
const UP = 1.25;

export interface Step {
  /** Only the records since the step. */
  readonly window: PeakWindow;
  readonly direction: 'up' | 'down';
}

/** The window since the last step, with as many records as belong to it; undefined: there was none. */
export function findStep({ records }: PeakWindow): Step | undefined {
  if (records.length < NEW_RECORDS + OLD_RECORDS) return undefined;
  const bytes = records.map(neededBytes);
  const least = [...bytes];
  const most = [...bytes];
  for (let at = bytes.length - 2; at >= 0; at -= 1) {
    least[at] = Math.min(least[at] ?? 0, least[at + 1] ?? 0);
    most[at] = Math.max(most[at] ?? 0, most[at + 1] ?? 0);
  }
  const old: number[] = [];
  for (let at = 0; at <= bytes.length - NEW_RECORDS; at += 1) {
    if (at >= OLD_RECORDS) {
      const median = old[old.length >> 1] ?? 0;
      const direction =
        (most[at] ?? 0) < median * DOWN ? 'down' : (least[at] ?? 0) > median * UP ? 'up' : undefined;
      if (direction) {
        const since = records.slice(at);
        return { window: { records: since, total: since.length }, direction };
      }
    }
    insertSorted(old, bytes[at] ?? 0);
  }
  return undefined;
}

function insertSorted(sorted: number[], value: number): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, value);
}
