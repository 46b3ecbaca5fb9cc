/** In which batches would these streams run, and how long would that take? */
import type { Batch } from '../policy/batch.ts';
import type { Room, TimesInWays } from '../policy/suggest.ts';
import type { PlannedStream } from '../run-model.ts';
import { formatBytes, formatDuration } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';
import { renderTable } from './table.ts';

export interface SuggestFacts {
  readonly epic: string;
  readonly planned: readonly PlannedStream[];
  readonly batches: readonly Batch[];
  readonly room: Room;
  /** undefined: of some stream nobody knows how long it takes. */
  readonly times: TimesInWays | undefined;
}

/** The answer of `suggest`. */
export function suggestAnswer(facts: SuggestFacts): Pick<Answer, 'json' | 'lines' | 'table'> {
  const { batches, epic, planned, times } = facts;
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : Math.round(ms / 100) / 10;
  const learned = planned.filter(({ estimateFrom }) => estimateFrom === 'history').length;
  return {
    json: facts,
    lines: [
      ['epic', epic],
      ['streams', planned.length],
      ['estimated_from_history', learned],
      ['batches', batches.length],
      ...batches.map(({ keys, estimateBytes }, at): [string, LineValue] => [
        `batch_${at + 1}`,
        `${keys.join(' ')} (${formatBytes(estimateBytes)})`,
      ]),
      ['at_once', times?.mostAtOnce],
      ['seconds', seconds(times?.continuousMs)],
      ['seconds_in_batches', seconds(times?.batchedMs)],
      ['seconds_one_by_one', seconds(times?.oneByOneMs)],
      ...planned
        .filter(({ expectedMs }) => expectedMs === undefined)
        .map(({ stream }): [string, LineValue] => ['time_unknown', stream.key]),
    ],
    table: async () => {
      const entries = new Map(planned.map((entry) => [entry.stream.key, entry]));
      const rows = batches.flatMap(({ keys }, at) =>
        keys.map((key) => {
          const entry = entries.get(key);
          return [
            String(at + 1),
            key.slice(epic.length + 1),
            entry === undefined ? '-' : formatBytes(entry.estimateBytes),
            entry?.estimateReason ?? entry?.estimateFrom ?? '-',
            entry?.expectedMs === undefined ? '-' : formatDuration(entry.expectedMs),
          ];
        }),
      );
      const time =
        times === undefined
          ? 'How long it takes is not known: not every stream was ever done, or says what it expects.'
          : `About ${formatDuration(times.continuousMs)} with ${times.mostAtOnce} at once, each as soon as it fits; ${formatDuration(times.batchedMs)} in batches, ${formatDuration(times.oneByOneMs)} one by one.`;
      return `${await renderTable(['batch', 'stream', 'estimate', 'because', 'expected'], rows)}\n${time}`;
    },
  };
}
