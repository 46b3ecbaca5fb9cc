/** Does a clean-up find what a kill left of our own writing, and nothing else? */
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { sweepRecords } from '../../lib/commands/sweep.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { tempDir } from '../support/scripts.ts';

it('takes old temporary files out of the logs, the runs and their streams, and leaves all that may be in use', () => {
  const projectDir = tempDir();
  const nowMs = Date.now();
  const make = (name: string, oldMs: number): string => {
    const path = join(projectDir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
    utimesSync(path, new Date(nowMs - oldMs), new Date(nowMs - oldMs));
    return name;
  };
  const old = [
    make('.claude-pm/logs/memory/memory-monitor.log.12.a1b2.1.tmp', 61_000),
    make('.claude-pm/runs/shop/run.lock.77.0123456789abcdef01.tmp', 61_000),
    make('.claude-pm/runs/shop/1-A/result.json.12.zz9.3.tmp', 61_000),
  ];
  const other = make('.claude-pm/runs/other/1-A/spec.json.12.zz9.3.tmp', 61_000);
  const kept = [
    make('.claude-pm/runs/shop/1-A/result.json.12.zz9.4.tmp', 1000),
    make('.claude-pm/runs/shop/1-A/stdout.log', 1e9),
    make('.claude-pm/runs/shop/1-A/notes.tmp', 1e9),
    make('.claude-pm/logs/memory/memory-alerts.log', 1e9),
  ];
  const here = { projectDir, nowMs, liveness: () => ({ self: readSelf(), isAlive }) };
  expect(sweepRecords(here, 'shop')).toEqual(old);
  expect(sweepRecords(here)).toEqual([other]);
  for (const name of kept)
    expect(readdirSync(join(projectDir, dirname(name)))).toContain(name.split('/').at(-1));
  expect(sweepRecords(here)).toEqual([]);
});
