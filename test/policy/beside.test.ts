/** Does one that must run alone wait for whoever works, and for nobody else? */
import { describe, expect, it } from 'vitest';
import { decideAlone } from '../../lib/policy/beside.ts';
import type { Lease } from '../../lib/model.ts';
import { GIB } from '../../lib/units.ts';
import { someChecked, someMemory, someSettings } from '../support/nouns.ts';

const request = { estimateBytes: GIB, limitBytes: undefined, estimateIsStated: true };

describe('decideAlone', () => {
  it.each<[string, Partial<Lease>[], string]>([
    ['nobody', [], 'admit'],
    ['an agent that works', [{ id: 'a' }], 'wait'],
    ['an agent of the pool that has nothing to do', [{ id: 'idle' }], 'admit'],
    ['one of each', [{ id: 'idle' }, { id: 'a' }], 'wait'],
    ['the agent in which it lives', [{ id: 'own' }], 'admit'],
    ['a sub-agent', [{ id: 's', role: 'subagent' }], 'admit'],
  ])('beside %s', (_, others, expected) => {
    const facts = {
      settings: someSettings({ coordinatorMemoryBytes: 0 }),
      memory: someMemory(12 * GIB),
      leases: others.map((change) => ({ ...someChecked(change), isIdle: change.id === 'idle' })),
      budget: undefined,
      nowMs: 0,
      memoryOf: { holdSinceMs: undefined, lastMemoryEventMs: undefined },
    };
    const decision = decideAlone(facts, request, 'own');
    expect(decision.decision).toBe(expected);
  });
});
