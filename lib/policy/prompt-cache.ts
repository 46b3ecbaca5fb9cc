/** Which entries of the prompt cache are still good, and which ones go: for a new one, for age, under memory pressure? */
import type { CacheSettings } from '../settings-model.ts';
import { formatBytes } from '../units.ts';

/** An entry as its file shows it. */
export interface CacheEntry {
  /** SHA-256 of what it is kept under, in hex. */
  readonly address: string;
  readonly bytes: number;
  readonly expiresMs: number;
  readonly usedMs: number;
}

export type RoomDecision =
  | { readonly decision: 'refuse'; readonly reason: string }
  | {
      readonly decision: 'store';
      /** The old entry of the same address goes before the new one is written: both at once might not fit. */
      readonly isReplacedFirst: boolean;
      /** Past their time. */
      readonly expired: readonly string[];
      /** Still good, least recently used first. */
      readonly evicted: readonly string[];
    };

/** Two processes read the clock this far apart at most; more than this, and somebody set it back. */
const CLOCK_MS = 5000;

/** Whether an entry is in its time: set at most `ttlMs` ago, and not in a future that a clock set back has made. */
export function isFresh(createdMs: number, expiresMs: number, nowMs: number): boolean {
  return nowMs < expiresMs && createdMs - nowMs <= CLOCK_MS;
}

/** Whether whoever comes by has to sweep; a sweep in the future was before the clock was set back. */
export function isSweepDue(sweptMs: number, nowMs: number, { sweepEveryMs }: CacheSettings): boolean {
  return nowMs - sweptMs >= sweepEveryMs || sweptMs - nowMs > CLOCK_MS;
}

/**
 * Makes room before an entry is written, so that the limits hold at every instant, also while old and new lie side by side.
 * Where `evictShare` of a limit would be reached, expired entries go, then the least recently used ones until what
 * stays takes half of each limit at most and the new one fits beside it. One that is larger than the limit is refused, and
 * nothing goes for it. 50 MB: 39 MB and 2 MB more -> down to 25 MB; 45 MB more -> down to 5 MB.
 */
export function planRoom(
  entries: readonly CacheEntry[],
  incoming: { readonly address: string; readonly bytes: number },
  limits: CacheSettings,
  nowMs: number,
): RoomDecision {
  const { maxBytes, maxEntries, evictShare } = limits;
  if (incoming.bytes > maxBytes) {
    const reason = `the entry takes ${formatBytes(incoming.bytes)} or more, the whole cache at most ${formatBytes(maxBytes)} (prompt_cache.max_mb)`;
    return { decision: 'refuse', reason };
  }
  const others = entries.filter(({ address }) => address !== incoming.address);
  const isTight = (kept: readonly CacheEntry[]): boolean =>
    bytesOf(kept) + incoming.bytes >= evictShare * maxBytes || kept.length + 1 >= evictShare * maxEntries;
  const replacedBytes = bytesOf(entries) - bytesOf(others);
  const isReplacedFirst = bytesOf(entries) + incoming.bytes > maxBytes && replacedBytes > 0;
  if (!isTight(others)) return { decision: 'store', isReplacedFirst, expired: [], evicted: [] };

  const { expired, kept } = splitExpired(others, nowMs);
  if (!isTight(kept)) return { decision: 'store', isReplacedFirst, expired, evicted: [] };
  const keepBytes = Math.min(maxBytes / 2, maxBytes - incoming.bytes);
  const keepEntries = Math.min(Math.floor(maxEntries / 2), maxEntries - 1);
  return { decision: 'store', isReplacedFirst, expired, evicted: leastUsed(kept, keepBytes, keepEntries) };
}

/** What has expired. */
export function planSweep(entries: readonly CacheEntry[], nowMs: number): string[] {
  return splitExpired(entries, nowMs).expired;
}

/** What goes under memory pressure: what has expired, then the least recently used: half at warning, three quarters at critical. */
export function planRelief(
  entries: readonly CacheEntry[],
  level: 'warning' | 'critical',
  nowMs: number,
): { readonly expired: string[]; readonly evicted: string[] } {
  const keepShare = level === 'critical' ? 0.25 : 0.5;
  const { expired, kept } = splitExpired(entries, nowMs);
  const keepEntries = Math.floor(entries.length * keepShare);
  return { expired, evicted: leastUsed(kept, bytesOf(entries) * keepShare, keepEntries) };
}

/** The share of gets that found something; undefined where nobody asked. */
export function hitShare({
  hits,
  misses,
}: {
  readonly hits: number;
  readonly misses: number;
}): number | undefined {
  return hits + misses === 0 ? undefined : hits / (hits + misses);
}

/** All bytes of these entries. */
export function bytesOf(entries: readonly CacheEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

function splitExpired(
  entries: readonly CacheEntry[],
  nowMs: number,
): { readonly expired: string[]; readonly kept: CacheEntry[] } {
  const kept = entries.filter(({ expiresMs, usedMs }) => isFresh(usedMs, expiresMs, nowMs));
  const stays = new Set(kept);
  return { expired: entries.filter((entry) => !stays.has(entry)).map(({ address }) => address), kept };
}

/** The least recently used entries, until the others take at most so much. */
function leastUsed(entries: readonly CacheEntry[], keepBytes: number, keepEntries: number): string[] {
  const byUse = [...entries].sort(
    (one, other) => one.usedMs - other.usedMs || (one.address < other.address ? -1 : 1),
  );
  let bytes = bytesOf(entries);
  let gone = 0;
  for (const entry of byUse) {
    if (bytes <= keepBytes && byUse.length - gone <= keepEntries) break;
    bytes -= entry.bytes;
    gone += 1;
  }
  return byUse.slice(0, gone).map(({ address }) => address);
}
