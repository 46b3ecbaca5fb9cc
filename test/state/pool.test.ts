/** Is the pool's state kept whole: old files load, newer ones are refused, damaged ones go aside, and answers last? */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { KeptAnswer } from '../../lib/pool-model.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { loadPool, poolDir, poolPath, updatePool, withoutAgent } from '../../lib/state/pool.ts';
import {
  keepAnswer,
  logPool,
  readAnswer,
  readPoolLog,
  removeOldAnswers,
} from '../../lib/state/pool-answers.ts';
import { tempDir } from '../support/scripts.ts';

const liveness = { self: readSelf(), isAlive };
const FIXTURE = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'state', 'pool-1.json'), 'utf8');

function put(text: string): string {
  const dir = tempDir();
  mkdirSync(poolDir(dir), { recursive: true });
  writeFileSync(poolPath(dir), text);
  return dir;
}

it('a file of version 1 loads, field by field, and is written back as it was', () => {
  const dir = put(FIXTURE);
  const pool = loadPool(dir);
  expect(JSON.parse(JSON.stringify(pool))).toEqual(JSON.parse(FIXTURE));
  updatePool(dir, liveness, expect.unreachable, (before) => ({ pool: { ...before }, answer: undefined }));
  expect(readFileSync(poolPath(dir), 'utf8')).toBe(FIXTURE);
  expect(withoutAgent(pool, 'agent-ac3689f0ee44').agents.map(({ id }) => id)).toEqual(['agent-000000000002']);
});

it.each(['', 'x', '[]', '{}', '{"version":1}', '{"version":1,"agents":[{}],"reapedMs":0}', FIXTURE.slice(0, 300), FIXTURE.replace('"ready"', '"awake"')])(
  'a damaged file (%#) is told, kept aside, and not written over',
  (text) => {
    const dir = put(text);
    expect(() => loadPool(dir)).toThrow(/pool\.json is damaged/);
    expect(readFileSync(poolPath(dir), 'utf8')).toBe(text);
    const said: string[] = [];
    const agents = updatePool(dir, liveness, (line) => said.push(line), (pool) => ({ pool: { ...pool }, answer: pool.agents }));
    expect([agents, said]).toEqual([[], [expect.stringMatching(/damaged.*kept as .*damaged-/)]]);
    const aside = readdirSync(poolDir(dir)).find((name) => name.includes('.damaged-'));
    expect(readFileSync(join(poolDir(dir), aside ?? ''), 'utf8')).toBe(text);
  },
); // prettier-ignore

it('a newer file is refused and stays', () => {
  const dir = put('{"version":2}');
  const change = (): unknown =>
    updatePool(dir, liveness, expect.unreachable, (pool) => ({ pool: { ...pool }, answer: undefined }));
  expect(change).toThrow(/newer version \(2, this one knows 1\)/);
  expect(readFileSync(poolPath(dir), 'utf8')).toBe('{"version":2}');
});

it('answers come back as they were kept, a torn one goes aside, an old one goes', () => {
  const dir = tempDir();
  const kept: KeptAnswer = { version: 1, task: 't1', kind: 'w', agent: 'a', status: 'answered', answer: { ok: true, text: 'a\nb' }, reason: undefined, startedMs: 1, endedMs: 2 };
  keepAnswer(dir, kept);
  expect(readAnswer(dir, 't1', expect.unreachable)).toEqual(kept);
  expect(readAnswer(dir, 't2', expect.unreachable)).toBeUndefined();
  writeFileSync(join(poolDir(dir), 'answers', 't3.json'), '{"version":1,');
  const said: string[] = [];
  expect(readAnswer(dir, 't3', (line) => said.push(line))).toBeUndefined();
  expect(said).toEqual([expect.stringContaining('kept as')]);
  expect(removeOldAnswers(dir, Date.now() + 1000, 60_000)).toBe(0);
  expect(removeOldAnswers(dir, Date.now() + 61_000, 60_000)).toBe(2);
}); // prettier-ignore

it('the log gives back its own lines and no others', () => {
  const dir = tempDir();
  logPool(dir, liveness, {
    event: 'start',
    atMs: 1,
    kind: 'w',
    agent: 'a',
    startMs: 5,
    freshBytes: undefined,
  });
  writeFileSync(join(poolDir(dir), 'log.jsonl'), '{"event":"task","kind":"w"}\n{"event":"en', { flag: 'a' });
  logPool(dir, liveness, { event: 'end', atMs: 2, kind: 'w', agent: 'a', reason: 'r', uses: 1, livedMs: 9 });
  expect(readPoolLog(dir).map(({ event }) => event)).toEqual(['start', 'end']);
});
