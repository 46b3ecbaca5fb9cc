/** What does the prompt cache do for a key? Get, set, delete, clear, sweep and make room: policy and files put together. */
import { Failure } from '../../failure.ts';
import { isThere } from '../../files.ts';
import type { Liveness } from '../../lock.ts';
import type { CacheAnswer, CacheStats, Removed, SetAnswer } from '../../output/prompt-cache.ts';
import {
  bytesOf,
  isFresh,
  isSweepDue,
  planRelief,
  planRoom,
  planSweep,
  type CacheEntry,
} from '../../policy/prompt-cache.ts';
import type { CacheSettings } from '../../settings-model.ts';
import {
  addressOf,
  cacheDir,
  changeEntries,
  contentKey,
  isContentKey,
  listEntries,
  packEntry,
  readEntry,
  removeEntries,
  tryChangeEntries,
  writeEntry,
} from '../../state/cache-entries.ts';
import {
  countEvent,
  loadCounts,
  noteSwept,
  putDamagedSumAside,
  readSwept,
  sumCounts,
} from '../../state/cache-metrics.ts';

/** What of a call's context the cache needs. */
export interface CacheWorld {
  readonly settings: { readonly promptCache: CacheSettings };
  readonly stateDir: () => string;
  readonly liveness: () => Liveness;
}

/** What is kept under a key, if it is in its time and whole. Without a lock, unless a sweep is due. */
export function getEntry(world: CacheWorld, key: string | Uint8Array): CacheAnswer {
  const dir = cacheDir(world.stateDir());
  const nowMs = Date.now();
  const found = readEntry(dir, addressOf(key), nowMs);
  const answer: CacheAnswer =
    found.state !== 'whole'
      ? { found: false, why: found.state }
      : isFresh(found.createdMs, found.expiresMs, nowMs)
        ? { found: true, value: found.value, createdMs: found.createdMs, expiresMs: found.expiresMs }
        : { found: false, why: 'expired' };
  try {
    if (found.state === 'damaged') countEvent(dir, 'damaged', nowMs);
    countEvent(dir, answer.found ? 'hits' : 'misses', nowMs);
    // Where nothing was ever set there is nothing to sweep.
    if (isSweepDue(readSwept(dir) ?? nowMs, nowMs, world.settings.promptCache))
      sweepUnlessBusy(world, dir, nowMs);
  } catch (error) {
    // Where nothing can be written (a full disk, a read-only one) what was read is good all the same.
    if (!(error instanceof Failure)) throw error;
  }
  return answer;
}

/**
 * Keeps a value under a key, after room was made for it. An entry larger than the whole limit changes nothing.
 * @throws Failure (2) where the key is the digest of another content.
 */
export function setEntry(
  world: CacheWorld,
  key: string | Uint8Array,
  value: Uint8Array | undefined,
): SetAnswer {
  const dir = cacheDir(world.stateDir());
  const { promptCache } = world.settings;
  if (isContentKey(key) && (value === undefined || contentKey(value) !== key))
    throw new Failure('a key of the form sha256-… is for the content with that digest: leave the key out');
  const address = addressOf(key);
  return changeEntries(dir, world.liveness(), () => {
    const nowMs = Date.now();
    const times = { createdMs: nowMs, expiresMs: nowMs + promptCache.ttlMs };
    const packed = packEntry({ ...times, value });
    const bytes = packed.length;
    const plan = planRoom(listEntries(dir), { address, bytes }, promptCache, nowMs);
    if (plan.decision === 'refuse') {
      countEvent(dir, 'refused', nowMs);
      return { stored: false, bytes, reason: plan.reason };
    }

    removeEntries(dir, [...plan.expired, ...plan.evicted, ...(plan.isReplacedFirst ? [address] : [])]);
    countEvent(dir, 'expired', nowMs, plan.expired.length);
    countEvent(dir, 'evictions', nowMs, plan.evicted.length);
    writeEntry(dir, address, packed, times);
    countEvent(dir, 'sets', nowMs);
    if (isSweepDue(readSwept(dir) ?? 0, nowMs, promptCache)) sweepLocked(dir, nowMs);
    const { expiresMs } = times;
    return { stored: true, bytes, expiresMs, evicted: plan.evicted.length, expired: plan.expired.length };
  });
}

/** Removes what is kept under a key; false where there is nothing. */
export function deleteEntry(world: CacheWorld, key: string | Uint8Array): boolean {
  const dir = cacheDir(world.stateDir());
  const address = addressOf(key);
  return changeEntries(dir, world.liveness(), () => {
    const isKnown = listEntries(dir).some((entry) => entry.address === address);
    removeEntries(dir, [address]);
    if (isKnown) countEvent(dir, 'deletes', Date.now());
    return isKnown;
  });
}

/** Removes all entries; the counts stay. */
export function clearEntries(world: CacheWorld): Removed {
  return remove(world, (entries) => ({ expired: [], deleted: entries.map(({ address }) => address) }));
}

/** Half of all goes at warning, three quarters at critical, least recently used first. */
export function relieveCache(world: CacheWorld, level: 'warning' | 'critical', waitMs?: number): Removed {
  return remove(world, (entries, nowMs) => planRelief(entries, level, nowMs), waitMs);
}

/** What there is, and what was counted so far. Changes nothing. */
export function readStats(world: CacheWorld): CacheStats {
  const dir = cacheDir(world.stateDir());
  const entries = listEntries(dir);
  const waitingToBeSwept = planSweep(entries, Date.now()).length;
  return { ...loadCounts(dir), entries: entries.length, bytes: bytesOf(entries), waitingToBeSwept };
}

interface Removal {
  readonly expired: readonly string[];
  readonly evicted?: readonly string[];
  readonly deleted?: readonly string[];
}

function remove(
  world: CacheWorld,
  plan: (entries: readonly CacheEntry[], nowMs: number) => Removal,
  waitMs?: number,
): Removed {
  const dir = cacheDir(world.stateDir());
  if (!isThere(dir)) return { removed: 0, freedBytes: 0, left: 0, leftBytes: 0 };
  return changeEntries(
    dir,
    world.liveness(),
    () => {
      const nowMs = Date.now();
      const { expired, evicted = [], deleted = [] } = plan(listEntries(dir), nowMs);
      const addresses = [...expired, ...evicted, ...deleted];
      const freedBytes = removeEntries(dir, addresses);
      countEvent(dir, 'expired', nowMs, expired.length);
      countEvent(dir, 'evictions', nowMs, evicted.length);
      countEvent(dir, 'deletes', nowMs, deleted.length);
      const left = listEntries(dir);
      return { removed: addresses.length, freedBytes, left: left.length, leftBytes: bytesOf(left) };
    },
    waitMs,
  );
}

/** At most one sweep in each interval, by one process; who meets a held lock leaves it to others. */
function sweepUnlessBusy(world: CacheWorld, dir: string, nowMs: number): void {
  tryChangeEntries(dir, world.liveness(), () => {
    if (isSweepDue(readSwept(dir) ?? nowMs, nowMs, world.settings.promptCache)) sweepLocked(dir, nowMs);
  });
}

function sweepLocked(dir: string, nowMs: number): void {
  noteSwept(dir, nowMs);
  const expired = planSweep(listEntries(dir), nowMs);
  removeEntries(dir, expired);
  countEvent(dir, 'expired', nowMs, expired.length);
  putDamagedSumAside(dir, nowMs);
  sumCounts(dir, nowMs);
}
