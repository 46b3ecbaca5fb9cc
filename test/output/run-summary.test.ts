/** Does the end of a run say what was done, what it took against what it had to take, and what was reserved in vain? */
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import type { RunSummary } from '../../lib/run-model.ts';
import { summaryLines, summaryTable, wasteGbSeconds } from '../../lib/output/run-summary.ts';
import { GIB } from '../../lib/units.ts';
import { someResult } from '../support/nouns.ts';

const golden = (name: string): string => join(import.meta.dirname, '..', 'golden', name);
const before = process.env['NO_COLOR'];
beforeAll(() => {
  process.env['NO_COLOR'] = '1';
});
afterAll(() => {
  if (before === undefined) delete process.env['NO_COLOR'];
  else process.env['NO_COLOR'] = before;
});

const summary: RunSummary = {
  epic: 'shop',
  results: [
    someResult('shop/1/A'),
    someResult('shop/1/B', { attempt: 2, endedMs: 65_000, peakKind: 'pss', averageBytes: 2 * GIB }),
    someResult('shop/2/A', { outcome: 'killed-limit', signal: 'SIGTERM', reason: 'LIMIT: Memory exceeded 2048MB at 2100.5MB' }),
    someResult('shop/2/B', { outcome: 'not-started', exitCode: 127, endedMs: 0, peakBytes: undefined, peakKind: undefined, averageBytes: undefined, samples: 0, reason: 'no such program' }),
  ],
  startedMs: 0,
  endedMs: 70_000,
  lowerBoundMs: 65_000,
  highestBytes: 3 * GIB,
  highestAgents: 2,
  killedByUs: 1,
  killedByKernel: 0,
  earlierDone: 3,
  exitCode: 30,
  modes: { last: 'full_parallel', narrowest: 'sequential', changes: 3 },
}; // prettier-ignore

const nothing: RunSummary = {
  ...summary,
  results: [],
  lowerBoundMs: undefined,
  highestBytes: 0,
  highestAgents: 0,
  endedMs: 0,
  killedByUs: 0,
  earlierDone: 0,
  exitCode: 0,
};

describe('wasteGbSeconds', () => {
  it.each([
    ['half of a gigabyte for ten seconds', { averageBytes: GIB / 2 }, 5],
    ['more used than reserved is no waste', { averageBytes: 2 * GIB }, 0],
    ['all of it', { averageBytes: 0 }, 10],
    ['nobody measured', { averageBytes: undefined }, undefined],
    ['no time', { averageBytes: 0, endedMs: 0 }, 0],
  ])('%s', (_what, change, waste) => {
    expect(wasteGbSeconds(someResult('a/b/c', change))).toBe(waste);
  });
});

describe('the summary', () => {
  it('as lines', () => {
    expect(Object.fromEntries(summaryLines(summary))).toEqual({
      epic: 'shop',
      streams_done: 2,
      streams_not_done: 2,
      retries: 0,
      done_earlier: 3,
      seconds: 70,
      lower_bound_seconds: 65,
      highest_use_mb: 3072,
      highest_agents: 2,
      mode: 'full_parallel',
      narrowest_mode: 'sequential',
      mode_changes: 3,
      waste_gb_seconds: 15,
      killed_by_us: 1,
      killed_by_kernel: 0,
      exit_code: 30,
    });
  });

  it('of nothing knows no bound, and divides by nothing', async () => {
    const lines = Object.fromEntries(summaryLines(nothing));
    expect([lines['lower_bound_seconds'], lines['streams_done'], lines['seconds']]).toEqual([
      undefined,
      0,
      0,
    ]);
    expect(await summaryTable({ ...nothing, lowerBoundMs: 0 })).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('as a table', async () => {
    await expect(await summaryTable(summary)).toMatchFileSnapshot(golden('run-summary.txt'));
  });
});
