/** Does the ledger keep a hold of pressure, and does a file from before there was one still load? */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Liveness } from '../../lib/lock.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { ledgerPath, loadLedger, remember, updateLedger, withPressureHold } from '../../lib/state/ledger.ts';
import { someLease } from '../support/nouns.ts';
import { tempDir } from '../support/scripts.ts';

const liveness: Liveness = { self: readSelf(), isAlive };
const hold = (dir: string, untilMs: number | undefined): void =>
  updateLedger(dir, liveness, (ledger) => ({ ledger: withPressureHold(ledger, untilMs), answer: undefined }));

it('loads a ledger without a hold, takes one, keeps it over an admission, and gives it back', () => {
  const dir = tempDir();
  const lease = someLease();
  writeFileSync(ledgerPath(dir), JSON.stringify({ version: 1, leases: [lease], holdSinceMs: 5 }));
  expect(loadLedger(dir)).toMatchObject({ leases: [lease], holdSinceMs: 5, pressureHoldUntilMs: undefined });
  hold(dir, 77);
  updateLedger(dir, liveness, (ledger) => ({
    ledger: remember(ledger, { holdSinceMs: undefined, lastMemoryEventMs: 3 }),
    answer: undefined,
  }));
  expect(loadLedger(dir)).toMatchObject({ leases: [lease], lastMemoryEventMs: 3, pressureHoldUntilMs: 77 });
  hold(dir, undefined);
  expect(readFileSync(ledgerPath(dir), 'utf8')).not.toContain('pressureHold');
});

it('changes nothing where the hold is what it was', () => {
  const ledger = loadLedger(tempDir());
  expect(withPressureHold(ledger, undefined)).toBe(ledger);
});

it('calls a hold that is no number damage', () => {
  const dir = tempDir();
  writeFileSync(ledgerPath(dir), '{"version":1,"leases":[],"pressureHoldUntilMs":"soon"}');
  expect(() => loadLedger(dir)).toThrow(/is damaged \(pressureHoldUntilMs is no number\)/);
});
