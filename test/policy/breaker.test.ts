/** Does the breaker let nothing start after the machine ran out of memory, and one start at a time find out whether it has recovered? */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { BreakerPhase, BreakerState } from '../../lib/model.ts';
import {
  CLOSED,
  askedBreaker,
  failureCount,
  holdBreaker,
  mistrustedBreaker,
  openTime,
  settleBreaker,
  stepBreaker,
  type BreakerEvent,
  type Moment,
} from '../../lib/policy/breaker.ts';
import { heldByBreaker, judgeBreaker, lowMemoryReason, shownPhase } from '../../lib/policy/breaker-answer.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someChecked, someMemory, someProcess, someSettings } from '../support/nouns.ts';

const RULES = someSettings().circuitBreaker;
const at = (nowMs: number, chance = 0): Moment => ({ nowMs, chance, rules: RULES });
const MEMORY = { kind: 'memory', reason: 'the kernel killed' } as const;
const FLOOR = { kind: 'floor', reason: 'only 100.0MB available' } as const;
const owner = someProcess(7);
const DAY = 86_400_000;

const opened = stepBreaker(CLOSED, FLOOR, at(1000));
const halfOpen = settleBreaker(opened, undefined, at(31_000));
const probing = askedBreaker(halfOpen, { id: 'one', owner }, undefined, at(32_000));

describe('the table', () => {
  const states: Record<string, BreakerState> = {
    closed: CLOSED,
    open: opened,
    'half-open': halfOpen,
    probing,
  };
  it.each<[string, BreakerEvent, BreakerPhase]>([
    ['closed', MEMORY, 'closed'],
    ['closed', FLOOR, 'open'],
    ['closed', { kind: 'due' }, 'closed'],
    ['closed', { kind: 'ask', id: 'two', owner }, 'closed'],
    ['closed', { kind: 'passed', id: 'one' }, 'closed'],
    ['closed', { kind: 'failed', id: 'one', reason: 'x' }, 'closed'],
    ['closed', { kind: 'returned', id: 'one' }, 'closed'],
    ['open', MEMORY, 'open'],
    ['open', FLOOR, 'open'],
    ['open', { kind: 'due' }, 'half-open'],
    ['open', { kind: 'ask', id: 'two', owner }, 'open'],
    ['open', { kind: 'passed', id: 'one' }, 'open'],
    ['open', { kind: 'returned', id: 'one' }, 'open'],
    ['half-open', MEMORY, 'open'],
    ['half-open', FLOOR, 'open'],
    ['half-open', { kind: 'passed', id: 'one' }, 'half-open'],
    ['probing', MEMORY, 'open'],
    ['probing', FLOOR, 'open'],
    ['probing', { kind: 'passed', id: 'one' }, 'closed'],
    ['probing', { kind: 'passed', id: 'two' }, 'half-open'],
    ['probing', { kind: 'failed', id: 'one', reason: 'x' }, 'open'],
    ['probing', { kind: 'failed', id: 'two', reason: 'x' }, 'half-open'],
    ['probing', { kind: 'returned', id: 'one' }, 'half-open'],
  ])('%s, after %j, is %s', (from, event, to) => {
    const state = states[from] ?? CLOSED;
    const next = stepBreaker(state, event, at(33_000));
    expect(next.phase).toBe(to);
    if (to !== 'half-open') expect(next.probe).toBeUndefined();
  });

  it.each<[string, BreakerEvent]>([
    ['closed', { kind: 'ask', id: 'two', owner }],
    ['open', FLOOR],
    ['open', { kind: 'ask', id: 'two', owner }],
    ['probing', { kind: 'ask', id: 'two', owner }],
    ['probing', { kind: 'returned', id: 'two' }],
    ['probing', { kind: 'kept', id: 'two', owner }],
  ])('%s is the very same object after %j, so that nothing is written', (from, event) => {
    const state = states[from] ?? CLOSED;
    expect(stepBreaker(state, event, at(33_000))).toBe(state);
  });

  it('hands the place to another owner, and gives it free', () => {
    const kept = stepBreaker(probing, { kind: 'kept', id: 'one', owner: someProcess(8) }, at(33_000));
    expect(kept.probe?.owner?.pid).toBe(8);
    expect(stepBreaker(kept, { kind: 'returned', id: 'one' }, at(33_000)).probe).toBeUndefined();
  });
});

describe('closed', () => {
  it.each<[string, number[], BreakerPhase, number]>([
    ['two', [0, 1], 'closed', 2],
    ['three', [0, 1, 2], 'open', 3],
    ['three, the first just within the window', [1, 2, 300_000], 'open', 3],
    ['three, the first just out of it', [0, 2, 300_000], 'closed', 2],
    ['ten, one every three minutes', Array.from({ length: 10 }, (_, i) => i * 180_000), 'closed', 2],
  ])('with %s memory events is as it should be', (_, times, phase, count) => {
    const state = times.reduce((before, nowMs) => stepBreaker(before, MEMORY, at(nowMs)), CLOSED);
    expect([state.phase, failureCount(state, at(times.at(-1) ?? 0))]).toEqual([phase, count]);
  });

  it('forgets what lies outside the window', () => {
    const state = stepBreaker(CLOSED, MEMORY, at(0));
    expect([299_999, 300_000].map((nowMs) => failureCount(state, at(nowMs)))).toEqual([1, 0]);
  });
});

describe('open', () => {
  it.each<[number, number, number]>([
    [1, 0, 30_000],
    [1, 1, 36_000],
    [2, 0, 60_000],
    [2, 1, 72_000],
    [5, 0, 480_000],
    [5, 1, 576_000],
    [6, 0, 600_000],
    [6, 1, 600_000],
    [5000, 0.5, 600_000],
  ])('in round %i with chance %d lasts %i ms', (rounds, chance, ms) => {
    expect(openTime(rounds, { chance, rules: RULES })).toBe(ms);
  });

  it('ends at its time and not a millisecond earlier', () => {
    expect([30_999, 31_000].map((nowMs) => settleBreaker(opened, undefined, at(nowMs)).phase)).toEqual([
      'open',
      'half-open',
    ]);
  });

  it('rests from the last failure on, without doubling', () => {
    const later = stepBreaker(opened, MEMORY, at(20_000));
    expect([later.sinceMs + later.openMs, later.rounds]).toEqual([50_000, 1]);
  });

  it('lasts twice as long each time a probe fails, and as at first after one has passed', () => {
    let state = opened;
    const lengths = [state.openMs];
    let nowMs = 1000;
    for (let round = 0; round < 7; round += 1) {
      nowMs = state.sinceMs + state.openMs;
      state = askedBreaker(
        settleBreaker(state, undefined, at(nowMs)),
        { id: 'p', owner },
        undefined,
        at(nowMs),
      );
      state = stepBreaker(state, { kind: 'failed', id: 'p', reason: 'again' }, at(nowMs));
      lengths.push(state.openMs);
    }
    expect(lengths).toEqual([30, 60, 120, 240, 480, 600, 600, 600].map((seconds) => seconds * 1000));
    nowMs = state.sinceMs + state.openMs;
    state = askedBreaker(
      settleBreaker(state, undefined, at(nowMs)),
      { id: 'p', owner },
      undefined,
      at(nowMs),
    );
    state = stepBreaker(state, { kind: 'passed', id: 'p' }, at(nowMs));
    expect(stepBreaker(state, FLOOR, at(nowMs)).openMs).toBe(30_000);
  });

  it('lasts no longer when the clock is set back by a day', () => {
    const state = { ...opened, sinceMs: 2 * DAY };
    const aligned = settleBreaker(state, undefined, at(DAY));
    expect(judgeBreaker(aligned, DAY, 'x')).toMatchObject({ allowed: false, retryAfterMs: 30_000 });
    expect(settleBreaker(aligned, undefined, at(DAY + 30_000)).phase).toBe('half-open');
  });
});

describe('half-open', () => {
  it('lets one of ten probes through (all ten got through once)', () => {
    let state = halfOpen;
    const answers = Array.from({ length: 10 }, (_, i) => {
      state = askedBreaker(
        settleBreaker(state, true, at(32_000)),
        { id: `p${i}`, owner },
        undefined,
        at(32_000),
      );
      return judgeBreaker(state, 32_000, `p${i}`).allowed;
    });
    expect(answers).toEqual([true, ...Array<boolean>(9).fill(false)]);
  });

  it.each<[string, boolean | undefined, number, BreakerPhase, boolean]>([
    ['keeps the place while its owner lives', true, 331_999, 'half-open', true],
    ['is closed when the probe has lived its time', true, 332_000, 'closed', false],
    ['gives the place free when the owner died', false, 32_001, 'half-open', false],
    ['keeps the place of an owner that cannot be seen for its time', undefined, 331_999, 'half-open', true],
    ['gives that place free after it, and closes on no guess', undefined, 332_000, 'half-open', false],
  ])('%s', (_, isAlive, nowMs, phase, isTaken) => {
    const state = settleBreaker(probing, isAlive, at(nowMs));
    expect([state.phase, state.probe !== undefined]).toEqual([phase, isTaken]);
  });

  it('opens again, doubled, where the next one to ask finds too little memory', () => {
    const state = askedBreaker(halfOpen, { id: 'p', owner }, 'only 1.0MB', at(32_000));
    expect([state.phase, state.openMs, state.reason, state.probe]).toEqual([
      'open',
      60_000,
      'only 1.0MB',
      undefined,
    ]);
  });

  it('takes no notice of a probe from before it opened again', () => {
    const again = stepBreaker(probing, FLOOR, at(33_000));
    const second = askedBreaker(
      settleBreaker(again, true, at(100_000)),
      { id: 'two', owner },
      undefined,
      at(100_000),
    );
    expect(stepBreaker(second, { kind: 'passed', id: 'one' }, at(100_001))).toBe(second);
  });
});

describe('opened by hand', () => {
  const hold = { by: 'ann@host', reason: 'restore', sinceMs: 1000, untilMs: undefined };

  it('is still open after any time (it closed by itself once)', () => {
    const state = holdBreaker(CLOSED, hold);
    for (const nowMs of [1000, 31_000, 601_000, DAY, 400 * DAY]) {
      const settled = settleBreaker(state, undefined, at(nowMs));
      expect([shownPhase(settled), judgeBreaker(settled, nowMs, 'x').allowed]).toEqual(['open', false]);
    }
  });

  it('with a time is open until then, says who and why, and closes to what goes on below', () => {
    const state = holdBreaker(opened, { ...hold, untilMs: 20_000 });
    const answer = judgeBreaker(settleBreaker(state, undefined, at(19_999)), 19_999, 'x');
    expect(answer).toMatchObject({ allowed: false, retryAfterMs: 1 });
    expect(answer.allowed ? '' : answer.reason).toMatch(/opened by ann@host 19\.0s ago, .*: restore$/);
    expect(settleBreaker(state, undefined, at(20_000))).toMatchObject({ phase: 'open', hold: undefined });
    expect(settleBreaker(state, undefined, at(31_000)).phase).toBe('half-open');
    expect(
      settleBreaker(holdBreaker(CLOSED, { ...hold, untilMs: 20_000 }), undefined, at(20_000)).phase,
    ).toBe('closed');
  });

  it('gives no probe away, and a probe that passes meanwhile does not close it', () => {
    const asked = askedBreaker(holdBreaker(halfOpen, hold), { id: 'p', owner }, undefined, at(32_000));
    expect(asked.probe).toBeUndefined();
    const passed = stepBreaker(holdBreaker(probing, hold), { kind: 'passed', id: 'one' }, at(33_000));
    expect([passed.phase, shownPhase(passed)]).toEqual(['closed', 'open']);
  });
});

test('a damaged file counts as one failure: open for the first recovery time, then half-open', () => {
  const state = mistrustedBreaker('its file was damaged', at(5));
  expect(state).toMatchObject({ phase: 'open', openMs: 30_000, rounds: 1 });
  expect(settleBreaker(state, undefined, at(30_005)).phase).toBe('half-open');
});

test.each<[number, boolean]>([
  [500 * MIB, false],
  [500 * MIB - 1, true],
  [0, true],
])('%i bytes available under a floor of 500 MB are too little: %s', (bytes, isLow) => {
  expect(lowMemoryReason(bytes, { ...RULES, availableBytes: 500 * MIB }) !== undefined).toBe(isLow);
});

test('a refused admission waits, is limited by the breaker, fits nothing, and leaves the rest of the ledger alone', () => {
  const memoryOf = { holdSinceMs: 4, lastMemoryEventMs: 5 };
  const facts = {
    settings: someSettings(),
    memory: someMemory(8 * GIB),
    leases: [someChecked()],
    budget: undefined,
  };
  const refusal = { allowed: false, state: 'open', reason: 'why', retryAfterMs: 77 } as const;
  expect(heldByBreaker({ ...facts, memoryOf }, refusal)).toMatchObject({
    decision: 'wait',
    binding: 'breaker',
    reason: 'why',
    retryAfterMs: 77,
    wouldFitBytes: 0,
    liveAgents: 1,
    memory: memoryOf,
  });
});

type Deed =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'memory' | 'low' | 'close' }
  | { readonly do: 'ask' | 'die'; readonly who: number }
  | { readonly do: 'end'; readonly who: number; readonly how: 'passed' | 'failed' | 'returned' }
  | { readonly do: 'hold'; readonly ms: number | undefined };

const who = fc.integer({ min: 0, max: 5 });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 120_000 }) }) },
  { weight: 2, arbitrary: fc.constantFrom<Deed>({ do: 'memory' }, { do: 'low' }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), who, how: fc.constantFrom('passed' as const, 'failed' as const, 'returned' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const), ms: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.constant<Deed>({ do: 'close' }) },
); // prettier-ignore
const story = fc.array(fc.tuple(deed, fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 60 });

/** One asker: `0#2` is the third life of asker 0; the dead come back under a new name. */
class World {
  state = CLOSED;
  nowMs = 1_000_000;
  readonly lives = new Map<number, number>();
  holdUntilMs: number | undefined = -1;
  /** Whom the last place was given to, as long as nothing took it back. */
  trying: string | undefined;

  name(asker: number): string {
    return `${asker}#${this.lives.get(asker) ?? 0}`;
  }
  isAlive(id: string | undefined): boolean {
    return [0, 1, 2, 3, 4, 5].some((asker) => this.name(asker) === id);
  }
  settle(moment: Moment): BreakerState {
    return settleBreaker(this.state, this.isAlive(this.state.probe?.id), moment);
  }
  isHeld(): boolean {
    return this.holdUntilMs === undefined || this.nowMs < this.holdUntilMs;
  }
}

function play(deeds: readonly (readonly [Deed, number])[], check: (world: World, deed: Deed) => void): World {
  const world = new World();
  for (const [next, chance] of deeds) {
    if (next.do === 'wait') world.nowMs += next.ms;
    const moment: Moment = { nowMs: world.nowMs, chance, rules: RULES };
    const state = world.settle(moment);
    if (next.do === 'wait') world.state = state;
    if (next.do === 'memory') world.state = stepBreaker(state, MEMORY, moment);
    if (next.do === 'low') world.state = stepBreaker(state, FLOOR, moment);
    if (next.do === 'close') [world.state, world.holdUntilMs] = [CLOSED, -1];
    if (next.do === 'hold') {
      world.holdUntilMs = next.ms === undefined ? undefined : world.nowMs + next.ms;
      world.state = holdBreaker(state, {
        by: 'ann',
        reason: undefined,
        sinceMs: world.nowMs,
        untilMs: world.holdUntilMs,
      });
    }
    if (next.do === 'die') world.lives.set(next.who, (world.lives.get(next.who) ?? 0) + 1);
    if (next.do === 'end')
      world.state = stepBreaker(state, { kind: next.how, id: world.name(next.who), reason: 'x' }, moment);
    if (next.do === 'ask')
      world.state = askedBreaker(state, { id: world.name(next.who), owner }, undefined, moment);
    check(world, next);
  }
  return world;
}

describe('whatever happens', () => {
  it('there are never two probes', () => {
    fc.assert(
      fc.property(story, (deeds) => {
        play(deeds, (world, done) => {
          const { trying, state } = world;
          const isOver = trying === undefined || !world.isAlive(trying) || state.phase !== 'half-open';
          if (isOver || (done.do === 'end' && world.name(done.who) === trying)) world.trying = undefined;
          if (done.do !== 'ask') return;
          const id = world.name(done.who);
          const answer = judgeBreaker(state, world.nowMs, id);
          if (!answer.allowed || !answer.probe) return;
          expect([undefined, id]).toContain(world.trying);
          world.trying = id;
        });
      }),
      { numRuns: 500 },
    );
  });

  it('nothing starts while it is held open by hand', () => {
    fc.assert(
      fc.property(story, (deeds) => {
        play(deeds, (world, done) => {
          const settled = world.settle(at(world.nowMs));
          expect(settled.hold !== undefined).toBe(world.isHeld());
          if (!world.isHeld()) return;
          expect(shownPhase(settled)).toBe('open');
          const id = done.do === 'ask' ? world.name(done.who) : 'anybody';
          expect(judgeBreaker(settled, world.nowMs, id).allowed).toBe(false);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('open ends by time alone, in half-open, and never in closed', () => {
    fc.assert(
      fc.property(story, (deeds) => {
        let before: BreakerState = CLOSED;
        play(deeds, ({ state, nowMs }, done) => {
          if (before.phase === 'open' && state.phase !== 'open' && done.do !== 'close') {
            expect(nowMs).toBeGreaterThanOrEqual(before.sinceMs + before.openMs);
            expect(state.phase).toBe('half-open');
          }
          before = state;
        });
      }),
      { numRuns: 500 },
    );
  });

  it('waiting only shortens the wait, and an opening never lasts longer than the most', () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(story, pauses, (deeds, waits) => {
        const world = play(deeds, ({ state }) =>
          expect(state.openMs).toBeLessThanOrEqual(RULES.recoveryMostMs),
        );
        let left = Infinity;
        for (const wait of waits) {
          const settled = world.settle(at(world.nowMs));
          const isOpen = settled.phase === 'open' || settled.hold?.untilMs !== undefined;
          const answer = judgeBreaker(settled, world.nowMs, 'anybody');
          if (isOpen && settled.hold === undefined && !answer.allowed) {
            expect(answer.retryAfterMs).toBeLessThanOrEqual(left);
            left = answer.retryAfterMs;
          }
          world.nowMs += wait;
        }
      }),
      { numRuns: 300 },
    );
  });
});
