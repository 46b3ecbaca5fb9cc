/** Are as many shares held as agents run, in whatever order the client tells of them, and none when all have ended? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepShares, type ShareEvent, type SubLease } from '../../lib/policy/sub-agents.ts';
import { someLease } from '../support/nouns.ts';

const TIMES = { nowMs: 1000, leaseMs: 60_000 };
const S = 'session';

function share(
  call: string | undefined,
  agent?: string,
  change: Partial<SubLease> = {},
  parent?: string,
): SubLease {
  return {
    ...someLease({ id: `${call ?? ''}-${agent ?? ''}`, role: 'subagent', kind: 'general-purpose' }),
    state: agent === undefined ? 'starting' : 'running',
    ...change,
    client: { session: S, call, agent, parent },
  };
}

const started = (agent: string, kind = 'general-purpose'): ShareEvent => ({
  event: 'started',
  session: S,
  agent,
  kind,
});
const ended = (agent: string): ShareEvent => ({ event: 'ended', session: S, agent });
const failed = (call: string): ShareEvent => ({
  event: 'failed',
  session: S,
  agent: undefined,
  call,
  kind: 'general-purpose',
  wakes: undefined,
});
const answered = (call: string, became?: string, launched = false): ShareEvent =>
  ({ ...failed(call), event: 'answered', launched, became }) as ShareEvent;
const over = (...running: string[]): ShareEvent => ({ event: 'turn-over', session: S, tasks: running.map((id) => ({ id, isWorkflow: id.startsWith('w'), isRunning: true })) }); // prettier-ignore

/** `CALL AGENT` of each share. */
const shown = (leases: readonly SubLease[]): string[] =>
  leases.map(({ client }) => `${client.call ?? '-'} ${client.agent ?? '-'}`);

describe('shares after an event', () => {
  it.each<[string, SubLease[], ShareEvent[], string[]]>([
    ['a start takes the oldest share of its kind', [share('T1', undefined, { kind: 'Plan' }), share('T2'), share('T3')], [started('A')], ['T1 -', 'T2 A', 'T3 -']],
    ['a start without its kind takes another', [share('T1', undefined, { kind: 'Plan' })], [started('A')], ['T1 A']],
    ['a workflow keeps its share for its first agent', [share('T1', undefined, { kind: 'workflow' })], [started('A'), started('B', 'workflow-subagent')], ['T1 B']],
    ['a repeated start takes none', [share('T1'), share('T2')], [started('A'), started('A')], ['T1 A', 'T2 -']],
    ['an end gives back what its call has answered', [share(undefined, 'A'), share('T2', 'B')], [ended('A'), ended('A')], ['T2 B']],
    ['an end before the answer keeps the share until then', [share('T1', 'A')], [ended('A'), ended('A')], ['T1 A']],
    ['an agent that starts again after its end', [share('T1', 'A')], [ended('A'), started('A'), answered('T1', 'A', true)], ['- A']],
    ['an end without a start is harmless', [share('T1')], [ended('X')], ['T1 -']],
    ['a completed call gives back what its end did not', [share('T1', 'A')], [answered('T1', 'A')], []],
    ['a completed call and its end give back once', [share('T1', 'A'), share('T2', 'B')], [ended('A'), answered('T1', 'A')], ['T2 B']],
    // The starts came in another order than the calls were reserved in.
    ['a call that turns out to be another changes places', [share('T1', 'B'), share('T2', 'A')], [answered('T1', 'A')], ['T2 B']],
    ['and gives back one share only', [share('T1', 'B'), share('T2', 'A')], [ended('A'), answered('T1', 'A')], ['T2 B']],
    ['an answer for an agent that was never seen', [share('T1', 'B'), share('T2')], [answered('T1', 'A')], ['T2 B']],
    ['a launch that ended before its answer', [share('T1', 'A')], [ended('A'), answered('T1', 'A', true)], []],
    ['a launched workflow waits for its agents', [share('T1', undefined, { kind: 'workflow' })], [answered('T1', undefined, true), started('A', 'workflow-subagent'), ended('A')], []],
    ['a launch names its agent before it starts', [share('T1')], [answered('T1', 'A', true), started('A')], ['- A']],
    ['a launch after its start', [share('T1'), share('T2')], [started('A'), answered('T2', 'A', true)], ['- A', 'T1 -']],
    ['a failed call gives back', [share('T1'), share('T2')], [failed('T2')], ['T1 -']],
    // Two were let through, the client's own limit refused T1, and A had taken T1's share.
    ['a failed call hands its agent on', [share('T1', 'A'), share('T2')], [failed('T1')], ['T2 A']],
    ['a failed call twice', [share('T1')], [failed('T1'), failed('T1')], []],
    ['a message that woke nobody', [share('T1', 'A', { state: 'starting' })], [answered('T1')], []],
    ['a turn that is over leaves what runs', [share('T1', 'A'), share('T2', 'B'), share('T3')], [over('B')], ['T2 B']],
    ['and what that has started', [share('T1', 'A'), share('T2', 'B', {}, 'A'), share('T3', undefined, {}, 'B'), share('T4', 'C', {}, 'X')], [over('A')], ['T1 A', 'T2 B', 'T3 -']],
    ['and the agents of a workflow that runs', [share(undefined, 'A', { kind: 'workflow-subagent' }), share('T1', undefined, { kind: 'workflow' })], [over('w1')], ['- A', 'T1 -']],
    ['but none of a workflow that ended', [share(undefined, 'A', { kind: 'workflow-subagent' }), share('T1', undefined, { kind: 'workflow' })], [over()], []],
    ['an older client lists nothing', [share('T1', 'A'), share('T2')], [{ event: 'turn-over', session: S, tasks: undefined }], ['T1 A']],
    ['a session that ends leaves none', [share('T1', 'A'), share('T2')], [{ event: 'session-end', session: S, reason: 'other' }], []],
    ['one that is cleared leaves what runs', [share('T1', 'A'), share('T2')], [{ event: 'session-end', session: S, reason: 'clear' }], ['T1 A']],
  ])('%s', (_what, leases, events, left) => {
    const after = events.reduce<readonly SubLease[]>((now, event) => stepShares(now, event, TIMES), leases);
    expect(shown(after).sort()).toEqual(left.sort());
  }); // prettier-ignore
});

interface Life {
  readonly call: string;
  readonly agent: string;
  readonly kind: string;
  readonly isLaunched: boolean;
  /** The client says nothing of its end but the call's own answer. */
  readonly isSilent: boolean;
  /** The client refused it after the gate had let it through. */
  readonly isRefused: boolean;
}

const someLives = fc
  .array(
    fc.record({
      kind: fc.constantFrom('general-purpose', 'Plan'),
      isLaunched: fc.boolean(),
      isSilent: fc.boolean(),
      isRefused: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((lives) => lives.map((life, at): Life => ({ ...life, call: `T${at}`, agent: `A${at}` })));

/** What the client tells of one agent, in an order that it may tell it in. */
function eventsOf(
  { call, agent, kind, isLaunched, isSilent, isRefused }: Life,
  answerFirst: boolean,
): ShareEvent[] {
  if (isRefused) return [failed(call)];
  const start = started(agent, kind);
  const end = isSilent && !isLaunched ? [] : [ended(agent)];
  if (!isLaunched) return [start, ...end, answered(call, agent)];
  const answer = answered(call, agent, true);
  return [...(answerFirst ? [answer, start] : [start, answer]), ...end];
}

it('however calls, starts and ends of several agents mix, no running agent is without a share, and none is left', () => {
  fc.assert(
    fc.property(someLives, fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), fc.boolean(), (lives, picks, answerFirst) => {
      let leases: readonly SubLease[] = lives.map(({ call, kind }) => share(call, undefined, { id: call, kind }));
      const queues = lives.map((life) => ({ life, events: eventsOf(life, answerFirst) }));
      const running = new Set<string>();
      for (let at = 0; queues.some(({ events }) => events.length > 0); at += 1) {
        const open = queues.filter(({ events }) => events.length > 0);
        const { life, events } = open[(picks[at] ?? at) % open.length]!;
        const event = events.shift()!;
        if (event.event === 'started') running.add(event.agent);
        if (event.event === 'ended' || (event.event === 'answered' && !event.launched)) running.delete(life.agent);
        leases = stepShares(leases, event, TIMES);
        expect(leases.length).toBeGreaterThanOrEqual(running.size);
        expect(leases.length).toBeLessThanOrEqual(queues.filter((queue) => queue.events.length > 0).length);
      }
      expect(leases).toEqual([]);
    }),
    { numRuns: 500 },
  ); // prettier-ignore
});

it('a start and its end leave everything else as it was', () => {
  const others = [share('T1', 'A'), share('T2', 'B', {}, 'A')];
  const all = stepShares([...others, share('T9')], started('X'), TIMES);
  const answer = answered('T9', 'X');
  expect(stepShares(stepShares(all, ended('X'), TIMES), answer, TIMES)).toEqual(others);
});
