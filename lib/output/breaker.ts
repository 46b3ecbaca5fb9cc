/** How is the circuit breaker? Its state in words: who or what opened it, how long still, who is trying. */
import type { ExitCode } from '../failure.ts';
import type { BreakerState } from '../model.ts';
import type { BreakerAnswer, BreakerRefusal } from '../policy/breaker-answer.ts';
import { shownPhase } from '../policy/breaker-answer.ts';
import { formatDuration } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';

export interface BreakerView {
  readonly state: BreakerState;
  readonly answer: BreakerAnswer;
  readonly failureCount: number;
  readonly failures: number;
  /** Why the next one who asks will open it; undefined: nothing is short. */
  readonly low: string | undefined;
}

export function breakerAnswer(view: BreakerView, exitCode: ExitCode, talk: readonly string[]): Answer {
  const { state, answer, failureCount, failures, low } = view;
  const { hold, probe } = state;
  const retrySeconds = answer.allowed ? undefined : Math.ceil(answer.retryAfterMs / 1000);
  const lines: [string, LineValue][] = [
    ['state', shownPhase(state)],
    ['reason', answer.allowed ? state.reason : answer.reason],
    ['retry_after_seconds', retrySeconds],
    ['failure_count', failureCount],
    ['failures_to_open', failures],
    ['openings_in_a_row', state.rounds],
    ['opened_by', hold?.by],
    ['opened_at', hold === undefined ? openedAt(state) : timeText(hold.sinceMs)],
    ['opened_until', hold === undefined ? openUntil(state) : (untilText(hold.untilMs) ?? 'closed by hand')],
    ['state_below', hold === undefined ? undefined : state.phase],
    ['probe', probe?.id],
    ['probe_pid', probe?.owner?.pid],
    ['below_floor', low],
  ];
  return {
    exitCode,
    json: { state: shownPhase(state), failure_count: failureCount, failures, answer, low, breaker: state },
    lines,
    table: () =>
      [
        sentence(view),
        `${failureCount} times out of memory; ${failures} open it.`,
        ...(low === undefined ? [] : [`The next start will open it: ${low}.`]),
      ].join('\n'),
    talk,
  };
}

/** A command that was not started. */
export function notStarted(refusal: BreakerRefusal, exitCode: ExitCode, talk: readonly string[]): Answer {
  const { state, reason, retryAfterMs } = refusal;
  const seconds = Math.ceil(retryAfterMs / 1000);
  return {
    exitCode,
    json: { decision: 'wait', limited_by: 'breaker', state, reason, retryAfterMs },
    lines: [
      ['decision', 'wait'],
      ['limited_by', 'breaker'],
      ['state', state],
      ['reason', reason],
      ['retry_after_seconds', seconds],
    ],
    table: () => `Not started: ${reason}. Ask again in ${formatDuration(retryAfterMs)}.`,
    talk,
  };
}

function sentence({ state, answer }: BreakerView): string {
  if (!answer.allowed) return `${shownPhase(state)}: ${answer.reason}.`;
  if (!answer.probe && state.phase !== 'closed')
    return `${state.phase}, but memory_management.enabled is false: work may start.`;
  if (!answer.probe) return 'closed: work may start.';
  return `half-open: the next start tries it for everybody${state.reason === undefined ? '' : ` (it was opened: ${state.reason})`}.`;
}

function openedAt({ phase, sinceMs }: BreakerState): string | undefined {
  return phase === 'open' ? timeText(sinceMs) : undefined;
}

function openUntil({ phase, sinceMs, openMs }: BreakerState): string | undefined {
  return phase === 'open' ? timeText(sinceMs + openMs) : undefined;
}

function untilText(untilMs: number | undefined): string | undefined {
  return untilMs === undefined ? undefined : timeText(untilMs);
}

/** `2026-01-31T12:00:00Z` */
function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
