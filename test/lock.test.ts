/** Do two ever hold the lock at once, is it ever lost with its holder, and is it ever taken from the living? */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../lib/failure.ts';
import { tryLock, withLock, type HeldLock, type Liveness } from '../lib/lock.ts';
import type { ProcessIdentity } from '../lib/model.ts';
import { isAlive, readSelf } from '../lib/probe/identity.ts';
import { bundleFixture, startFixture, type Program } from './support/fixture.ts';
import { waitFor } from './support/scripts.ts';

let dir: string;
let path: string;
let worker: string;
let buildDir: string;
let programs: Program[] = [];

beforeAll(() => {
  buildDir = mkdtempSync(join(tmpdir(), 'lock-build-'));
  worker = bundleFixture('lock-worker', buildDir);
});
afterAll(() => rmSync(buildDir, { recursive: true, force: true }));
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(dir, 'lock');
  programs = [];
});
afterEach(async () => {
  for (const { child } of programs) child.kill('SIGKILL');
  await Promise.all(programs.map(({ ended }) => ended));
  rmSync(dir, { recursive: true, force: true });
});

const self = readSelf();
const real: Liveness = { self, isAlive };
const start = (...args: string[]): Program => {
  const program = startFixture(worker, args);
  programs.push(program);
  return program;
};
const holderText = (identity: Partial<ProcessIdentity>, token = 'a'.repeat(18)): string =>
  JSON.stringify({ token, identity: { ...self, ...identity } });
const isHeld = (answer: ReturnType<typeof tryLock>): answer is HeldLock => 'release' in answer;
const failureOf = (deed: () => unknown): Failure => {
  try {
    deed();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing failed');
};

describe('a free lock', () => {
  it('is taken, gives the answer of the deed, and leaves nothing behind', () => {
    expect(withLock(join(dir, 'deeper', 'lock'), real, () => 7)).toBe(7);
    expect(readdirSync(join(dir, 'deeper'))).toEqual([]);
  });

  it('names its holder while it is held, readable by this user alone', () => {
    withLock(path, real, () => {
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ identity: self });
      expect(readdirSync(dir)).toEqual(['lock']);
    });
  });

  it('is given back by a deed that throws', () => {
    expect(() => withLock(path, real, () => { throw new Error('no'); })).toThrow('no');
    expect(readdirSync(dir)).toEqual([]);
  }); // prettier-ignore

  it('is not given back twice: what somebody else took meanwhile stays', () => {
    const lock = tryLock(path, real);
    if (!isHeld(lock)) throw new Error('not free');
    lock.release();
    const next = tryLock(path, real);
    lock.release();
    expect(isHeld(next) && readdirSync(dir)).toEqual(['lock']);
  });
});

describe('a lock that stands there', () => {
  it.each<[string, () => string]>([
    ['of a pid that nobody has', () => holderText({ pid: 2 ** 22 + 7 })],
    ['of our pid with another start', () => holderText({ startTicks: self.startTicks + 1 })],
    ['of our pid before a reboot', () => holderText({ bootId: 'another' })],
    ['without an identity', () => '{"token":"aaaaaaaaaaaaaaaaaa","identity":{}}'],
    ['that is empty', () => ''],
    ['cut off in the middle', () => holderText({}).slice(0, 40)],
    ['of zeros', () => '\0'.repeat(200)],
    ['with a token that could be a path', () => JSON.stringify({ token: '../../x', identity: self })],
    ['that is JSON, but no lock', () => 'null'],
  ])('%s is taken over', (_what, text) => {
    writeFileSync(path, text());
    const lock = tryLock(path, real);
    expect(isHeld(lock)).toBe(true);
    expect(readdirSync(dir)).toEqual(['lock']);
    if (isHeld(lock)) lock.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is waited for while its holder lives, and the wait ends with 75 and its pid', () => {
    writeFileSync(path, holderText({}));
    const failure = failureOf(() => withLock(path, real, () => 1, { waitMs: 40 }));
    expect([failure.exitCode, failure.message]).toEqual([
      75,
      `${path} has been held by process ${process.pid} for 0.04 s; try again later`,
    ]);
    expect([readdirSync(dir), readFileSync(path, 'utf8')]).toEqual([['lock'], holderText({})]);
  });

  it('is not entered twice by one process', () => {
    expect(
      failureOf(() => withLock(path, real, () => withLock(path, real, () => 1, { waitMs: 20 }))).exitCode,
    ).toBe(75);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('of somebody who cannot be checked is waited for, and taken over after a minute without an end', () => {
    const unknown: Liveness = { self, isAlive: () => undefined };
    writeFileSync(path, holderText({ pidNamespace: '1' }));
    expect(tryLock(path, unknown)).toMatchObject({ holder: { pidNamespace: '1' } });
    const longAgo = new Date(Date.now() - 61_000);
    utimesSync(path, longAgo, longAgo);
    expect(isHeld(tryLock(path, unknown))).toBe(true);
  });

  it.each<[string, () => void, RegExp]>([
    ['a folder', () => mkdirSync(path), /^cannot lock .*lock: it is a folder/],
    ['a link that leads to itself', () => symlinkSync(path, path), /^cannot lock .*too many links/],
  ])('is refused with one line where it is %s', (_what, make, message) => {
    make();
    const failure = failureOf(() => withLock(path, real, () => 1, { waitMs: 20 }));
    expect([failure.exitCode, failure.message]).toEqual([2, expect.stringMatching(message)]);
  });

  it('is waited for, not for ever, where it is a link that leads nowhere', () => {
    symlinkSync(join(dir, 'nothing'), path);
    expect(failureOf(() => withLock(path, real, () => 1, { waitMs: 20 })).exitCode).toBe(75);
    expect(readdirSync(dir)).toEqual(['lock']);
  });

  it.skipIf(process.getuid?.() === 0)('is refused with one line in a folder that may not be written', () => {
    chmodSync(dir, 0o500);
    expect(failureOf(() => withLock(path, real, () => 1)).exitCode).toBe(2);
    chmodSync(dir, 0o700);
  });
});

describe('many processes', () => {
  it('lose none of 1200 changes that 30 of them make at once', async () => {
    writeFileSync(join(dir, 'counter'), '0');
    const ends = await Promise.all(Array.from({ length: 30 }, () => start('count', dir, '40').ended));
    expect(ends.filter(({ code }) => code !== 0)).toEqual([]);
    expect(readFileSync(join(dir, 'counter'), 'utf8')).toBe('1200');
    expect(readdirSync(dir)).toEqual(['counter']);
  });

  it('never are inside together and never lose the lock, though sixty of them are killed', async () => {
    writeFileSync(join(dir, 'counter'), '0');
    let deaths = 0;
    const stderr: string[] = [];
    const fight = async (): Promise<void> => {
      while (deaths < 60) {
        const program = start('fight', dir);
        const end = await program.ended;
        if (end.signal === 'SIGKILL') deaths += 1;
        else stderr.push(`${end.code ?? ''}${end.stderr}`);
        if (stderr.some((text) => text !== '0')) return;
        // Others die wherever they are just now, most of them while they take the lock.
        const victim = programs[programs.length - 1 - (deaths % 5)];
        if (deaths % 3 === 0 && victim !== program) victim?.child.kill('SIGKILL');
      }
      writeFileSync(join(dir, 'stop'), '');
    };
    await Promise.all(Array.from({ length: 6 }, fight));
    const log = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n').map(Number);

    expect(stderr.filter((text) => text !== '0')).toEqual([]);
    expect(deaths).toBeGreaterThanOrEqual(60);
    // A change that was lost would be a number that comes again.
    expect(log.every((value, at) => at === 0 || value > (log[at - 1] ?? NaN))).toBe(true);
    expect(withLock(path, real, () => 'mine')).toBe('mine');
  }, 90_000);

  it('wait for one that is stopped, and do not rob it', async () => {
    const holder = start('hold', dir);
    await waitFor(() => holder.stdout() === 'held\n', 'the lock to be held');
    holder.child.kill('SIGSTOP');
    const failure = failureOf(() => withLock(path, real, () => 1, { waitMs: 300 }));
    expect([failure.exitCode, failure.message]).toEqual([
      75,
      expect.stringContaining(`held by process ${holder.pid} `),
    ]);

    holder.child.kill('SIGCONT');
    writeFileSync(join(dir, 'stop'), '');
    expect(await holder.ended).toMatchObject({ code: 0 });
    expect(withLock(path, real, () => 1)).toBe(1);
  });

  it('take over at once from one that was killed', async () => {
    const holder = start('hold', dir);
    await waitFor(() => holder.stdout() === 'held\n', 'the lock to be held');
    holder.child.kill('SIGKILL');
    await holder.ended;
    expect(isHeld(tryLock(path, real))).toBe(true);
  });
});
