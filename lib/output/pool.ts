/** Who is in the pool, and what became of a task? As lines, as a table, in words. */
import { EXIT } from '../failure.ts';
import type { AdmissionDecision } from '../policy/admission.ts';
import type { KindStats, PoolAdvice } from '../policy/pool-advice.ts';
import type { PoolAgent, PoolState } from '../pool-model.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';
import { renderTable } from './table.ts';

/** The words for an agent's state, of the ancestors' vocabulary where there is one. */
export function statusOf({
  state,
  task,
  keeper,
}: PoolAgent): 'available' | 'busy' | 'requested' | 'reserved' | 'starting' | 'stopping' {
  if (state !== 'ready') return state;
  return task ? 'busy' : keeper ? 'requested' : 'available';
}

/** An agent with what its tree holds now. */
export interface PoolRow {
  readonly agent: PoolAgent;
  readonly bytes: number | undefined;
}

export function countByStatus({ agents }: Pick<PoolState, 'agents'>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const agent of agents) counts[statusOf(agent)] = (counts[statusOf(agent)] ?? 0) + 1;
  return counts;
}

/** `agent:ID kind=… status=… …`, one line an agent. */
export function poolLines(rows: readonly PoolRow[], nowMs: number): [string, LineValue][] {
  return rows.map(({ agent, bytes }) => [
    'agent',
    [
      agent.id,
      `kind=${agent.kind}`,
      `status=${statusOf(agent)}`,
      `pid=${agent.process?.pid ?? '-'}`,
      `uses=${agent.uses}`,
      `memory_mb=${bytes === undefined ? '-' : Math.round(bytes / MIB)}`,
      `free_seconds=${agent.task ? 0 : Math.round((nowMs - agent.freeSinceMs) / 1000)}`,
      ...(agent.task ? [`task=${agent.task.id}`] : []),
    ].join(' '),
  ]);
}

export async function poolTable(rows: readonly PoolRow[], size: number, nowMs: number): Promise<string> {
  if (rows.length === 0) return `The pool is empty, of ${size} places.`;
  return renderTable(
    ['agent', 'kind', 'status', 'pid', 'uses', 'memory', 'since', 'task'],
    rows.map(({ agent, bytes }) => [
      agent.id,
      agent.kind,
      statusOf(agent),
      String(agent.process?.pid ?? '-'),
      String(agent.uses),
      bytes === undefined ? '-' : formatBytes(bytes),
      formatDuration(nowMs - (agent.task?.sinceMs ?? agent.freeSinceMs)),
      agent.task?.id ?? '-',
    ]),
  );
}

/** What an admission adds to a refusal. */
export function refusalLines(decision: AdmissionDecision | undefined): [string, LineValue][] {
  if (decision === undefined || decision.decision === 'admit') return [];
  const { shortByBytes } = decision;
  return [
    ['running_agents', decision.liveAgents],
    ['max_concurrent', decision.maxConcurrent],
    ['limited_by', decision.binding],
    ['short_by_mb', shortByBytes === undefined ? undefined : Math.ceil(shortByBytes / MIB)],
    ['would_fit_mb', Math.floor(decision.wouldFitBytes / MIB)],
    [
      'retry_after_seconds',
      decision.decision === 'wait' ? Math.ceil(decision.retryAfterMs / 1000) : undefined,
    ],
  ];
}

/** There is no place for an agent: not now (75) or never (30), and which limit says so. */
export function placeRefusal(
  kind: string,
  reason: string,
  decision: AdmissionDecision | undefined,
  talk: readonly string[],
): Answer {
  const isNever = decision?.decision === 'refuse';
  const word = isNever ? 'refuse' : 'wait';
  return {
    exitCode: isNever ? EXIT.critical : EXIT.later,
    json: { decision: word, kind, reason, admission: decision },
    lines: [
      ['decision', word],
      ['kind', kind],
      ['reason', reason],
      ['limited_by', decision === undefined ? 'pool.size' : undefined],
      ...refusalLines(decision),
    ],
    table: () => `${isNever ? 'Never' : 'Not now'}: ${reason}.`,
    talk,
  };
}

/** An agent's answer alone, as it is, with a newline at its end. */
export function rawText(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

const ms = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.round(value);
const mb = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.round((value / MIB) * 10) / 10;

/** `kind:NAME starts=… tasks=… …`, and a line for each reason of an end. */
export function statsLines(stats: readonly KindStats[]): [string, LineValue][] {
  const fact = (name: string, value: number | undefined): string => `${name}=${value ?? '-'}`;
  return stats.flatMap((one): [string, LineValue][] => [
    [
      'kind',
      [
        one.kind,
        fact('starts', one.starts),
        fact('tasks', one.tasks),
        fact('answered', one.answered),
        fact('failed', one.failed),
        fact('start_ms', ms(one.startMs)),
        fact('task_ms', ms(one.taskMs)),
        fact('idle_ms', ms(one.idleMs)),
        fact('fresh_mb', mb(one.freshBytes)),
        fact('held_mb', mb(one.heldBytes)),
        fact('peak_mb', mb(one.peakBytes)),
        fact('most_busy', one.mostBusy),
      ].join(' '),
    ],
    ...Object.entries(one.ends).map(([reason, count]): [string, LineValue] => [
      'ended',
      `${one.kind} ${count} times: ${reason}`,
    ]),
  ]);
}

export function statsTable(stats: readonly KindStats[]): Promise<string> {
  const time = (value: number | undefined): string => (value === undefined ? '-' : formatDuration(value));
  const size = (value: number | undefined): string => (value === undefined ? '-' : formatBytes(value));
  return renderTable(
    [
      'kind',
      'starts',
      'tasks',
      'failed',
      'a start',
      'a task',
      'idle between',
      'fresh',
      'held',
      'peak',
      'most busy',
    ],
    stats.map((one) => [
      one.kind,
      String(one.starts),
      String(one.tasks),
      String(one.failed),
      time(one.startMs),
      time(one.taskMs),
      time(one.idleMs),
      size(one.freshBytes),
      size(one.heldBytes),
      size(one.peakBytes),
      String(one.mostBusy),
    ]),
  );
}

export function adviceLines(advice: readonly PoolAdvice[]): [string, LineValue][] {
  return advice.flatMap((one): [string, LineValue][] => [
    ['kind', one.kind],
    ['verdict', one.verdict],
    ['reason', one.reason],
    ['size', one.size],
    ['saved_seconds', one.savedMs === undefined ? undefined : Math.round(one.savedMs / 100) / 10],
    ['saved_mb_seconds_a_task', one.savedByteMs === undefined ? undefined : mb(one.savedByteMs / 1000)],
  ]);
}

const VERDICTS: Readonly<Record<PoolAdvice['verdict'], string>> = {
  pays: 'reuse saves time and memory',
  'saves-time': 'reuse saves time and takes memory',
  no: 'reuse does not pay',
  unknown: 'nothing can be said yet',
};

export function adviceText(advice: readonly PoolAdvice[]): string {
  if (advice.length === 0) return 'No agent of the pool has been measured yet.';
  return advice
    .map(
      ({ kind, verdict, reason, size }) =>
        `${kind}: ${VERDICTS[verdict]}: ${reason}.${size === undefined ? '' : ` A pool of ${size} is enough.`}`,
    )
    .join('\n');
}
