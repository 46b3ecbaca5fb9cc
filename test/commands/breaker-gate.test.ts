/** Do all processes of a machine share one breaker: none of their reports is lost, and one of them gets the probe? */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  askBreaker,
  keepProbe,
  lookAtBreaker,
  reportMemoryEvent,
  reportProbe,
  returnProbe,
  type BreakerWorld,
} from '../../lib/commands/breaker-gate.ts';
import type { BreakerState } from '../../lib/model.ts';
import type { Settings } from '../../lib/settings-model.ts';
import { CLOSED } from '../../lib/policy/breaker.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { breakerText, readBreaker } from '../../lib/state/breaker.ts';
import { breakerPath } from '../../lib/state/paths.ts';
import { bundleFixture, startFixture, type Program } from '../support/fixture.ts';
import { someProcess, someSettings } from '../support/nouns.ts';

let dir: string;
let programs: Program[] = [];
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'breaker-'))));
afterEach(async () => {
  for (const { child } of programs) child.kill('SIGKILL');
  await Promise.all(programs.map(({ ended }) => ended));
  programs = [];
  rmSync(dir, { recursive: true, force: true });
});

const DUE: BreakerState = { ...CLOSED, phase: 'open', sinceMs: 5, openMs: 7, rounds: 1, reason: 'r' };
const put = (state: BreakerState): void => writeFileSync(breakerPath(dir), breakerText(state));

function world(
  rules: Partial<Settings['circuitBreaker']> = {},
  change: Partial<BreakerWorld> & { enabled?: boolean } = {},
): BreakerWorld {
  const settings = someSettings();
  return {
    settings: { enabled: change.enabled ?? true, circuitBreaker: { ...settings.circuitBreaker, ...rules } },
    memory: { availableBytes: 1000 },
    stateDir: () => dir,
    liveness: () => ({ self: readSelf(), isAlive }),
    ...change,
  };
}
const me = (id: string) => ({ id, owner: readSelf() });

let client: string;
let bundles: string;
beforeAll(() => {
  bundles = mkdtempSync(join(tmpdir(), 'breaker-client-'));
  client = bundleFixture('breaker-client', bundles);
  return () => rmSync(bundles, { recursive: true, force: true });
});

function start(...args: string[]): Program {
  const program = startFixture(client, args);
  programs.push(program);
  return program;
}

async function answerOf(program: Program): Promise<{ allowed: boolean; probe?: boolean }> {
  while (program.stdout() === '') {
    if (program.child.exitCode !== null) throw new Error((await program.ended).stderr);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return JSON.parse(program.stdout()) as { allowed: boolean; probe?: boolean };
}

test('while nothing happened, asking leaves no trace', () => {
  const nowhere = world({}, { stateDir: () => join(dir, 'not', 'there') });
  expect(askBreaker(nowhere, me('a'))).toEqual({ allowed: true, probe: false, state: 'closed' });
  reportProbe(nowhere, 'a', true);
  returnProbe(nowhere, 'a');
  expect(lookAtBreaker(nowhere).failureCount).toBe(0);
  expect(existsSync(join(dir, 'not'))).toBe(false);
});

test('one of 50 processes gets the probe, and when it is killed one of those who ask then', async () => {
  put(DUE);
  const askers = Array.from({ length: 50 }, (_, i) => start('ask', dir, `asker-${i}`));
  const answers = await Promise.all(askers.map(answerOf));
  expect(answers.filter(({ allowed }) => allowed)).toEqual([
    { allowed: true, probe: true, state: 'half-open' },
  ]);
  const winner = askers[answers.findIndex(({ allowed }) => allowed)];
  expect(readBreaker(dir).state?.probe?.owner?.pid).toBe(winner?.pid);

  expect(askBreaker(world(), me('late')).allowed).toBe(false);
  winner?.child.kill('SIGKILL');
  await winner?.ended;
  expect(askBreaker(world(), me('later'))).toMatchObject({ allowed: true, probe: true });
  expect(askBreaker(world(), me('latest')).allowed).toBe(false);
}, 120_000);

test('of what 50 processes report at once nothing is lost, and the file is as one of them would have written it', async () => {
  const reporters = Array.from({ length: 50 }, () => start('report', dir, 'the kernel killed'));
  const ends = await Promise.all(reporters.map(({ ended }) => ended));
  expect(ends.map(({ code, stderr }) => [code, stderr])).toEqual(ends.map(() => [0, '']));
  const { state } = readBreaker(dir);
  expect(state).toMatchObject({ phase: 'closed', rounds: 0, probe: undefined, hold: undefined });
  const times = state?.eventsMs ?? [];
  expect(times).toHaveLength(50);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(readFileSync(breakerPath(dir), 'utf8')).toBe(breakerText({ ...CLOSED, eventsMs: times }));
  expect(readdirSync(dir)).toEqual(['breaker.json']);
}, 120_000);

test('three memory events open it, also by reports of different ends', () => {
  for (const reason of ['one', 'two']) reportMemoryEvent(world(), reason);
  expect(askBreaker(world(), me('a')).allowed).toBe(true);
  reportMemoryEvent(world(), 'three');
  const answer = askBreaker(world(), me('a'));
  expect(answer).toMatchObject({ allowed: false, state: 'open' });
  expect(answer.allowed ? '' : answer.reason).toMatch(/open for another (29|3\d)\.\ds: three$/);
});

test('one who asks below the floor opens it for all, and one who only looks does not', () => {
  const low = world({ availableBytes: 1001 });
  expect(lookAtBreaker(low).answer.allowed).toBe(true);
  expect(askBreaker(low, me('a'))).toMatchObject({ allowed: false, state: 'open' });
  expect(askBreaker(world(), me('b'))).toMatchObject({ allowed: false, state: 'open' });
});

test('a probe that passed closes it and takes the file away, one that failed opens it doubled', () => {
  put(DUE);
  expect(askBreaker(world(), me('a'))).toMatchObject({ probe: true });
  reportProbe(world(), 'somebody else', true);
  expect(askBreaker(world(), me('b')).allowed).toBe(false);
  reportProbe(world(), 'a', { failed: 'again' });
  expect(readBreaker(dir).state).toMatchObject({ phase: 'open', rounds: 2, reason: 'again' });

  put(DUE);
  askBreaker(world(), me('c'));
  reportProbe(world(), 'c', true);
  expect(existsSync(breakerPath(dir))).toBe(false);
});

test('a probe given back is there for the next, and one handed on lives as long as its new owner', () => {
  put(DUE);
  askBreaker(world(), me('a'));
  returnProbe(world(), 'a');
  expect(askBreaker(world(), me('b'))).toMatchObject({ probe: true });
  expect(askBreaker(world(), me('c')).allowed).toBe(false);
  keepProbe(world(), { id: 'b', owner: someProcess(1) });
  expect(askBreaker(world(), me('c'))).toMatchObject({ probe: true });
});

test('with memory management off only what was opened by hand holds', () => {
  put({ ...DUE, sinceMs: Date.now(), openMs: 60_000 });
  const off = world({ availableBytes: 1e15 }, { enabled: false });
  expect(askBreaker(off, me('a'))).toMatchObject({ allowed: true, probe: false });
  put({ ...CLOSED, hold: { by: 'ann', reason: undefined, sinceMs: Date.now(), untilMs: undefined } });
  expect(askBreaker(off, me('a'))).toMatchObject({ allowed: false, state: 'open' });
});

test('a damaged file refuses the next one with the file that was kept, and half-opens after the recovery time', () => {
  writeFileSync(breakerPath(dir), '{"phase":');
  const answer = askBreaker(world(), me('a'));
  const aside = readdirSync(dir).find((name) => name.includes('damaged-')) ?? '';
  expect(answer.allowed ? '' : answer.reason).toContain(join(dir, aside));
  const { state } = readBreaker(dir);
  expect(state).toMatchObject({ phase: 'open', rounds: 1 });
  put({ ...(state ?? CLOSED), sinceMs: Date.now() - 40_000 });
  expect(askBreaker(world(), me('b'))).toMatchObject({ allowed: true, probe: true });
});
