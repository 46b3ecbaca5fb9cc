/** Which of the ledger's entries does an emergency end? */
import { expect, it } from 'vitest';
import type { Lease, LeaseLife, ProcessFacts } from '../../lib/model.ts';
import { planEmergency } from '../../lib/policy/emergency.ts';
import { someLease, someProcess } from '../support/nouns.ts';

const member = { pid: 7 } as ProcessFacts;
const entry = (
  key: string,
  life: LeaseLife,
  members: readonly ProcessFacts[],
  change: Partial<Lease> = {},
) => ({
  lease: someLease({ key, role: 'agent', ...change }),
  life,
  members,
});

it('ends agents that live or left something, leaves clients alone, names each run once', () => {
  const runner = someProcess(50);
  const plan = planEmergency([
    entry('live', 'live', [member], { runner }),
    entry('starting', 'live', [], { runner }),
    entry('of the pool', 'live', [member], { runner: someProcess(60), owner: someProcess(60) }),
    entry('dead with remains', 'void-owner-dead', [member]),
    entry('dead', 'void-owner-dead', []),
    entry('elsewhere', 'unchecked', []),
    entry('inside', 'live', [member], { role: 'subagent' }),
    entry('gone client', 'void-owner-dead', [], { role: 'subagent' }),
    entry('session', 'live', [member], { role: 'coordinator' }),
  ]);
  const keys = (list: readonly { lease: Lease }[]): string[] => list.map(({ lease }) => lease.key);
  expect(keys(plan.agents)).toEqual(['live', 'starting', 'of the pool', 'dead with remains']);
  expect(keys(plan.others)).toEqual(['elsewhere', 'inside', 'session']);
  expect(plan.runs.map(({ pid }) => pid)).toEqual([50]);
});
