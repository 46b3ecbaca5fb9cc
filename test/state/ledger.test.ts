/** Is the ledger read as it was written, changed as a whole or not at all, and never written over when it cannot be read? */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../lib/failure.ts';
import type { Liveness } from '../../lib/lock.ts';
import type { Lease } from '../../lib/model.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import {
  ledgerLockPath,
  ledgerPath,
  loadLedger,
  remember,
  updateLedger,
  withLease,
  withoutLeases,
  type Ledger,
} from '../../lib/state/ledger.ts';
import { hostileText } from '../support/hostile.ts';
import { someLease, someProcess } from '../support/nouns.ts';

let dir: string;
let state: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ledger-'));
  state = join(dir, 'state');
  path = ledgerPath(state);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const liveness: Liveness = { self: readSelf(), isAlive };
const failureOf = (deed: () => unknown): Failure => {
  try {
    deed();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing failed');
};
const write = (text: string): void => {
  mkdirSync(state, { recursive: true });
  writeFileSync(path, text);
};
const add = (...leases: Lease[]): void =>
  updateLedger(state, liveness, (ledger) => ({
    ledger: leases.reduce(withLease, ledger),
    answer: undefined,
  }));
const ids = (ledger: Ledger): string[] => ledger.leases.map(({ id }) => id);

describe('a state folder', () => {
  it('without a ledger has no leases, and reading makes nothing', () => {
    expect(loadLedger(state)).toMatchObject({ version: 1, leases: [], holdSinceMs: undefined });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('holds the ledger alone afterwards, readable by this user alone', () => {
    add(someLease());
    expect(readdirSync(state)).toEqual(['ledger.json']);
    expect([statSync(state).mode & 0o777, statSync(path).mode & 0o777]).toEqual([0o700, 0o600]);
  });
});

describe('updateLedger', () => {
  it('gives its caller the answer and the ledger to the next', () => {
    const [a, b] = [someLease(), someLease()];
    add(a);
    const answer = updateLedger(state, liveness, (ledger) => ({ ledger: withLease(ledger, b), answer: ids(ledger) }));
    expect([answer, ids(loadLedger(state))]).toEqual([[a.id], [a.id, b.id]]);
  }); // prettier-ignore

  it('writes nothing where nothing changed', () => {
    add(someLease());
    const before = statSync(path, { bigint: true });
    updateLedger(state, liveness, (ledger) => ({ ledger: withoutLeases(ledger, new Set(['other'])), answer: 0 }));
    updateLedger(state, liveness, (ledger) => ({ ledger: remember(ledger, ledger), answer: 0 }));
    const after = statSync(path, { bigint: true });
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  }); // prettier-ignore

  it('changes nothing where the change throws, and lets the next one in', () => {
    const lease = someLease();
    add(lease);
    const thrown = (): never => updateLedger(state, liveness, () => { throw new Error('no'); });
    expect(thrown).toThrow('no');
    expect([ids(loadLedger(state)), readdirSync(state)]).toEqual([[lease.id], ['ledger.json']]);
  }); // prettier-ignore

  it('holds the lock in our name while it changes', () => {
    mkdirSync(state);
    const inside = (): unknown =>
      updateLedger(state, liveness, (ledger) => {
        expect(readdirSync(state)).toContain('ledger.lock');
        return { ledger, answer: readFileSync(ledgerLockPath(state), 'utf8') };
      });
    expect(JSON.parse(String(inside()))).toMatchObject({ identity: { pid: process.pid } });
  });

  it.skipIf(process.getuid?.() === 0)('says in one line that the folder may not be written', () => {
    add(someLease());
    chmodSync(state, 0o500);
    const failure = failureOf(() => add(someLease()));
    chmodSync(state, 0o700);
    expect([failure.exitCode, failure.message]).toEqual([2, expect.stringMatching(/^cannot lock .*: give this user/)]);
  }); // prettier-ignore
});

describe('changes', () => {
  const start: Ledger = { version: 1, leases: [], holdSinceMs: undefined, lastMemoryEventMs: undefined };

  it('put a lease in the place of the one with its id, and take back exactly what was put', () => {
    const [a, b] = [someLease(), someLease()];
    const both = withLease(withLease(start, a), b);
    const renewed = withLease(both, { ...a, renewedMs: 5 });
    expect(renewed.leases.find(({ id }) => id === a.id)?.renewedMs).toBe(5);
    expect(renewed.leases).toHaveLength(2);
    expect(withoutLeases(both, new Set([b.id]))).toEqual(withLease(start, a));
    expect(withoutLeases(both, new Set(['other']))).toBe(both);
  });

  it('remember a hold and forget it', () => {
    const held = remember(start, { holdSinceMs: 1, lastMemoryEventMs: 2 });
    expect(held).toMatchObject({ holdSinceMs: 1, lastMemoryEventMs: 2 });
    expect(remember(held, held)).toBe(held);
    expect(remember(held, start)).toEqual(start);
  });
});

const text = hostileText(30);
const bytes = fc.nat(2 ** 31).map((value) => value * 1024);
const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined });
const identity = fc.record({ bootId: text, pidNamespace: maybe(text), pid: fc.nat(), startTicks: fc.nat() });
const lease: fc.Arbitrary<Lease> = fc.record({
  id: text, role: fc.constantFrom('agent', 'subagent', 'coordinator'), owner: maybe(identity), runner: maybe(identity),
  project: text, epic: maybe(text), key: text, kind: text, estimateBytes: bytes, limitBytes: maybe(bytes), heapMb: maybe(fc.nat()),
  baseBytes: bytes, sinceMs: bytes, expiresMs: maybe(bytes), renewedMs: bytes,
  state: fc.constantFrom('starting', 'running', 'paused'), peakBytes: maybe(bytes),
}); // prettier-ignore

it('reads what its first version wrote, for ever', () => {
  mkdirSync(state);
  copyFileSync(join(import.meta.dirname, '..', 'fixtures', 'state', 'ledger-1.json'), path);
  const { leases, holdSinceMs, lastMemoryEventMs } = loadLedger(state);
  expect([holdSinceMs, lastMemoryEventMs]).toEqual([1700000000001, 1700000000002]);
  expect(leases.map(({ id, role, state: stands }) => [id, role, stands])).toEqual([
    ['0011223344556677', 'agent', 'running'],
    ['sub', 'subagent', 'starting'],
  ]);
  expect(leases[0]).toEqual({
    id: '0011223344556677', role: 'agent', owner: { bootId: 'b', pidNamespace: '4026531836', pid: 41, startTicks: 410 },
    runner: { bootId: 'b', pidNamespace: undefined, pid: 40, startTicks: 400 }, project: '/p', epic: 'shop', key: 'shop/1/A',
    kind: 'worker', estimateBytes: 1073741824, limitBytes: 2147483648, heapMb: 1536, baseBytes: 0, sinceMs: 1700000000000,
    expiresMs: 1700000009000, renewedMs: 1700000005000, state: 'running', peakBytes: 900000000,
  }); // prettier-ignore
});

it('is read as it was written, whatever names and figures it holds', () => {
  fc.assert(
    fc.property(fc.array(lease, { maxLength: 5 }), maybe(bytes), (leases, holdSinceMs) => {
      updateLedger(state, liveness, (ledger) => ({ ledger: { ...ledger, leases, holdSinceMs }, answer: 0 }));
      const back = loadLedger(state);
      expect([back.leases, back.holdSinceMs]).toEqual([leases, holdSinceMs]);
    }),
    { numRuns: 50 },
  );
}); // prettier-ignore

describe('a ledger that cannot be understood', () => {
  const good = (change: Record<string, unknown>): string =>
    JSON.stringify({ version: 1, leases: [{ ...someLease(), ...change }] });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /is damaged \(/],
    ['half of it', good({}).slice(0, -9), /is damaged \(/],
    ['zeros after a power cut', '\0'.repeat(500), /is damaged \(/],
    ['what a terminal would obey', '\x1b]0;pwned\x07', /is damaged \(/],
    ['a list', '[]', /is damaged \(it holds no object\)/],
    ['null', 'null', /is damaged \(it holds no object\)/],
    ['no version', '{"leases":[]}', /is damaged \(its version is missing\)/],
    ['a version in words', '{"version":"1","leases":[]}', /is damaged \(its version is missing\)/],
    ['a version before the first', '{"version":0,"leases":[]}', /is damaged/],
    ['no leases', '{"version":1}', /is damaged \(its leases are missing\)/],
    ['leases that are none', '{"version":1,"leases":{}}', /is damaged \(its leases are missing\)/],
    ['a lease that is none', '{"version":1,"leases":[null]}', /is damaged \(lease 1 is no object\)/],
    ['a lease without its estimate', good({ estimateBytes: undefined }), /is damaged \(lease 1, estimateBytes is missing\)/],
    ['an estimate in words', good({ estimateBytes: '1GB' }), /is damaged \(lease 1, estimateBytes is no number\)/],
    ['an estimate without an end', good({}).replace(/"estimateBytes":\d+/, '"estimateBytes":1e999'), /is damaged \(lease 1, estimateBytes is no number\)/],
    ['a limit of null', good({ limitBytes: null }), /is damaged \(lease 1, limitBytes is no number\)/],
    ['a role that is none', good({ role: 'boss' }), /is damaged \(lease 1, role\)/],
    ['a state that is none', good({ state: 'toString' }), /is damaged \(lease 1, state\)/],
    ['an owner that is none', good({ owner: 7 }), /is damaged \(lease 1, owner\)/],
    ['an owner without a pid', good({ owner: { ...someProcess(7), pid: undefined } }), /is damaged \(lease 1, owner is missing\)/],
    ['a hold in words', '{"version":1,"leases":[],"holdSinceMs":"now"}', /is damaged \(holdSinceMs is no number\)/],
    ['a newer version', '{"version":2,"leases":{"by":"another"}}', /was written by a newer version \(2, this one knows 1\): update this toolkit$/],
  ])('%s is refused in one clear line with code 2, and left as it is', (_what, damage, message) => {
    write(damage);
    for (const deed of [() => loadLedger(state), () => add(someLease())]) {
      const failure = failureOf(deed);
      expect([failure.exitCode, failure.message]).toEqual([2, expect.stringMatching(message)]);
      expect(failure.message.startsWith(path)).toBe(true);
      expect(failure.message).not.toMatch(/[^\x20-\x7e]/);
    }
    expect([readdirSync(state), readFileSync(path, 'utf8')]).toEqual([['ledger.json'], damage]);
  }); // prettier-ignore

  it('is not one that knows more than we do within the same version', () => {
    write(good({ color: 'red' }).replace('{', '{"more":[1],'));
    expect(loadLedger(state).leases).toHaveLength(1);
  });
});
