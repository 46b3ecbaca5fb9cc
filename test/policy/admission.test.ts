/** Does admission ever over-commit, ever let nothing run for ever, or ever say yes where less said no? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Settings } from '../../lib/settings-model.ts';
import {
  decideAdmission,
  type AdmissionDecision,
  type AdmissionMemory,
  type AdmissionRequest,
  type PressureHold,
} from '../../lib/policy/admission.ts';
import type { CapacityFacts } from '../../lib/policy/capacity.ts';
import { sumCharges, type CheckedLease } from '../../lib/policy/charge.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someChecked, someMemory, someSettings } from '../support/nouns.ts';

type Facts = Parameters<typeof decideAdmission>[0];

const NOTHING: AdmissionMemory & PressureHold = { holdSinceMs: undefined, lastMemoryEventMs: undefined };
const NOW = 1_000_000;

const decide = (facts: Partial<Facts>, request: Partial<AdmissionRequest> = {}): AdmissionDecision =>
  decideAdmission(
    {
      settings: someSettings(),
      memory: someMemory(12 * GIB),
      leases: [],
      budget: undefined,
      nowMs: NOW,
      memoryOf: NOTHING,
      ...facts,
    },
    { estimateBytes: 2 * GIB, limitBytes: 3 * GIB, estimateIsStated: true, ...request },
  );

const budget = (bytes: number) => ({ bytes, project: '/project', epic: 'shop' });
const said = (decision: AdmissionDecision): string =>
  decision.decision === 'admit'
    ? `admit ${decision.estimateBytes / MIB} limit ${(decision.limitBytes ?? NaN) / MIB}`
    : `${decision.decision} ${decision.binding}`;

describe('decideAdmission', () => {
  const four = [someChecked(), someChecked(), someChecked(), someChecked()];
  const off = someSettings({ enabled: false });
  it.each<[string, Partial<Facts>, Partial<AdmissionRequest>, string]>([
    ['an idle machine', {}, {}, 'admit 2048 limit 3072'],
    ['exactly the headroom', {}, { estimateBytes: 10 * GIB }, 'admit 10240 limit 3072'],
    ['one byte more, with nothing running', {}, { estimateBytes: 10 * GIB + 1, limitBytes: undefined }, `admit ${10240 + 1 / MIB} limit 12288`],
    ['one byte more, with one running', { leases: [someChecked({}, GIB)] }, { estimateBytes: 10 * GIB + 1 }, 'wait machine'],
    ['the most that there can ever be', { memory: someMemory(GIB) }, { estimateBytes: 14 * GIB, limitBytes: undefined }, 'admit 1024 limit 1024'],
    ['one byte more than there can ever be', {}, { estimateBytes: 14 * GIB + 1 }, 'refuse machine'],
    ['as much, but nobody said so', {}, { estimateBytes: 14 * GIB + 1, estimateIsStated: false, limitBytes: undefined }, 'admit 12288 limit 12288'],
    ['more than the budget can ever be', { budget: budget(GIB) }, {}, 'refuse budget'],
    ['more than the budget, but nobody said so', { budget: budget(GIB) }, { estimateIsStated: false }, 'admit 1024 limit 1024'],
    ['the budget below the floor is the wish of the caller', { budget: budget(GIB / 4) }, { estimateIsStated: false }, 'admit 256 limit 256'],
    ['the budget is taken', { budget: budget(2 * GIB), leases: [someChecked({ estimateBytes: 2 * GIB })] }, {}, 'wait budget'],
    ['all slots but one taken', { leases: four.slice(1) }, {}, 'admit 2048 limit 3072'],
    ['all slots taken', { leases: four }, {}, 'wait max_concurrent'],
    ['all slots taken, and it could never fit', { leases: four }, { estimateBytes: 99 * GIB }, 'wait max_concurrent'],
    ['all slots taken by the dead', { leases: four.map((one) => ({ ...one, life: 'void-owner-dead' })) }, {}, 'admit 2048 limit 3072'],
    ['the floor exactly', { memory: someMemory(GIB) }, {}, 'admit 1024 limit 1024'],
    ['one byte below the floor', { memory: someMemory(GIB - 1) }, {}, 'wait floor'],
    ['nothing available', { memory: someMemory(0) }, {}, 'wait floor'],
    ['above the floor within a hold', { memory: someMemory(1.25 * GIB - 1), memoryOf: { ...NOTHING, holdSinceMs: 5 } }, { estimateBytes: MIB }, 'wait hold'],
    ['a quarter above the floor ends the hold', { memory: someMemory(1.25 * GIB), memoryOf: { ...NOTHING, holdSinceMs: 5 } }, {}, 'admit 1280 limit 1280'],
    ['never fits, within a hold', { memory: someMemory(0) }, { estimateBytes: 99 * GIB }, 'refuse machine'],
    ['held by pressure, with room for it', { memoryOf: { ...NOTHING, pressureHoldUntilMs: NOW + 1 } }, {}, 'wait hold'],
    ['the hold of pressure is over', { memoryOf: { ...NOTHING, pressureHoldUntilMs: NOW } }, {}, 'admit 2048 limit 3072'],
    ['a hold of pressure from before the clock was set back', { memoryOf: { ...NOTHING, pressureHoldUntilMs: NOW + 600_001 } }, {}, 'admit 2048 limit 3072'],
    ['never fits, held by pressure', { memoryOf: { ...NOTHING, pressureHoldUntilMs: NOW + 1 } }, { estimateBytes: 99 * GIB }, 'refuse machine'],
    ['below the floor and held by pressure', { memory: someMemory(0), memoryOf: { ...NOTHING, pressureHoldUntilMs: NOW + 1 } }, {}, 'wait floor'],
    ['memory management off, held by pressure', { settings: off, memoryOf: { ...NOTHING, pressureHoldUntilMs: NOW + 1 } }, {}, 'admit 2048 limit 3072'],
    ['a third one while little is free', { settings: someSettings({ admission: { limitedBytes: 13 * GIB } }), leases: four.slice(2) }, {}, 'wait mode'],
    ['a third one that would not fit either', { settings: someSettings({ admission: { limitedBytes: 13 * GIB } }), leases: four.slice(2) }, { estimateBytes: 13 * GIB }, 'wait machine'],
    ['a second one while very little is free', { settings: someSettings({ admission: { sequentialBytes: 13 * GIB, limitedBytes: 13 * GIB } }), leases: four.slice(3) }, {}, 'wait mode'],
    ['a first one while very little is free', { settings: someSettings({ admission: { sequentialBytes: 13 * GIB, limitedBytes: 13 * GIB } }) }, {}, 'admit 2048 limit 3072'],
    ['memory management off', { settings: off, memory: someMemory(0) }, { estimateBytes: 999 * GIB }, 'admit 1022976 limit 3072'],
    ['memory management off, all slots taken', { settings: off, leases: four }, {}, 'wait max_concurrent'],
    ['only a coordinator runs, so one agent starts all the same', { memory: someMemory(3 * GIB), leases: [someChecked({ role: 'coordinator', estimateBytes: 2 * GIB })] }, {}, 'admit 1024 limit 1024'],
    ['a coordinator that has yet to grow leaves less than the floor', { memory: someMemory(3 * GIB - 1), leases: [someChecked({ role: 'coordinator', estimateBytes: 2 * GIB })] }, {}, 'wait machine'],
    ['safety leaves less than the floor', { settings: someSettings({ admission: { safetyBytes: 2 * GIB } }), memory: someMemory(3 * GIB - 1) }, {}, 'wait machine'],
  ])('%s', (_what, facts, request, answer) => {
    expect(said(decide(facts, request))).toBe(answer);
  }); // prettier-ignore

  it('says which limit, how much is missing, what would fit and when to ask again', () => {
    const answer = decide({ leases: [someChecked()], budget: budget(2.5 * GIB) });
    expect(answer).toMatchObject({
      decision: 'wait',
      binding: 'budget',
      shortByBytes: GIB / 2,
      wouldFitBytes: 1.5 * GIB,
      retryAfterMs: 5000,
      liveAgents: 1,
      maxConcurrent: 4,
    });
    expect(answer.reason).toBe(
      '512.0MB short: 2.0GB needed, 1.5GB of headroom in the budget of 2.5GB, 1 of 4 agents running',
    );
  });

  it('says the words of a refusal for good', () => {
    expect(decide({}, { estimateBytes: 15 * GIB })).toMatchObject({
      reason: "needs 15.0GB, and the machine's 16.0GB can never hold more than 14.0GB",
      shortByBytes: GIB,
    });
  });

  it.each([
    [512.3 * MIB, GIB, 'Insufficient memory: only 512.3MB available (need at least 1GB)'],
    [0, 512 * MIB, 'Insufficient memory: only 0B available (need at least 512MB)'],
  ])('says in the old words that %d bytes are under a floor of %d', (bytes, floorBytes, words) => {
    const settings = someSettings({ admission: { floorBytes } });
    expect(decide({ memory: someMemory(bytes), settings }).reason).toBe(words);
  });

  it('tells how long pressure holds at most, and that nothing fits until then', () => {
    const memoryOf = { ...NOTHING, pressureHoldUntilMs: NOW + 4000 };
    expect(decide({ memoryOf })).toMatchObject({
      reason: 'memory pressure was critical: admissions are held for 4.0s more at most',
      wouldFitBytes: 0,
      shortByBytes: undefined,
      retryAfterMs: 4000,
    });
  });

  it('names the limit that single-agent mode really gives', () => {
    const limited = decide({ memory: someMemory(3 * GIB) }, { limitBytes: 2.5 * GIB });
    expect(limited).toMatchObject({ decision: 'admit', mode: 'sequential', limitBytes: 2.5 * GIB });
    expect(limited.decision === 'admit' && limited.warning).toContain('with 2.5GB as its limit');
  });

  it('remembers since when it holds, over many looks, and forgets it with the hold', () => {
    const looks = [GIB - 1, 0, 1.2 * GIB, GIB, 1.25 * GIB, 1.2 * GIB, GIB - 1].map((bytes, at) => [bytes, 100 + at] as const);
    let memoryOf = NOTHING;
    const held = looks.map(([bytes, nowMs]) => {
      memoryOf = decide({ memory: someMemory(bytes), memoryOf, nowMs }).memory;
      return memoryOf.holdSinceMs;
    });
    expect(held).toEqual([100, 100, 100, 100, undefined, undefined, 106]);
  }); // prettier-ignore
});

describe('after memory ran out', () => {
  const EVENT = NOW - 60_000;
  const memoryOf = { ...NOTHING, lastMemoryEventMs: EVENT };
  const old = someChecked({ sinceMs: EVENT - 1 });

  it.each<[string, CheckedLease[], string]>([
    ['one starts', [], 'admit 2048 limit 3072'],
    ['one starts beside those from before', [old], 'admit 2048 limit 3072'],
    ['one starts beside one that began in the same instant', [someChecked({ sinceMs: EVENT })], 'admit 2048 limit 3072'],
    ['no second while the first is young', [old, someChecked({ sinceMs: NOW })], 'wait caution'],
    ['no second 1 ms too early', [someChecked({ sinceMs: NOW - 9999 })], 'wait caution'],
    ['a second when the first has lived for ten seconds', [someChecked({ sinceMs: NOW - 10_000 })], 'admit 2048 limit 3072'],
    ['the next one when the first has ended', [{ ...someChecked({ sinceMs: NOW - 1 }), life: 'void-owner-dead' }], 'admit 2048 limit 3072'],
    ['one beside a coordinator that began since', [someChecked({ role: 'coordinator', sinceMs: NOW - 1 })], 'admit 2048 limit 3072'],
  ])('%s', (_what, leases, answer) => {
    expect(said(decide({ leases, memoryOf }))).toBe(answer);
  }); // prettier-ignore

  it('tells when the youngest will have proved itself, and that nothing fits before', () => {
    const leases = [someChecked({ sinceMs: NOW - 4000 })];
    expect(decide({ leases, memoryOf })).toMatchObject({ retryAfterMs: 6000, wouldFitBytes: 0 });
  });

  it('forgets the event once an agent has proved safe, and no sooner', () => {
    const event = (sinceMs: number): number | undefined =>
      decide({ leases: [someChecked({ sinceMs })], memoryOf }).memory.lastMemoryEventMs;
    expect([event(NOW - 9999), event(NOW - 10_000)]).toEqual([EVENT, undefined]);
  });
});

const size = fc.integer({ min: 0, max: 16 * GIB });
const someAgents = fc
  .array(fc.tuple(size, fc.option(size, { nil: undefined }), fc.constantFrom('agent', 'coordinator')), { maxLength: 4 })
  .map((list) => list.map(([estimateBytes, tree, role]) => someChecked({ estimateBytes, role }, tree))); // prettier-ignore
const maybeBudget = fc.option(size.map(budget), { nil: undefined });
const request = fc.record({
  estimateBytes: fc.integer({ min: 1, max: 16 * GIB }),
  limitBytes: fc.option(size, { nil: undefined }),
  estimateIsStated: fc.boolean(),
});

const narrow = someSettings({ admission: { sequentialBytes: 2 * GIB, limitedBytes: 4 * GIB } });

describe('less memory', () => {
  it('never admits more, never lets it have more, and never sees a freer mode, over any sequence of looks', () => {
    const looks = fc.array(fc.tuple(size, size), { minLength: 1, maxLength: 8 });
    const modes = ['sequential', 'limited_parallel', 'full_parallel'];
    fc.assert(
      fc.property(looks, someAgents, maybeBudget, request, (sequence, leases, limit, asked) => {
        let [rich, poor] = [NOTHING, NOTHING];
        for (const [one, other] of sequence) {
          const facts = { leases, budget: limit, settings: narrow };
          const more = decide({ ...facts, memory: someMemory(Math.max(one, other)), memoryOf: rich }, asked);
          const less = decide({ ...facts, memory: someMemory(Math.min(one, other)), memoryOf: poor }, asked);
          [rich, poor] = [more.memory, less.memory];
          expect(less.wouldFitBytes).toBeLessThanOrEqual(more.wouldFitBytes);
          if (less.decision !== 'admit') continue;
          if (more.decision !== 'admit') throw new Error(`less admits, more says ${more.reason}`);
          expect(less.estimateBytes).toBeLessThanOrEqual(more.estimateBytes);
          expect(less.limitBytes ?? Infinity).toBeLessThanOrEqual(more.limitBytes ?? Infinity);
          expect(modes.indexOf(less.mode)).toBeLessThanOrEqual(
            more.warning === undefined ? modes.indexOf(more.mode) : 0,
          );
        }
      }),
    );
  });

  it('is also what one more agent means', () => {
    fc.assert(
      fc.property(size, someAgents, maybeBudget, request, size, (available, leases, limit, asked, estimate) => {
        const facts = { memory: someMemory(available), budget: limit, settings: narrow };
        const before = decide({ ...facts, leases }, asked);
        const after = decide({ ...facts, leases: [...leases, someChecked({ estimateBytes: estimate })] }, asked);
        expect(after.wouldFitBytes).toBeLessThanOrEqual(before.wouldFitBytes);
        if (after.decision === 'admit') expect(before.decision).toBe('admit');
      }),
    );
  }); // prettier-ignore
});

describe('what would fit', () => {
  it('is admitted, and with something running a byte more is not', () => {
    fc.assert(
      fc.property(size, someAgents, maybeBudget, request, (available, leases, limit, asked) => {
        const facts = { memory: someMemory(available), budget: limit, leases, settings: narrow };
        const { wouldFitBytes, liveAgents } = decide(facts, asked);
        const ask = (estimateBytes: number) => decide(facts, { ...asked, estimateBytes }).decision;
        if (wouldFitBytes > 0) expect(ask(wouldFitBytes)).toBe('admit');
        if (liveAgents > 0) expect(ask(wouldFitBytes + 1)).not.toBe('admit');
      }),
    );
  });

  it('goes with a time to ask again that is never zero', () => {
    fc.assert(
      fc.property(size, someAgents, fc.option(fc.integer({ min: 0, max: NOW }), { nil: undefined }), request, (available, leases, event, asked) => {
        const answer = decide({ memory: someMemory(available), leases, memoryOf: { ...NOTHING, lastMemoryEventMs: event } }, asked);
        if (answer.decision === 'wait') expect(answer.retryAfterMs).toBeGreaterThanOrEqual(1);
      }),
    );
  }); // prettier-ignore
});

/** One step of a day: somebody asks, an agent grows by a share of its estimate, one ends, others on the machine take and give. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ask: request }) },
  {
    weight: 3,
    arbitrary: fc.record({ grow: fc.nat(7), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 2, arbitrary: fc.record({ end: fc.nat(7) }) },
);

describe('a day of admissions, growth and ends', () => {
  const TOTAL = 16 * GIB;
  const kept = (settings: Settings): number =>
    settings.coordinatorMemoryBytes + settings.admission.safetyBytes;

  it('never promises more than the machine, the total limit and the budget hold, nor more agents than may run', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        maybeBudget,
        size,
        fc.integer({ min: 0, max: 10 * GIB }),
        fc.integer({ min: 1, max: 8 }),
        (steps, limit, total, othersBytes, maxConcurrentAgents) => {
          const settings = someSettings({
            totalMemoryLimitBytes: total,
            maxConcurrentAgents,
            admission: { floorBytes: 256 * MIB, safetyBytes: 128 * MIB },
          });
          let agents: CheckedLease[] = [];
          let memoryOf = NOTHING;
          const used = (): number => agents.reduce((sum, { treeBytes }) => sum + (treeBytes ?? 0), 0);
          const facts = (): CapacityFacts => ({
            settings,
            memory: someMemory(TOTAL - othersBytes - used(), TOTAL),
            leases: agents,
            budget: limit,
          });
          for (const one of steps) {
            if ('end' in one) agents = agents.filter((_, at) => at !== one.end);
            if ('grow' in one)
              agents = agents.map((agent, at) =>
                at === one.grow
                  ? { ...agent, treeBytes: Math.floor(agent.lease.estimateBytes * one.share) }
                  : agent,
              );
            if (!('ask' in one)) continue;

            const answer = decideAdmission({ ...facts(), nowMs: NOW, memoryOf }, one.ask);
            memoryOf = answer.memory;
            if (answer.decision !== 'admit') continue;
            const alone = answer.warning !== undefined;
            expect(alone).toBe(alone && agents.length === 0);
            agents = [
              ...agents,
              someChecked({ estimateBytes: answer.estimateBytes, limitBytes: answer.limitBytes }, 0),
            ];

            const { chargedBytes } = sumCharges(agents);
            const keptBytes = alone ? settings.admission.safetyBytes : kept(settings);
            expect(agents.length).toBeLessThanOrEqual(maxConcurrentAgents);
            expect(chargedBytes).toBeLessThanOrEqual(total - keptBytes);
            expect(chargedBytes).toBeLessThanOrEqual(TOTAL - othersBytes - keptBytes);
            if (limit) expect(chargedBytes).toBeLessThanOrEqual(limit.bytes);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
