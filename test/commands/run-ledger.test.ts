/** Does a run reserve for all that may start together, and for nothing that may not? */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunLedger } from '../../lib/commands/coordination-memory/run-ledger.ts';
import type { Stream } from '../../lib/model.ts';
import type { RunEvent } from '../../lib/run-model.ts';
import type { Settings } from '../../lib/settings-model.ts';
import { isAlive, readSelf } from '../../lib/probe/identity.ts';
import { loadLedger } from '../../lib/state/ledger.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someMemory, somePlanned, someSettings, someStream } from '../support/nouns.ts';

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'run-ledger-'));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const open = (
  availableBytes: number | (() => number),
  settings: Settings,
  onEvent: (event: RunEvent) => void = () => undefined,
): RunLedger =>
  new RunLedger({
    stateDir,
    liveness: { self: readSelf(), isAlive },
    projectDir: '/project',
    epic: 'shop',
    settings,
    budget: undefined,
    readMemory: () => someMemory(typeof availableBytes === 'number' ? availableBytes : availableBytes()),
    onEvent,
  });

describe('RunLedger.admit', () => {
  const [a, b, c] = [someStream('A', { apart: ['B'] }), someStream('B'), someStream('C')];
  it.each<[string, Stream[], number, Partial<Settings>, string]>([
    ['all that fit', [c, a], 12 * GIB, {}, 'C:admit A:admit'],
    ['one of two that conflict, and what stands behind them', [a, b, c], 12 * GIB, {}, 'A:admit C:admit'],
    ['one of two that conflict, whichever comes first', [b, a, c], 12 * GIB, {}, 'B:admit C:admit'],
    ['each on the memory that the ones before it left', [a, c], 2.5 * GIB, { coordinatorMemoryBytes: 0 }, 'A:admit C:admit'],
    ['not more than there is', [a, c], 3 * GIB, {}, 'A:admit C:wait'],
    ['not more than may run', [a, c], 12 * GIB, { maxConcurrentAgents: 1 }, 'A:admit C:wait'],
    ['one at a time where memory is very short', [a, c], 1.9 * GIB, { coordinatorMemoryBytes: 0 }, 'A:admit C:wait'],
  ])('reserves for %s', (_what, streams, availableBytes, change, expected) => {
    const settings = someSettings({ ...change, admission: { floorBytes: GIB, sequentialBytes: 2 * GIB, limitedBytes: 4 * GIB } }); // prettier-ignore
    const planned = streams.map((stream) => somePlanned(stream, { estimateBytes: 900 * MIB }));
    const answers = open(availableBytes, settings).admit(planned, 1000);
    const said = answers.map(({ planned: { stream }, decision }) => `${stream.id}:${decision.decision}`);
    expect(said.join(' ')).toBe(expected);
    const reserved = answers.filter(({ decision }) => decision.decision === 'admit');
    expect(loadLedger(stateDir).leases.map(({ id, key, state }) => [id, key, state])).toEqual(
      reserved.map(({ tag, planned: { stream } }) => [tag, stream.key, 'starting']),
    );
  }); // prettier-ignore

  it('starts no more than so many of a run where memory has run out, and says so', () => {
    const ledger = open(12 * GIB, someSettings());
    const all = [a, c].map((stream) => somePlanned(stream));
    const [first, second] = ledger.admit(all, 1000, 1);
    expect([first?.decision.decision, second?.decision]).toEqual([
      'admit',
      expect.objectContaining({
        decision: 'wait',
        reason: expect.stringMatching(/^at most 1 agent/) as string,
      }),
    ]);
    ledger.released(first?.tag ?? '', 1000);
    expect(ledger.admit(all.slice(1), 1000, 1)[0]?.decision.decision).toBe('admit');
  });

  it('lets one that must run alone wait for the others, gives it all the room, and starts nobody beside it', () => {
    let availableBytes = 12 * GIB;
    const ledger = open(() => availableBytes, someSettings());
    const alone = somePlanned(c, { alone: true, estimateFrom: 'retry' });
    const [first] = ledger.admit([somePlanned(a)], 1000);
    const [waits, goesOn] = ledger.admit([alone, somePlanned(b)], 1000);
    expect([waits?.decision.decision, waits?.decision.reason]).toEqual(['wait', 'it must run alone, and 1 agent is running']);
    // B conflicts with nothing that was admitted at this look.
    expect(goesOn?.decision.decision).toBe('admit');
    for (const answer of [first, goesOn]) ledger.released(answer?.tag ?? '', 1000);

    const [starts] = ledger.admit([alone], 1000);
    // Also where memory comes free meanwhile.
    availableBytes = 16 * GIB;
    const [next] = ledger.admit([somePlanned(a)], 1000);
    // Its estimate stays what is expected of it; the lease is charged what nobody else may have.
    expect(starts?.decision).toMatchObject({ decision: 'admit', estimateBytes: GIB });
    expect(loadLedger(stateDir).leases.map(({ estimateBytes }) => estimateBytes)).toEqual([10 * GIB]);
    expect([next?.decision.decision, next?.decision.reason]).toEqual(['wait', `${c.key} must run alone, and it is running`]);
  }); // prettier-ignore

  it('tells a change of the mode once, lets what runs run, and starts the next one only where the mode has room', () => {
    const told: RunEvent[] = [];
    let availableBytes = 5 * GIB;
    const settings = someSettings({ coordinatorMemoryBytes: 0, admission: { sequentialBytes: 2 * GIB, limitedBytes: 4 * GIB } }); // prettier-ignore
    const ledger = open(
      () => availableBytes,
      settings,
      (event) => told.push(event),
    );
    const ask = (stream: Stream): string =>
      ledger.admit([somePlanned(stream, { estimateBytes: 10 * MIB })], 1000).map(({ decision }) => `${decision.decision} ${decision.mode}`).join(); // prettier-ignore
    expect(ask(a)).toBe('admit full_parallel');
    availableBytes = 3.9 * GIB;
    expect([ask(b), ask(c)]).toEqual(['admit limited_parallel', 'wait limited_parallel']);
    availableBytes = 4.9 * GIB;
    expect(ask(c)).toBe('wait limited_parallel');
    availableBytes = 5 * GIB;
    expect(ask(c)).toBe('admit full_parallel');
    expect(told).toMatchObject([
      { event: 'mode', before: 'full_parallel', mode: 'limited_parallel', availableBytes: 3.9 * GIB },
      { event: 'mode', before: 'limited_parallel', mode: 'full_parallel', availableBytes: 5 * GIB },
    ]);
    expect(ledger.modes).toEqual({ last: 'full_parallel', narrowest: 'limited_parallel', changes: 2 });
    expect(loadLedger(stateDir)).toMatchObject({ leases: { length: 3 }, mode: 'full_parallel' });
  });
});
