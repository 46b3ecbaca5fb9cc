/** Does a plan say of every stream what it needs, when it runs, and which one never can? */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planAnswer, planTable, type PlanFacts } from '../../lib/output/plan.ts';
import { renderAnswer } from '../../lib/output/answer.ts';
import { GIB } from '../../lib/units.ts';
import { somePlanned, someStream } from '../support/nouns.ts';

const golden = (name: string): string => join(import.meta.dirname, '..', 'golden', name);
const before = process.env['NO_COLOR'];
beforeAll(() => {
  process.env['NO_COLOR'] = '1';
});
afterAll(() => {
  if (before === undefined) delete process.env['NO_COLOR'];
  else process.env['NO_COLOR'] = before;
});

const facts: PlanFacts = {
  epic: 'shop',
  planned: [
    somePlanned(someStream('A', { title: 'Database schema' }), { expectedMs: 65_000 }),
    somePlanned(someStream('B', { after: ['A'], title: 'API' }), { estimateFrom: 'prior', limitBytes: undefined }),
    somePlanned(someStream('C', { title: 'Done before' }), { isDone: true, impossible: 'can never fit' }),
    somePlanned(someStream('D', { after: ['A', 'B'] }), { estimateBytes: 99 * GIB, impossible: 'can never fit: it needs 99.0GB' }),
  ],
  strategy: 'sequential',
  batches: [
    { keys: ['shop/1/A'], estimateBytes: GIB },
    { keys: ['shop/1/B'], estimateBytes: GIB },
  ],
  headroomBytes: 1.5 * GIB,
  limitedBy: 'budget',
  slots: 4,
  mode: 'limited_parallel',
  modeReason: '3.9GB free, under 4.0GB: at most 2 agents at once',
  budgetBytes: 1.5 * GIB,
  lowerBoundMs: 65_000,
  notes: ['12-analysis.md: a note'],
}; // prettier-ignore

describe('a plan', () => {
  it('as lines: what is done is not in it, what can never run is named', async () => {
    const answer = planAnswer(facts, 0);
    expect(answer.talk).toEqual(facts.notes);
    await expect(await renderAnswer(answer, { json: false, terminal: false })).toMatchFileSnapshot(
      golden('plan-lines.txt'),
    );
  });

  it('as a table', async () => {
    await expect(await planTable(facts)).toMatchFileSnapshot(golden('plan-table.txt'));
  });

  it('says where memory holds nothing back, and where no time is known', async () => {
    const unknown = { ...facts, headroomBytes: Infinity, limitedBy: 'max_concurrent', lowerBoundMs: undefined };
    const lines = Object.fromEntries(planAnswer(unknown, 0).lines);
    expect([lines['headroom_mb'], lines['lower_bound_seconds'], lines['limited_by']]).toEqual([undefined, undefined, 'max_concurrent']);
    expect(await planTable(unknown)).toContain('How long it takes at least is not known yet');
    expect(await planTable(unknown)).not.toMatch(/Infinity|NaN|undefined/);
  }); // prettier-ignore
});
