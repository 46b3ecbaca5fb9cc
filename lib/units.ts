/** What do people write, and what number is it? Sizes, shares and durations; MB and GB are binary, as in Node's flags. */

export const KIB = 1024;
export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1, b: 1, k: KIB, kb: KIB, kib: KIB, m: MIB, mb: MIB, mib: MIB, g: GIB, gb: GIB, gib: GIB, t: 1024 * GIB, tb: 1024 * GIB, tib: 1024 * GIB,
}; // prettier-ignore

const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  '': 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `"8GB"`, `"512 MB"`, `"1.5g"`, `"2097152"` -> bytes (a whole number); undefined if it is no size. */
export function parseSize(text: string): number | undefined {
  return parseWithUnit(text, SIZE_UNITS);
}

/** `"30s"`, `"500ms"`, `"2m"`, `"1.5h"`, `"30"` (seconds) -> milliseconds; undefined if it is no duration. */
export function parseDuration(text: string): number | undefined {
  return parseWithUnit(text, TIME_UNITS);
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zA-Z]*)\s*$/.exec(text);
  if (!match) return undefined;
  const unit = (match[2] ?? '').toLowerCase();
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (factor === undefined) return undefined;
  const value = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `"25%"` or `"0.25"` -> 0.25; undefined if it is no share from 0 to 1. */
export function parseShare(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*$/.exec(text);
  if (!match) return undefined;
  const value = Number(match[1]) / (match[2] === '%' ? 100 : 1);
  return value <= 1 ? value : undefined;
}

/** Bytes for people: `512.3MB`, `2.1GB`, `14.0KB`; one decimal, the largest unit that leaves at least 1. */
export function formatBytes(bytes: number): string {
  const sign = bytes < 0 ? '-' : '';
  const size = Math.abs(bytes);
  if (isAtLeast(size, GIB, MIB)) return `${sign}${(size / GIB).toFixed(1)}GB`;
  if (isAtLeast(size, MIB, KIB)) return `${sign}${(size / MIB).toFixed(1)}MB`;
  if (size >= KIB) return `${sign}${(size / KIB).toFixed(1)}KB`;
  return `${sign}${Math.round(size)}B`;
}

/** What rounds to 1024.0 of the smaller unit is 1.0 of this one. */
function isAtLeast(size: number, unit: number, smaller: number): boolean {
  return size >= unit - 0.05 * smaller;
}

/** Bytes as megabytes with one decimal and no unit (`512.3`), as the ancestors' logs write them. */
export function megabytes(bytes: number): number {
  return Math.round((bytes / MIB) * 10) / 10;
}

/** Bytes as gigabytes with two decimals and no unit (`23.54`). */
export function gigabytes(bytes: number): number {
  return Math.round((bytes / GIB) * 100) / 100;
}

/** Milliseconds for people: `850ms`, `4.2s`, `3m05s`, `2h07m`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(seconds / 3600)}h${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}m`;
}

/** A share (0 to 1) for people: `25%`. */
export function formatShare(share: number): string {
  return `${Math.round(share * 100)}%`;
}
