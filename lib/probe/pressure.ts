/** How much time do tasks lose waiting for memory? The kernel's pressure stall information. */
import type { PressureStall } from '../model.ts';

/**
 * Reads the text of /proc/pressure/memory: percentages of wall time become shares 0 to 1, totals stay microseconds.
 * undefined for a text of any other form. Source: Documentation/accounting/psi.rst.
 */
export function parsePressure(text: string): PressureStall | undefined {
  const some = parseLine(text, SOME);
  const full = parseLine(text, FULL);
  if (!some || !full) return undefined;
  return {
    some10Share: some.avg10,
    some60Share: some.avg60,
    full10Share: full.avg10,
    full60Share: full.avg60,
    someTotalUs: some.totalUs,
    fullTotalUs: full.totalUs,
  };
}

const SOME = /^some avg10=(\d+\.\d+) avg60=(\d+\.\d+) avg300=\d+\.\d+ total=(\d+)$/m;
const FULL = /^full avg10=(\d+\.\d+) avg60=(\d+\.\d+) avg300=\d+\.\d+ total=(\d+)$/m;

function parseLine(text: string, pattern: RegExp) {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const [avg10, avg60, totalUs] = match.slice(1).map(Number);
  if (avg10 === undefined || avg60 === undefined || totalUs === undefined) return undefined;
  if (avg10 > 100 || avg60 > 100) return undefined;
  return { avg10: avg10 / 100, avg60: avg60 / 100, totalUs };
}
