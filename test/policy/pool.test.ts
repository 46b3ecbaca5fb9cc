/** Is an agent of the pool kept, ended and chosen as it should be, and is a task in doubt never anybody else's? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PoolAgent, PoolTask } from '../../lib/pool-model.ts';
import {
  chooseEvicted,
  chooseFree,
  idleSince,
  judgeEntry,
  reapReason,
  recycleReason,
  type EntrySeen,
} from '../../lib/policy/pool.ts';
import { advisePool, summarizePool } from '../../lib/policy/pool-advice.ts';
import { MIB } from '../../lib/units.ts';
import { someProcess, someSettings } from '../support/nouns.ts';

const rules = someSettings().pool;
const caller = someProcess(7);

function someAgent(change: Partial<PoolAgent> = {}): PoolAgent {
  return {
    id: 'agent-000000000001',
    kind: 'w',
    project: '/p',
    state: 'ready',
    protocol: 'lines',
    echoes: false,
    recycle: 'baseline',
    leaseId: 'lease',
    process: someProcess(5),
    keeper: undefined,
    task: undefined,
    estimateBytes: 100 * MIB,
    limitBytes: undefined,
    heapMb: undefined,
    sinceMs: 0,
    freeSinceMs: 0,
    uses: 1,
    freshBytes: 40 * MIB,
    baselineBytes: 50 * MIB,
    freshProcesses: 1,
    activity: undefined,
    reason: undefined,
    ...change,
  };
}

const someTask = (change: Partial<PoolTask> = {}): PoolTask => ({
  id: 't',
  sentAs: 't',
  caller,
  isKept: false,
  fromByte: 0,
  sinceMs: 0,
  idleMs: 0,
  ...change,
});

const seen = (change: Partial<EntrySeen> = {}): EntrySeen => ({
  process: true,
  keeper: undefined,
  caller: undefined,
  answer: undefined,
  ...change,
});
const answer = { ok: true, text: 'x' };
const detached = someTask({ caller: undefined });

describe('what whoever comes by does', () => {
  it.each<[string, Partial<PoolAgent>, Partial<EntrySeen>, string]>([
    ['a free agent', {}, {}, 'keep'],
    ['one that died', {}, { process: false }, 'stop'],
    ['one that cannot be looked at', {}, { process: undefined }, 'keep'],
    ['one at work for a living caller', { task: someTask() }, { caller: true }, 'keep'],
    ['one at work for a caller in another container', { task: someTask() }, { caller: undefined }, 'keep'],
    ['one at work for a dead caller', { task: someTask() }, { caller: false }, 'stop'],
    ['one that had answered a dead caller', { task: someTask() }, { caller: false, answer }, 'free'],
    ['one that died for a living caller', { task: someTask() }, { caller: true, process: false }, 'keep'],
    ['one that died for a dead caller', { task: someTask() }, { caller: false, process: false }, 'stop'],
    ['one at a detached task', { task: detached }, {}, 'keep'],
    ['one that answered a detached task', { task: detached }, { answer }, 'free'],
    ['one that died in a detached task', { task: detached }, { process: false }, 'stop'],
    ['one in living hands', { keeper: caller }, { keeper: true }, 'keep'],
    ['one in dead hands', { keeper: caller }, { keeper: false }, 'return'],
    ['a place in living hands', { state: 'reserved', process: undefined, keeper: caller }, { process: undefined, keeper: true }, 'keep'],
    ['a place in dead hands', { state: 'reserved', process: undefined, keeper: caller }, { process: undefined, keeper: false }, 'stop'],
    ['one that is being started', { state: 'starting', keeper: caller }, { keeper: true }, 'keep'],
    ['one whose starter died', { state: 'starting', keeper: caller }, { keeper: false }, 'stop'],
    ['one that is being ended', { state: 'stopping', keeper: caller }, { keeper: true }, 'keep'],
    ['one whose end was cut short', { state: 'stopping', keeper: caller }, { keeper: false }, 'stop'],
  ])('%s', (_, agent, look, deed) => {
    expect(judgeEntry(someAgent(agent), seen(look)).deed).toBe(deed);
  }); // prettier-ignore
});

describe('which one', () => {
  const at = (id: string, freeSinceMs: number, change: Partial<PoolAgent> = {}) => someAgent({ id, freeSinceMs, ...change });
  const wanted = { kind: 'w', project: '/p' };

  it('takes the free one of the kind and the project that was used last', () => {
    const agents = [at('a', 5), at('b', 9), at('c', 10, { task: someTask() }), at('d', 11, { keeper: caller }), at('e', 12, { kind: 'x' }), at('f', 13, { project: '/q' }), at('g', 14, { state: 'starting' })];
    expect(chooseFree(agents, wanted)?.id).toBe('b');
    expect(chooseFree(agents.slice(2), wanted)).toBeUndefined();
  });

  it('ends the one of another kind that was free for longest', () => {
    const agents = [at('a', 1), at('b', 9, { kind: 'x' }), at('c', 5, { kind: 'x' }), at('d', 2, { kind: 'x', task: someTask() })];
    expect(chooseEvicted(agents, wanted)?.id).toBe('c');
    expect(chooseEvicted(agents.slice(0, 1), wanted)).toBeUndefined();
  });
}); // prettier-ignore

describe('when it goes', () => {
  it.each<[string, Partial<PoolAgent>, number | undefined, boolean]>([
    ['49 tasks', { uses: 49 }, 50 * MIB, false],
    ['50 tasks', { uses: 50 }, 50 * MIB, true],
    ['one byte under 100 MB of growth', {}, 150 * MIB - 1, false],
    ['100 MB of growth', {}, 150 * MIB, true],
    ['100 MB of growth by a kind that looks at its start', { recycle: 'fresh' }, 150 * MIB, false],
    ['one byte under 300 MB past fresh', { recycle: 'fresh' }, 340 * MIB - 1, false],
    ['300 MB past fresh', { recycle: 'fresh' }, 340 * MIB, true],
    ['300 MB past the first task where the start was not seen', { recycle: 'fresh', freshBytes: undefined }, 350 * MIB, true],
    ['nothing known', { baselineBytes: undefined }, 9000 * MIB, false],
    ['nobody looked', {}, undefined, false],
  ])('%s', (_, agent, bytes, goes) => {
    expect(recycleReason(someAgent(agent), bytes, rules) !== undefined).toBe(goes);
  }); // prettier-ignore

  const look = { atMs: 60_000, cpuMs: 500, outputBytes: 10, processes: 1 };
  const before = { atMs: 10_000, cpuMs: 500, outputBytes: 10 };
  it.each<[string, Partial<PoolAgent>, Partial<typeof look>, number | undefined]>([
    ['nothing since the last look', { activity: before }, {}, 1000],
    ['no look since its task', { activity: { ...before, atMs: 500, cpuMs: 1 } }, {}, 1000],
    ['the ticks of a resting runtime', { activity: before }, { cpuMs: 1010 }, 1000],
    ['one tick more', { activity: before }, { cpuMs: 1020 }, undefined],
    ['output', { activity: before }, { outputBytes: 11 }, undefined],
    ['a child', { activity: before }, { processes: 2 }, undefined],
    ['the children of its start', { activity: before, freshProcesses: 2 }, { processes: 2 }, 1000],
    ['a task', { activity: before, task: someTask() }, {}, undefined],
    ['somebody has it', { activity: before, keeper: caller }, {}, undefined],
  ])('idle: %s', (_, agent, change, since) => {
    expect(idleSince(someAgent({ freeSinceMs: 1000, ...agent }), { ...look, ...change })).toBe(since);
  });

  it('an idle one goes after its time, and at once where memory is short', () => {
    expect(reapReason(0, 299_999, rules, false)).toBeUndefined();
    expect(reapReason(0, 300_000, rules, false)).toBe('it was idle for 5m00s');
    expect(reapReason(0, 1, rules, true)).toMatch(/^memory is short/);
    expect(reapReason(undefined, 1e9, rules, true)).toBeUndefined();
  });

  it('more growth and more tasks never keep what less would end', () => {
    const amount = fc.nat(600);
    fc.assert(
      fc.property(amount, amount, fc.nat(60), fc.nat(60), fc.constantFrom('baseline' as const, 'fresh' as const), (mb, more, uses, tasks, recycle) => {
        const less = recycleReason(someAgent({ uses, recycle }), mb * MIB, rules);
        const most = recycleReason(someAgent({ uses: uses + tasks, recycle }), (mb + more) * MIB, rules);
        return less === undefined || most !== undefined;
      }),
    );
  }); // prettier-ignore
});

describe('whether it pays', () => {
  const records = (tasks: number, starts: number, idleMs: number) => [
    ...Array.from({ length: starts }, () => ({ atMs: 0, kind: 'w', agent: 'a', event: 'start' as const, startMs: 1200, freshBytes: 190 * MIB })),
    ...Array.from({ length: tasks }, (_, at) => ({ atMs: 0, kind: 'w', agent: 'a', event: 'task' as const, task: `t${at}`, ms: 3000, idleMs, outcome: 'answered' as const, peakBytes: 200 * MIB, bytes: 190 * MIB, busy: 1 + (at % 3), uses: at < starts ? 1 : 2 })),
  ];
  it.each<[number, number, number, number, string, number | undefined]>([
    [4, 1, 100, 9, 'unknown', undefined],
    [5, 5, 100, 9, 'no', 3],
    [12, 2, 300, 9, 'pays', 3],
    [12, 2, 1200, 9, 'pays', 3],
    [12, 2, 1201, 9, 'saves-time', 3],
    [12, 2, 300, 2, 'pays', 2],
    [12, 2, 300, 0, 'pays', 1],
  ])('%d tasks, %d starts, %d ms idle, %d fit: %s', (tasks, starts, idleMs, fits, verdict, size) => {
    const [stats] = summarizePool(records(tasks, starts, idleMs));
    expect(stats && advisePool(stats, fits)).toMatchObject({ verdict, size });
  });
  it('saves the start and the memory of each task that was not an agent’s first', () => {
    const [stats] = summarizePool(records(12, 2, 300));
    expect(stats && advisePool(stats, 9)).toMatchObject({ savedMs: 12_000, savedByteMs: 900 * 190 * MIB });
  });
}); // prettier-ignore
