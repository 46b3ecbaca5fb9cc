/** What does the guard do from look to look? Each crossing once, the tool before its agent, the exact measure before a stop. */
import { expect, test } from 'vitest';
import { AgentGuard, type GuardDeed, type GuardLook } from '../../lib/act/guard.ts';
import type { TreeProcess } from '../../lib/policy/culprit.ts';
import { limitRules } from '../../lib/policy/limit.ts';
import { MIB } from '../../lib/units.ts';

const LIMIT_MB = 1000;

/** `{pid: MB}`; pid 1 is the agent, the others are its children. */
type Sizes = Readonly<Record<number, number>>;

function looker(): (atMs: number, sizes: Sizes, exactMb?: number) => string | undefined {
  const guard = new AgentGuard(limitRules(LIMIT_MB * MIB));
  return (atMs, sizes, exactMb) => {
    const processes: TreeProcess[] = Object.entries(sizes).map(([pid, mb]) => ({
      pid: Number(pid),
      parentPid: pid === '1' ? 0 : 1,
      startTicks: Number(pid),
      residentBytes: mb * MIB,
    }));
    const bytes = processes.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
    const look: GuardLook = {
      atMs,
      rootPid: 1,
      bytes,
      processes,
      exactBytes: () => (exactMb === undefined ? undefined : exactMb * MIB),
    };
    return word(guard.look(look));
  };
}

function word(deed: GuardDeed | undefined): string | undefined {
  if (deed === undefined) return undefined;
  if (deed.deed === 'tell') return deed.level;
  return deed.deed === 'stop-tool' ? `stop ${deed.culprit.pid}` : 'stop agent';
}

test('a steady climb is told once a level and then stopped', () => {
  const look = looker();
  const deeds = [100, 240, 260, 300, 500, 700, 990, 1001].map((mb, at) => look(at * 1000, { 1: mb }));
  expect(deeds).toEqual([
    undefined,
    undefined,
    'warning',
    undefined,
    'critical',
    undefined,
    undefined,
    'stop agent',
  ]);
});

test('a climb that hovers around a level is told once, and again only after it has been well below', () => {
  const look = looker();
  const deeds = [260, 249, 251, 240, 255, 200, 260].map((mb, at) => look(at * 1000, { 1: mb }));
  expect(deeds).toEqual(['warning', undefined, undefined, undefined, undefined, undefined, 'warning']);
});

test('a tool that grew goes, and the agent stays once it is calm again', () => {
  const look = looker();
  look(0, { 1: 200 });
  expect(look(1000, { 1: 200, 2: 850 })).toBe('stop 2');
  expect(look(1050, { 1: 200, 2: 850 })).toBeUndefined();
  expect(look(1200, { 1: 200 })).toBeUndefined();
  expect(look(5000, { 1: 200, 3: 900 })).toBe('stop 3');
});

test('a tool that does not go takes its agent with it', () => {
  const look = looker();
  look(0, { 1: 200 });
  expect(look(1000, { 1: 200, 2: 850 })).toBe('stop 2');
  expect(look(1900, { 1: 200, 2: 850 })).toBeUndefined();
  expect(look(2000, { 1: 200, 2: 850 })).toBe('stop agent');
});

test('a tree that grows on after its tool was killed is stopped without waiting', () => {
  const look = looker();
  look(0, { 1: 200 });
  expect(look(1000, { 1: 200, 2: 850 })).toBe('stop 2');
  expect(look(1010, { 1: 200, 2: 850, 3: 65 })).toBe('stop agent');
});

test('pages that several processes share are counted once before anybody is stopped', () => {
  const look = looker();
  look(0, { 1: 200 });
  expect(look(1000, { 1: 300, 2: 400, 3: 400 }, 600)).toBe('critical');
  expect(look(2000, { 1: 300, 2: 400, 3: 400 }, 1001)).toMatch(/^stop/);
});
