/** Does the prompt cache keep what many processes put in, within its limits, through kills and memory pressure? */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  clearEntries,
  deleteEntry,
  getEntry,
  readStats,
  relieveCache,
  setEntry,
  type CacheWorld,
} from '../../lib/commands/prompt-cache/cache.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import type { CacheSettings } from '../../lib/settings-model.ts';
import { addressOf, cacheDir, contentKey } from '../../lib/state/cache-entries.ts';
import { countEvent, loadCounts, sumCounts } from '../../lib/state/cache-metrics.ts';
import { MIB } from '../../lib/units.ts';
import { bundleFixture, startFixture, type Program } from '../support/fixture.ts';
import { tempDir } from '../support/scripts.ts';
import { watchCache } from '../support/watch-cache.ts';

interface Opened extends CacheWorld {
  readonly dir: string;
  readonly state: string;
}

function openCache(change: Partial<CacheSettings> = {}, state = tempDir()): Opened {
  const promptCache = { ttlMs: 300_000, maxBytes: MIB, maxEntries: 20, evictShare: 0.8, sweepEveryMs: 60_000, ...change };
  return { settings: { promptCache }, stateDir: () => state, liveness: () => ({ self: readSelf(), isAlive }), dir: cacheDir(state), state };
} // prettier-ignore

const textOf = (world: CacheWorld, key: string): string | undefined => {
  const answer = getEntry(world, key);
  return answer.found ? (answer.value?.toString() ?? 'undefined') : undefined;
};
const fileOf = ({ dir }: Opened, key: string): string => join(dir, 'entries', addressOf(key));
const KB = Buffer.alloc(1024, 'x');

describe('one cache', () => {
  it('gives back what was set, byte for byte, and tells an empty value, undefined and no entry apart', () => {
    const world = openCache();
    const bytes = Buffer.from([0, 255, 10, 13, 128]);
    setEntry(world, 'bytes', bytes);
    setEntry(world, 'empty', Buffer.alloc(0));
    setEntry(world, 'nothing', undefined);
    expect(getEntry(world, 'bytes')).toMatchObject({ found: true, value: bytes });
    expect(getEntry(world, 'empty')).toMatchObject({ found: true, value: Buffer.alloc(0) });
    expect(getEntry(world, 'nothing')).toMatchObject({ found: true, value: undefined });
    expect(getEntry(world, 'absent')).toEqual({ found: false, why: 'absent' });
  });

  it('keeps a content under its own digest, where nobody can put another one', () => {
    const world = openCache();
    const key = contentKey(KB);
    setEntry(world, key, KB);
    setEntry(world, KB.toString(), Buffer.from('kept under the text as a name'));
    expect(getEntry(world, key)).toMatchObject({ found: true, value: KB });
    for (const other of [Buffer.from('forged'), undefined])
      expect(() => setEntry(world, key, other)).toThrow(/sha256-… is for the content with that digest/);
  });

  it('answers all the same where it cannot note that it was asked', () => {
    const world = openCache();
    setEntry(world, 'key', KB);
    const hour = Math.floor(Date.now() / 3_600_000);
    for (const at of [hour, hour + 1]) {
      rmSync(join(world.dir, `events-${at}.log`), { force: true });
      mkdirSync(join(world.dir, `events-${at}.log`));
    }
    expect([textOf(world, 'key'), getEntry(world, 'absent')]).toEqual([KB.toString(), { found: false, why: 'absent' }]);
  }); // prettier-ignore

  it('lets an entry live from its creation, however often it is used', async () => {
    const world = openCache({ ttlMs: 400 });
    setEntry(world, 'short', KB);
    const endMs = Date.now() + 400;
    while (Date.now() < endMs - 150) expect(getEntry(world, 'short').found).toBe(true);
    await sleep(Math.max(0, endMs + 1 - Date.now()));
    expect(getEntry(world, 'short')).toEqual({ found: false, why: 'expired' });
    expect(readStats(world)).toMatchObject({ entries: 1, waitingToBeSwept: 1 });
  });

  it('has expired entries swept by whoever comes by, not before the interval is over', () => {
    const world = openCache({ ttlMs: 1, sweepEveryMs: 60_000 });
    setEntry(world, 'old', KB);
    getEntry(world, 'other');
    expect(readStats(world)).toMatchObject({ entries: 1, expired: 0 });
    const setMs = Date.now();
    while (Date.now() <= setMs + 1);
    const before = new Date(Date.now() - 61_000);
    utimesSync(join(world.dir, 'swept'), before, before);
    getEntry(world, 'other');
    expect(readStats(world)).toMatchObject({ entries: 0, expired: 1 });
  });

  it('fault 15: refuses an entry larger than the limit and loses nothing else for it', () => {
    const world = openCache();
    for (const key of ['a', 'b', 'c']) setEntry(world, key, KB);
    const answer = setEntry(world, 'huge', Buffer.alloc(MIB));
    expect(answer).toMatchObject({ stored: false, reason: expect.stringMatching(/takes 1\.0MB or more, the whole cache at most 1\.0MB/) as string });
    expect(readStats(world)).toMatchObject({ entries: 3, refused: 1, evictions: 0 });
  }); // prettier-ignore

  it('evicts the least recently used at 80 % of the entries, down to half', () => {
    const world = openCache();
    for (let at = 0; at < 15; at += 1) setEntry(world, `k${at}`, KB);
    expect(readStats(world)).toMatchObject({ entries: 15, evictions: 0 });
    for (let at = 0; at < 15; at += 1) age(world, `k${at}`, 15 - at);
    // The oldest one is used: its turn to go is the last.
    getEntry(world, 'k0');
    setEntry(world, 'new', KB);
    expect(readStats(world)).toMatchObject({ entries: 11, evictions: 5 });
    expect(['k0', 'k1', 'k5', 'k6', 'k14', 'new'].map((key) => textOf(world, key) !== undefined)).toEqual([true, false, false, true, true, true]);
  }); // prettier-ignore

  it('drops half at warning and three quarters at critical, and frees what it says', () => {
    const world = openCache();
    const fill = (): void => {
      clearEntries(world);
      for (let at = 0; at < 12; at += 1) setEntry(world, `k${at}`, KB);
    };
    for (const [level, left] of [['warning', 6], ['critical', 3]] as const) {
      fill();
      const before = readStats(world).bytes;
      const removed = relieveCache(world, level);
      expect(removed).toMatchObject({ removed: 12 - left, left });
      expect(removed.freedBytes).toBe(before - readStats(world).bytes);
    }
  }); // prettier-ignore

  it.each<[string, (path: string) => void]>([
    ['cut', (path) => truncateSync(path, 500)],
    ['empty', (path) => truncateSync(path, 0)],
    ['cut in its header', (path) => truncateSync(path, 10)],
    ['changed', (path) => writeFileSync(path, '{"version":1,"createdMs":1,"expiresMs":9e12,"sha256":"00"}\nother')],
    ['of a newer version', (path) => writeFileSync(path, '{"version":2,"createdMs":1,"expiresMs":9e12}\n')],
  ])('takes an entry that is %s for none, and replaces it', (_, damage) => {
    const world = openCache();
    setEntry(world, 'key', KB);
    damage(fileOf(world, 'key'));
    expect(getEntry(world, 'key')).toEqual({ found: false, why: 'damaged' });
    setEntry(world, 'key', KB);
    expect(getEntry(world, 'key')).toMatchObject({ found: true, value: KB });
    expect(readStats(world)).toMatchObject({ damaged: 1, hits: 1, misses: 1 });
  }); // prettier-ignore

  it('removes what a writer that was killed had half written, and counts what others counted', () => {
    const world = openCache();
    setEntry(world, 'key', KB);
    writeFileSync(`${fileOf(world, 'other')}.123.abc.1.tmp`, 'half');
    expect(deleteEntry(world, 'key')).toBe(true);
    expect(deleteEntry(world, 'key')).toBe(false);
    expect(readdirSync(join(world.dir, 'entries'))).toEqual([]);
    expect(readStats(openCache({}, world.state))).toMatchObject({ sets: 1, deletes: 1 });
  });

  it('writes nothing where nothing was ever set', () => {
    const world = openCache();
    expect(relieveCache(world, 'critical')).toEqual({ removed: 0, freedBytes: 0, left: 0, leftBytes: 0 });
    expect(readStats(world)).toMatchObject({ entries: 0, hits: 0 });
    expect(existsSync(world.dir)).toBe(false);
  });
});

describe('the counts', () => {
  const HOUR = 3_600_000;
  it('are summed up hour by hour, and none is counted twice where a kill left a part behind', () => {
    const dir = join(tempDir(), 'cache');
    countEvent(dir, 'hits', 10 * HOUR, 3);
    countEvent(dir, 'misses', 11 * HOUR, 2);
    countEvent(dir, 'hits', 12 * HOUR, 1);
    sumCounts(dir, 12 * HOUR + 1);
    expect(readdirSync(dir)).toEqual(['events-11.log', 'events-12.log', 'events.json']);
    expect(loadCounts(dir)).toMatchObject({ hits: 4, misses: 2 });
    countEvent(dir, 'hits', 10 * HOUR, 3);
    expect(loadCounts(dir)).toMatchObject({ hits: 4, misses: 2 });
    sumCounts(dir, 20 * HOUR);
    expect([readdirSync(dir), loadCounts(dir).hits]).toEqual([['events.json'], 4]);
  });

  it('of a newer version are left alone', () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'events.json'), '{"version":2}');
    expect(() => loadCounts(dir)).toThrow(/written by a newer version/);
  });
});

describe('many processes', () => {
  let bundles = '';
  beforeAll(() => void (bundles = mkdtempSync(join(tmpdir(), 'cache-worker-'))));
  afterAll(() => rmSync(bundles, { recursive: true, force: true }));

  it('read nothing torn and stay within the limits at every instant, while some of them are killed', async () => {
    const worker = bundleFixture('cache-worker', bundles);
    const state = tempDir();
    const [maxBytes, maxEntries] = [400_000, 40];
    const start = (seed: number): Program => startFixture(worker, [state, '150', String(seed), String(maxBytes), String(maxEntries)]);
    const workers = Array.from({ length: 8 }, (_, at) => start(at + 1));
    onTestFinished(() => workers.forEach(({ child }) => child.kill('SIGKILL')));
    const watch = watchCache(state);
    let running = workers.length;
    const ends = Promise.all(workers.map(({ ended }) => ended.finally(() => (running -= 1))));
    const victims = workers.slice(0, 3);
    while (running > 0) {
      watch.look();
      const victim = watch.seen.looks % 15 === 14 ? victims.pop() : undefined;
      victim?.child.kill('SIGKILL');
      await sleep(1);
    }
    watch.look();
    const finished = (await ends).filter(({ signal }) => signal === null);
    const found = finished.map(({ code, stdout, stderr }) => {
      expect([code, stderr]).toEqual([0, '']);
      return JSON.parse(stdout) as { torn: number; hits: number; sets: number };
    });
    expect(found.length).toBeGreaterThanOrEqual(5);
    expect(found.reduce((sum, { torn }) => sum + torn, 0)).toBe(0);
    const hits = found.reduce((sum, one) => sum + one.hits, 0);
    expect(hits).toBeGreaterThan(0);
    expect(watch.seen.looks).toBeGreaterThan(0);
    expect(watch.seen.mostBytes).toBeLessThanOrEqual(maxBytes);
    expect(watch.seen.mostEntries).toBeLessThanOrEqual(maxEntries);
    const stats = readStats(openCache({ maxBytes, maxEntries }, state));
    expect(stats.hits).toBeGreaterThanOrEqual(hits);
    expect(stats.evictions).toBeGreaterThan(0);
  }); // prettier-ignore
});

/** Makes an entry's last use so many seconds older. */
function age(world: Opened, key: string, seconds: number): void {
  const now = Date.now();
  utimesSync(fileOf(world, key), (now - seconds * 1000) / 1000, (now + 300_000) / 1000);
}
