/** Is there any order of steps, and any moment to be killed at, in which two hold the lock or nobody ever gets it again? */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  closeTicket,
  openTicket,
  tryLock,
  tryLockWith,
  type HeldLock,
  type Liveness,
  type LockTicket,
} from '../lib/lock.ts';
import { someProcess } from './support/nouns.ts';

/** A file system in memory, whose every call can be interrupted: by other processes, or by the caller's death. */
const world = vi.hoisted(() => {
  class Killed extends Error {}
  const missing = (code: string): Error => Object.assign(new Error(code), { code });
  const state = {
    files: new Map<string, string>(),
    dead: new Set<number>(),
    actor: 0,
    /** Called before each step of a living actor. */
    beforeStep: (): void => undefined,
  };
  const step = <A extends unknown[], R>(deed: (...args: A) => R) =>
    (...args: A): R => {
      const actor = state.actor;
      if (!state.dead.has(actor)) state.beforeStep();
      state.actor = actor;
      if (state.dead.has(actor)) throw new Killed();
      return deed(...args);
    }; // prettier-ignore
  const read = (path: string): string => {
    const text = state.files.get(path);
    if (text === undefined) throw missing('ENOENT');
    return text;
  };
  const fs = {
    writeFileSync: step((path: string, text: string) => {
      // Not atomic: killed in the middle it leaves a part.
      state.files.set(path, '');
      state.beforeStep();
      if (!state.dead.has(state.actor)) state.files.set(path, text);
    }),
    linkSync: step((from: string, to: string) => {
      if (state.files.has(to)) throw missing('EEXIST');
      state.files.set(to, read(from));
    }),
    renameSync: step((from: string, to: string) => {
      state.files.set(to, read(from));
      state.files.delete(from);
    }),
    unlinkSync: step((path: string) => {
      read(path);
      state.files.delete(path);
    }),
    readFileSync: step(read),
    statSync: step(() => undefined),
    utimesSync: step((path: string) => void read(path)),
    mkdirSync: step(() => undefined),
  };
  return { state, fs, Killed };
});

vi.mock('node:fs', async (original) => ({ ...(await original()), ...world.fs }));

const PATH = '/model/lock';
const { state, Killed } = world;
let held: Map<number, HeldLock>;
let most: number;
/** Those who take the lock with a ticket, and theirs. */
let ticketed: ReadonlySet<number> = new Set();
let tickets: Map<number, LockTicket>;

beforeEach(() => reset());
function reset(): void {
  state.files.clear();
  state.dead.clear();
  held = new Map();
  tickets = new Map();
  most = 0;
}

/** Runs one actor as far as it gets; what it interrupted goes on afterwards. */
function as(actor: number, deed: () => void, beforeStep: () => void = () => undefined): void {
  const before = { actor: state.actor, beforeStep: state.beforeStep };
  Object.assign(state, { actor, beforeStep });
  try {
    if (!state.dead.has(actor)) deed();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  } finally {
    if (state.dead.has(actor)) held.delete(actor);
    Object.assign(state, before);
  }
}

const liveness = (pid: number): Liveness => ({
  self: someProcess(pid),
  isAlive: (identity) => !state.dead.has(identity.pid),
});

function take(actor: number): void {
  const lock = ticketed.has(actor) ? takeWithTicket(actor) : tryLock(PATH, liveness(actor));
  if (!('release' in lock)) return;
  held.set(actor, lock);
  most = Math.max(most, held.size);
}

function takeWithTicket(actor: number): ReturnType<typeof tryLock> {
  const ticket = tickets.get(actor) ?? openTicket(PATH, liveness(actor));
  tickets.set(actor, ticket);
  return tryLockWith(ticket, liveness(actor));
}

function giveBack(actor: number): void {
  const lock = held.get(actor);
  held.delete(actor);
  lock?.release();
}

function die(actor: number): void {
  state.dead.add(actor);
  held.delete(actor);
}

/** Does it at the given step of whoever is interrupted, once. */
function at(step: number, deed: () => void): () => void {
  let steps = 0;
  return () => {
    steps += 1;
    if (steps === step) deed();
  };
}

type Ending = 'keeps it' | 'gives it back' | 'dies with it' | 'dies in the middle';

function visit(actor: number, ending: Ending, step: number, beforeStep?: () => void): void {
  as(actor, () => {
    take(actor);
    if (ending === 'gives it back') giveBack(actor);
    if (ending === 'dies with it') die(actor);
  }, ending === 'dies in the middle' ? at(step, () => die(actor)) : beforeStep); // prettier-ignore
}

/** A lock with nobody's trace but ours: whoever comes now gets it, and it is free again afterwards. */
function comesFree(): boolean {
  for (const actor of held.keys()) as(actor, () => giveBack(actor));
  as(99, () => take(99));
  const isTaken = held.has(99);
  as(99, () => giveBack(99));
  return isTaken && !state.files.has(PATH);
}

/** More steps than any call has; before step 0 there is nothing, so it stands for never. */
const STEPS = Array.from({ length: 20 }, (_, step) => step);
const ENDINGS: Ending[] = ['keeps it', 'gives it back', 'dies with it', 'dies in the middle'];

const WITH: [string, number[]][] = [
  ['nobody has a ticket', []],
  ['the one that comes first has a ticket', [1, 2]],
  ['the ones that come between have tickets', [3, 4]],
  ['all have tickets', [1, 2, 3, 4, 5, 99]],
];

describe.each(WITH)('one process alone, where %s', (_who, actors) => {
  beforeEach(() => void (ticketed = new Set(actors)));

  it('may be killed at any step of taking or giving back, and the next gets the lock', () => {
    for (const step of STEPS) {
      reset();
      as(1, () => { take(1); giveBack(1); }, at(step, () => die(1)));
      expect([step, comesFree()]).toEqual([step, true]);
    }
  }); // prettier-ignore
});

describe.each(WITH)('one that takes over from the dead, where %s', (_who, actors) => {
  beforeEach(() => void (ticketed = new Set(actors)));

  it.each<[string, () => void, Ending[]]>([
    ['a holder that was killed', () => visit(1, 'dies with it', 0), ENDINGS],
    ['a lock without a text', () => void state.files.set(PATH, ''), ENDINGS],
    ['nobody: the lock is free', () => undefined, ENDINGS],
    ['a living holder: it is not robbed', () => visit(1, 'keeps it', 0), ENDINGS],
    ...STEPS.map((step): [string, () => void, Ending[]] => [
      `a holder that was killed, after one killed at step ${step} of its own take-over`,
      () => {
        visit(1, 'dies with it', 0);
        visit(5, 'dies in the middle', step);
        if (held.has(5)) die(5);
      },
      ['keeps it', 'dies in the middle'],
    ]),
  ])('never holds it together with those who come between its steps: %s', (_what, prepare, endings) => {
    const found: unknown[] = [];
    for (const outer of STEPS) {
      for (const ending of endings) {
        for (const inner of STEPS) {
          reset();
          prepare();
          const innermost = at(inner, () => visit(4, inner % 2 === 0 ? 'keeps it' : 'gives it back', 0));
          const middle = at(outer, () => visit(3, ending, inner, innermost));
          visit(2, 'keeps it', 0, middle);
          if (most > 1) found.push({ outer, ending, inner, most });
          if (!comesFree()) found.push({ outer, ending, inner, comesFree: false });
        }
      }
    }
    expect(found).toEqual([]);
  });
});

describe('a ticket', () => {
  const ticket = (): LockTicket => openTicket(PATH, liveness(1));

  it('is used again and leaves nothing when it is given back', () => {
    const mine = ticket();
    for (let round = 0; round < 3; round += 1) {
      const lock = tryLockWith(mine, liveness(1));
      expect('release' in lock && state.files.has(PATH)).toBe(true);
      if ('release' in lock) lock.release();
      expect(state.files.has(PATH)).toBe(false);
    }
    closeTicket(mine);
    expect([...state.files.keys()]).toEqual([]);
  });

  it('gets a new token when somebody took its holder for dead, and the old file goes', () => {
    const mine = ticket();
    const { token } = mine;
    const lock = tryLockWith(mine, liveness(1));
    // Robbed, and the robber has given back already.
    state.files.delete(PATH);
    if ('release' in lock) lock.release();
    expect(mine.token).not.toBe(token);
    expect([...state.files.keys()]).toEqual([mine.mine]);
  });

  it('is written anew where somebody tidied it away', () => {
    const mine = ticket();
    state.files.clear();
    expect('release' in tryLockWith(mine, liveness(1))).toBe(true);
  });
});
