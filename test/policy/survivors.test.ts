/** Does exactly one of those that a dead run had halted go on, and none that a person holds? */
import { describe, expect, it } from 'vitest';
import { chooseToGoOn, type Survivor } from '../../lib/policy/survivors.ts';

const survivor = (id: string, sinceMs: number, how = ''): Survivor => ({
  id,
  sinceMs,
  isHalted: how !== 'works',
  isHeld: how === 'held',
});

describe('chooseToGoOn', () => {
  it.each([
    ['nobody where there is nobody', [], undefined],
    ['the only one', [survivor('a', 1)], 'a'],
    ['the oldest of two', [survivor('b', 2), survivor('a', 1)], 'a'],
    ['nobody while another one works', [survivor('a', 1), survivor('b', 2, 'works')], undefined],
    ['not one that a person holds', [survivor('a', 1, 'held')], undefined],
    ['the next one beside one that a person holds', [survivor('a', 1, 'held'), survivor('b', 2)], 'b'],
  ])('lets go on %s', (_, survivors, expected) => {
    expect(chooseToGoOn(survivors)?.id).toBe(expected);
  });
});
