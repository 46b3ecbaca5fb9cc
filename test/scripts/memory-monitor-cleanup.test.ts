/** Does cleanup take away what killed takers of locks left, however deep, and never what somebody holds or has just made? */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ProcessIdentity } from '../../lib/model.ts';
import { readIdentity, readSelf } from '../../lib/probe/identity.ts';
import { makeLab } from '../support/scripts.ts';

it('old second locks of the dead go at every depth and in every folder, the others stay', () => {
  const lab = makeLab();
  const { pid } = spawnSync('true');
  const dead: ProcessIdentity = { ...readSelf(), pid, startTicks: 1 };
  const alive = readIdentity(lab.hold().pid);
  const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(18));
  const logs = join(lab.project, '.claude-pm', 'logs', 'memory');
  const run = join(lab.project, '.claude-pm', 'runs', 'shop');
  for (const dir of [lab.state, logs, run]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const lock = (dir: string, name: string, identity: ProcessIdentity | undefined, token = three, ageS = 120): string => {
    const path = join(dir, name);
    writeFileSync(path, identity === undefined ? '{"tok' : JSON.stringify({ token, identity }));
    utimesSync(path, Date.now() / 1000 - ageS, Date.now() / 1000 - ageS);
    return path;
  }; // prettier-ignore
  const gone = [
    lock(lab.state, `ledger.lock.${one}`, dead, two),
    lock(lab.state, `ledger.lock.${one}.${two}`, dead),
    lock(lab.state, `breaker.json.lock.${one}.${two}.${three}`, dead, one),
    lock(lab.state, 'ledger.lock.torn', undefined),
    lock(logs, `memory-alerts.log.lock.${one}`, dead),
    lock(run, `run.lock.${two}`, dead),
    lock(run, `joblog.tsv.77.${one}.tmp`, dead),
  ];
  const stays = [
    lock(lab.state, `pressure.json.lock.${one}`, alive),
    lock(lab.state, `pressure.json.lock.${one}.${three}`, alive, one),
    lock(lab.state, `breaker.json.lock.${two}`, dead, one, 5),
    lock(run, 'notes.lock.txt', dead),
    lock(lab.project, `mine.lock.${one}`, dead),
  ];

  const ended = lab.call('memory-monitor', ['cleanup']);
  expect([ended.status, ended.stderr]).toEqual([0, '']);
  expect([gone.filter(existsSync), stays.filter((path) => !existsSync(path))]).toEqual([[], []]);
  // What it took over to give it back left nothing either.
  expect(readdirSync(lab.state).filter((name) => /lock|tmp/.test(name)).sort()).toEqual([`breaker.json.lock.${two}`, `pressure.json.lock.${one}`, `pressure.json.lock.${one}.${three}`]); // prettier-ignore
});
