/** Does a stream that failed come back when it should, with what it should get, and hold back whom it should? */
import { describe, expect, it } from 'vitest';
import { RunQueue } from '../../lib/act/run-queue.ts';
import type { AttemptResult } from '../../lib/model.ts';
import type { RetrySettings } from '../../lib/settings-model.ts';
import { GIB } from '../../lib/units.ts';
import { somePlanned, someResult, someSettings, someStream } from '../support/nouns.ts';

const HELD = { paused: new Set<string>(), atWork: new Set<string>() };
const settings = someSettings();
const [A, B, C] = [someStream('A'), someStream('B', { after: ['A'] }), someStream('C')];

function open(retry: Partial<RetrySettings> = {}, isLeft: (key: string) => boolean = () => false): RunQueue {
  const queue = new RunQueue(
    {
      planned: [A, B, C].map((stream) => somePlanned(stream, { heapMb: 1024 })),
      settings: { ...settings, retry: { ...settings.retry, ...retry } },
      mostForOne: () => 8 * GIB,
      failedBefore: new Map(),
    },
    isLeft,
  );
  queue.set(A.key, 'running');
  return queue;
}

const ready = (queue: RunQueue, nowMs: number): string[] =>
  queue.candidates(HELD, settings.admission, nowMs).map(({ stream }) => stream.id);
const oom = (key: string): AttemptResult =>
  someResult(key, {
    outcome: 'killed-kernel',
    cause: 'kernel-oom',
    signal: 'SIGKILL',
    heapMb: 1024,
    reason: 'oom',
  });
const beside = (atOnce: number) => ({ atOnce, isOver: false });

describe('an attempt that failed', () => {
  it('comes back after its wait and not before, with what it is told to get, while its dependants wait', () => {
    const queue = open();
    const { events, result } = queue.ended(oom(A.key), beside(6), 1000);
    expect(result.reason).toBe('oom');
    const [event] = events;
    if (event?.event !== 'retry') throw new Error('no retry was told');
    expect(event).toMatchObject({ attempt: 2, heapMb: 512, alone: false, atMostConcurrent: 3 });
    const atMs = 1000 + event.afterMs;
    expect([event.afterMs >= 2500, event.afterMs <= 5000]).toEqual([true, true]);
    expect([queue.skipLost(2000), ready(queue, atMs - 1), ready(queue, atMs)]).toEqual([
      [],
      ['C'],
      ['A', 'C'],
    ]);
    expect(queue.candidates(HELD, settings.admission, atMs)[0]).toMatchObject({
      heapMb: 512,
      estimateFrom: 'retry',
    });
  });

  it('waits for the end of what its last attempt left', () => {
    let left = true;
    const queue = open({ backoffMs: 0 }, () => left);
    queue.ended(oom(A.key), beside(1), 1000);
    expect(ready(queue, 1e9)).toEqual(['C']);
    left = false;
    expect(ready(queue, 1e9)).toEqual(['A', 'C']);
  });

  it('lets fewer run at once until it is done, or given up', () => {
    for (const end of ['done', 'given up'] as const) {
      const queue = open({ memoryAttempts: 1 });
      expect(queue.atMost).toBe(Infinity);
      queue.ended(oom(A.key), beside(6), 1000);
      expect(queue.atMost).toBe(3);
      queue.set(A.key, 'running');
      const { events, result } = queue.ended(
        end === 'done' ? someResult(A.key) : oom(A.key),
        beside(3),
        2000,
      );
      expect([events, queue.atMost]).toEqual([[], Infinity]);
      expect(queue.stateOf(A.key)).toBe(end === 'done' ? 'done' : 'failed');
      if (end === 'done') continue;
      expect(result.reason).toMatch(
        /^oom; no further attempt: the kernel killed it .*retry\.memory_attempts/,
      );
      expect(queue.skipLost(2000)).toEqual([expect.objectContaining({ event: 'skip', key: B.key })]);
    }
  });

  it.each([
    ['by itself', { outcome: 'failed', cause: 'failed', reason: 'exit 1' }],
    ['by the wish of a person', { outcome: 'killed-user', cause: 'user', reason: 'by hand' }],
    ['by a signal from outside', { outcome: 'failed', cause: 'terminated', reason: 'ended by SIGTERM' }],
  ] as const)('%s is not tried again, and its reason stays as it is', (_what, change) => {
    const queue = open();
    const { events, result } = queue.ended(someResult(A.key, change), beside(1), 1000);
    expect([events, result.reason, queue.stateOf(A.key)]).toEqual([[], change.reason, 'failed']);
  });

  it('is not tried again once nothing more starts', () => {
    const queue = open();
    expect(queue.ended(oom(A.key), { atOnce: 1, isOver: true }, 1000).events).toEqual([]);
    expect(queue.stateOf(A.key)).toBe('failed');
  });

  it('is called off while it waits, and only then', () => {
    const queue = open();
    expect(queue.callOff(() => 'by hand', 1000)).toEqual([]);
    queue.ended(oom(A.key), beside(6), 1000);
    expect(queue.callOff((key) => (key === C.key ? 'by hand' : undefined), 1000)).toEqual([]);
    expect(queue.callOff(() => 'by hand', 1000)).toEqual([
      { atMs: 1000, event: 'skip', key: A.key, reason: 'no further attempt: by hand' },
    ]);
    expect([queue.stateOf(A.key), queue.stateOf(C.key), queue.atMost]).toEqual([
      'failed',
      'waiting',
      Infinity,
    ]);
  });
});
