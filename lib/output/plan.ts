/** What would a run do, in words: order, needs, batches, and the least time that it can take. */
import type { Mode } from '../model.ts';
import type { PlannedStream } from '../run-model.ts';
import type { Batch, Strategy } from '../policy/batch.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import type { Answer } from './answer.ts';
import { renderTable } from './table.ts';

export interface PlanFacts {
  readonly epic: string;
  readonly planned: readonly PlannedStream[];
  readonly strategy: Strategy;
  readonly batches: readonly Batch[];
  readonly headroomBytes: number;
  readonly limitedBy: string;
  readonly slots: number;
  /** How many may run side by side by what is free, and why. */
  readonly mode: Mode;
  readonly modeReason: string;
  readonly budgetBytes: number | undefined;
  readonly lowerBoundMs: number | undefined;
  readonly notes: readonly string[];
}

/** The answer of `plan` and of `run --dry-run`. */
export function planAnswer(facts: PlanFacts, exitCode: Answer['exitCode']): Answer {
  const { planned, batches } = facts;
  const open = planned.filter(({ isDone }) => !isDone);
  return {
    exitCode,
    json: facts,
    lines: [
      ['epic', facts.epic],
      ['streams', open.length],
      ['strategy', facts.strategy],
      ['batches', batches.length],
      [
        'headroom_mb',
        Number.isFinite(facts.headroomBytes) ? Math.round(facts.headroomBytes / MIB) : undefined,
      ],
      ['limited_by', facts.limitedBy],
      ['mode', facts.mode],
      ['mode_reason', facts.modeReason],
      [
        'lower_bound_seconds',
        facts.lowerBoundMs === undefined ? undefined : Math.round(facts.lowerBoundMs / 100) / 10,
      ],
      ...batches.map(
        ({ keys, estimateBytes }, at) =>
          [`batch_${at + 1}`, `${keys.join(' ')} (${formatBytes(estimateBytes)})`] as const,
      ),
      ...open.map(
        ({ stream, estimateBytes, limitBytes, estimateFrom, estimateReason }) =>
          [
            'stream',
            `${stream.key} kind=${stream.kind} estimate=${formatBytes(estimateBytes)} from=${estimateFrom} limit=${limitBytes === undefined ? 'none' : formatBytes(limitBytes)}${estimateReason === undefined ? '' : ` (${estimateReason})`}`,
          ] as const,
      ),
      ...open.flatMap(({ stream, impossible }) =>
        impossible === undefined ? [] : [['refused', `${stream.key} ${impossible}`] as const],
      ),
    ],
    table: () => planTable(facts),
    talk: facts.notes,
  };
}

/** The plan as a table for people, with its explanation below. */
export async function planTable(facts: PlanFacts): Promise<string> {
  const rows = facts.planned.map((entry, at) => {
    const { stream, estimateBytes, limitBytes, expectedMs, isDone, impossible } = entry;
    const batch = facts.batches.findIndex(({ keys }) => keys.includes(stream.key));
    return [
      String(at + 1),
      stream.key.slice(stream.epic.length + 1),
      stream.title,
      stream.kind,
      `${formatBytes(estimateBytes)}${basisOf(entry)}`,
      limitBytes === undefined ? '-' : formatBytes(limitBytes),
      stream.dependsOn.map((key) => key.slice(stream.epic.length + 1)).join(' ') || '-',
      expectedMs === undefined ? '-' : formatDuration(expectedMs),
      isDone ? 'done' : impossible === undefined ? `batch ${batch + 1}` : 'refused',
    ];
  });
  const head = ['', 'stream', 'title', 'kind', 'estimate', 'limit', 'after', 'expected', 'when'];
  const headroom = Number.isFinite(facts.headroomBytes)
    ? `${formatBytes(facts.headroomBytes)} of headroom (${facts.limitedBy})`
    : facts.limitedBy;
  return [
    await renderTable(head, rows),
    `${facts.epic}: ${facts.strategy}, ${facts.batches.length} batches for ${headroom}, at most ${facts.slots} at once.`,
    `Mode ${facts.mode.replace('_', ' ')}: ${facts.modeReason}.`,
    'Batches explain the order; a run starts each stream as soon as it fits.',
    facts.lowerBoundMs === undefined
      ? 'How long it takes at least is not known yet: not every stream was run or says what it expects.'
      : `No order takes less than ${formatDuration(facts.lowerBoundMs)}, by the expected times.`,
    ...facts.planned.flatMap(({ stream, impossible, isDone }) =>
      impossible === undefined || isDone ? [] : [`${stream.key} ${impossible}`],
    ),
    '',
  ].join('\n');
}

/** What an estimate rests on, behind it, where nobody wrote it. */
function basisOf({ estimateFrom, estimateReason }: PlannedStream): string {
  if (estimateFrom === 'prior') return ' (prior)';
  return estimateReason === undefined ? '' : ` (${estimateReason})`;
}
