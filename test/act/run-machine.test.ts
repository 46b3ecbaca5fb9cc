/** Does a run that grows into the last memory halt whom it may, let them go on again, and stop somebody only when nothing else helps? */
import { describe, expect, it } from 'vitest';
import { RunMachine } from '../../lib/act/run-machine.ts';
import type { AttemptView, Engine } from '../../lib/act/engine.ts';
import type { Candidate } from '../../lib/policy/victim.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someMemory, someSettings } from '../support/nouns.ts';

interface Held {
  readonly key: string;
  readonly mb: number;
  /** In the last 40 ms. */
  readonly grewMb?: number;
  readonly ageMs: number;
}

/** A machine of 4 GB of which 100 MB are kept, halting below 75 MB and stopping below 50 MB. */
function open(held: ReadonlySet<string> = new Set(), isForecast = true) {
  const deeds: string[] = [];
  let agents: readonly Held[] = [];
  let availableMb = 4096;
  let nowMs = 100_000;
  const engine: Pick<Engine, 'suspend' | 'history'> = {
    suspend: (key, halted) => deeds.push(`${halted ? 'halt' : 'go'} ${key}`),
    history: (key) => {
      const { mb = 0, grewMb = 0 } = agents.find((agent) => agent.key === key) ?? {};
      return [
        { atMs: nowMs - 40, bytes: (mb - grewMb) * MIB },
        { atMs: nowMs, bytes: mb * MIB },
      ];
    },
  };
  const machine = new RunMachine(
    {
      settings: someSettings({ admission: { floorBytes: 100 * MIB } }),
      engine: engine as Engine,
      readMemory: () => someMemory(availableMb * MIB, 4 * GIB),
      budgetBytes: 4 * GIB,
      isForecast: () => isForecast,
      onEvent: () => undefined,
    },
    () => held,
  );
  const look = (now: readonly Held[], leftMb: number): string => {
    agents = now;
    availableMb = leftMb;
    nowMs += 100;
    const views = agents.map(({ key, mb, ageMs }): Partial<AttemptView> => ({
      key,
      privateBytes: mb * MIB,
      averageBytes: mb * MIB,
      startedMs: nowMs - ageMs,
      haltedMs: 0,
    }));
    const candidates = agents.map(({ key, mb, ageMs }): Candidate => ({
      key,
      currentBytes: mb * MIB,
      privateBytes: mb * MIB,
      estimateBytes: GIB,
      ageMs,
      isLeaving: false,
    }));
    deeds.length = 0;
    const victim = machine.guard(views as AttemptView[], () => candidates, nowMs);
    if (victim) deeds.push(`stop ${victim.key}${victim.isOverbooked ? ' overbooked' : ''}`);
    return deeds.join(', ');
  };
  return { look, machine };
}

const OLD: Held = { key: 'old', mb: 1000, ageMs: 9000 };
const YOUNG: Held = { key: 'young', mb: 500, ageMs: 1000 };

describe('RunMachine.guard', () => {
  it.each<[string, readonly Held[], number, string]>([
    ['leaves all alone while nobody can fill what is left', [{ ...YOUNG, grewMb: 50 }, OLD], 1000, ''],
    ['leaves all alone where nothing grows', [YOUNG, OLD], 90, ''],
    ['halts the youngest that grows', [OLD, { ...YOUNG, grewMb: 80 }], 120, 'halt young'],
    ['halts the young one though the old one grows, too', [{ ...OLD, grewMb: 20 }, { ...YOUNG, grewMb: 80 }], 130, 'halt young'],
    ['never halts the last one that goes on', [{ ...OLD, grewMb: 80 }], 80, ''],
    ['halts who grows slowly once nothing is left', [OLD, { ...YOUNG, grewMb: 1 }], 60, 'halt young'],
    ['stops nobody where a halt may help', [{ ...OLD, grewMb: 20 }, { ...YOUNG, grewMb: 20 }], 40, 'halt young'],
  ])('%s', (_what, agents, leftMb, expected) => {
    expect(open().look(agents, leftMb)).toBe(expected);
  }); // prettier-ignore

  it('lets a halted one go on when there is room, not before', () => {
    const { look, machine } = open();
    look([OLD, { ...YOUNG, grewMb: 80 }], 120);
    expect(machine.isAnyHalted).toBe(true);
    expect(look([OLD, YOUNG], 120)).toBe('');
    expect(look([OLD, YOUNG], 800)).toBe('go young');
    expect(machine.isAnyHalted).toBe(false);
  });

  it('lets the halted one go on when nobody else is left', () => {
    const { look } = open();
    look([OLD, { ...YOUNG, grewMb: 80 }], 120);
    expect(look([YOUNG], 90)).toBe('go young');
  });

  it('gives a place up that was taken by a forecast once its halt costs too much', () => {
    const { look } = open();
    look([OLD, { ...YOUNG, grewMb: 80 }], 120);
    let came = '';
    for (let at = 0; at < 50 && came === ''; at += 1) came = look([OLD, YOUNG], 120);
    expect(came).toBe('stop young overbooked');
  });

  it('never loses a halted one whose share was written: it goes on when there is room, however long that takes', () => {
    const { look, machine } = open(new Set(), false);
    look([OLD, { ...YOUNG, grewMb: 80 }], 120);
    for (let at = 0; at < 50; at += 1) expect(look([OLD, YOUNG], 120)).toBe('');
    expect(machine.isAnyHalted).toBe(true);
    expect(look([YOUNG], 3000)).toBe('go young');
  });

  it('forgets a halted one that a person holds, and leaves it to that person', () => {
    const { look, machine } = open(new Set(['young']));
    look([OLD, { ...YOUNG, grewMb: 80 }], 120);
    expect(look([OLD, YOUNG], 800)).toBe('');
    expect(machine.isAnyHalted).toBe(false);
  });

  it('lets the halted one go on when the only other one stands still because a person wants it to', () => {
    const held = new Set<string>();
    const { look } = open(held, false);
    look([{ ...OLD, grewMb: 20 }, { ...YOUNG, grewMb: 80 }], 120); // prettier-ignore
    held.add('old');
    expect(look([OLD, YOUNG], 120)).toBe('go young');
    expect(look([OLD, { ...YOUNG, grewMb: 40 }], 80)).toBe('');
    held.clear();
    expect(look([{ ...OLD, grewMb: 20 }, { ...YOUNG, grewMb: 40 }], 80)).toBe('halt young'); // prettier-ignore
  });

  it('stops one when what goes on fills the rest although the others are halted, for its own mistake once', () => {
    const { look } = open();
    const big = { ...OLD, mb: 3000 };
    look(
      [
        { ...big, grewMb: 20 },
        { ...YOUNG, grewMb: 80 },
      ],
      40,
    );
    expect(look([{ ...big, grewMb: 20 }, YOUNG], 55)).toBe('');
    expect(look([{ ...big, grewMb: 20 }, YOUNG], 45)).toMatch(/stop old overbooked$/);
  });

  it('does not take it for its own mistake where others fill the machine', () => {
    const { look } = open();
    look(
      [
        { ...OLD, grewMb: 20 },
        { ...YOUNG, grewMb: 80 },
      ],
      40,
    );
    expect(look([{ ...OLD, grewMb: 20 }, YOUNG], 20)).toMatch(/stop (old|young)$/);
  });
});
