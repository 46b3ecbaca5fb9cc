/** What has the history taught, in words: recommendations, trends, patterns, calibration, and what a backtest found? */
import type { BacktestResult } from '../policy/backtest.ts';
import type { Pattern, Trend } from '../policy/past-patterns.ts';
import { recommendationText, type CalibrationRow, type Recommendation } from '../policy/recommend.ts';
import { formatBytes, formatDuration, megabytes } from '../units.ts';
import { oneLine, type Answer, type LineValue } from './answer.ts';
import { renderTable } from './table.ts';

type Words = Pick<Answer, 'json' | 'lines' | 'table'>;

const NOTHING = 'No attempt is on record yet: `run` leaves one for each stream.';

/** One line a kind: `recommend:KIND memory=310MB confidence=high (…)`. */
export function recommendAnswer(recommendations: readonly Recommendation[], total: number): Words {
  return {
    json: { attempts: total, recommendations },
    lines: [
      ['attempts', total],
      ...recommendations.map((one): [string, LineValue] => [
        'recommend',
        `${one.kind} memory=${megabytes(one.memoryBytes)}MB${one.limitBytes === undefined ? '' : ` limit=${megabytes(one.limitBytes)}MB`} now=${one.nowBytes === undefined ? '-' : `${megabytes(one.nowBytes)}MB`} confidence=${one.confidence} (${one.reason})`,
      ]),
    ],
    table: async () => {
      if (recommendations.length === 0) return NOTHING;
      const rows = recommendations.map((one) => [
        oneLine(one.kind),
        formatBytes(one.memoryBytes),
        one.limitBytes === undefined ? '-' : formatBytes(one.limitBytes),
        one.nowBytes === undefined ? '-' : formatBytes(one.nowBytes),
        one.confidence,
      ]);
      const head = ['kind', 'memory', 'limit', 'now', 'confidence'];
      const said = recommendations.map((one) => oneLine(recommendationText(one)));
      return [await renderTable(head, rows), ...said].join('\n');
    },
  };
}

const BARS = '▁▂▃▄▅▆▇█';

/** One character a value, from the smallest to the largest. */
export function sparkline(values: readonly number[]): string {
  const least = Math.min(...values);
  const span = Math.max(...values) - least;
  const step = (value: number): number =>
    span === 0 ? 3 : Math.round(((value - least) / span) * (BARS.length - 1));
  return values.map((value) => BARS[step(value)] ?? '').join('');
}

/** One line a kind: `trend:KIND attempts=… before_mb=… now_mb=… change_percent=…`, and its points in the JSON. */
export function trendsAnswer(trends: readonly Trend[]): Words {
  const mb = (bytes: number | undefined): string => (bytes === undefined ? '-' : String(megabytes(bytes)));
  const change = ({ changeShare }: Trend): string =>
    changeShare === undefined ? '-' : String(Math.round(changeShare * 1000) / 10);
  return {
    json: { trends },
    lines: [
      ['kinds', trends.length],
      ...trends.map((one): [string, LineValue] => [
        'trend',
        `${one.kind} attempts=${one.attempts} before_mb=${mb(one.beforeBytes)} now_mb=${mb(one.nowBytes)} change_percent=${change(one)}`,
      ]),
    ],
    table: async () => {
      if (trends.length === 0) return NOTHING;
      const rows = trends.map((one) => [
        oneLine(one.kind),
        String(one.attempts),
        one.beforeBytes === undefined ? '-' : formatBytes(one.beforeBytes),
        formatBytes(one.nowBytes),
        one.changeShare === undefined ? '-' : `${one.changeShare > 0 ? '+' : ''}${change(one)}%`,
        `${sparkline(one.points.map(({ bytes }) => bytes))} by ${one.per}`,
      ]);
      return renderTable(['kind', 'attempts', 'median before', 'now', 'change', 'peaks'], rows);
    },
  };
}

/** One line a kind: how large, how long, when the peak comes, how they end. */
export function patternsAnswer(patterns: readonly Pattern[]): Words {
  const percent = (share: number | undefined): string =>
    share === undefined ? '-' : String(Math.round(share * 100));
  return {
    json: { patterns },
    lines: [
      ['kinds', patterns.length],
      ...patterns.map((one): [string, LineValue] => [
        'pattern',
        `${one.kind} attempts=${one.attempts} done_percent=${percent(one.doneShare)} stopped_percent=${percent(one.stoppedShare)} median_mb=${megabytes(one.medianBytes)} p90_mb=${megabytes(one.p90Bytes)} largest_mb=${megabytes(one.largestBytes)} median_seconds=${Math.round(one.medianMs / 100) / 10} shape=${one.shape.replace(' ', '-')} peak_at_percent=${percent(one.peakAtShare)} average_of_peak_percent=${percent(one.fillShare)}`,
      ]),
    ],
    table: async () => {
      if (patterns.length === 0) return NOTHING;
      const rows = patterns.map((one) => [
        oneLine(one.kind),
        String(one.attempts),
        `${percent(one.doneShare)}%`,
        `${formatBytes(one.medianBytes)} / ${formatBytes(one.p90Bytes)} / ${formatBytes(one.largestBytes)}`,
        formatDuration(one.medianMs),
        one.shape,
        one.causes.map(({ cause, count }) => `${cause} ${count}`).join(', '),
      ]);
      const head = ['kind', 'attempts', 'done', 'peak: median / P90 / largest', 'time', 'shape', 'ends'];
      return renderTable(head, rows);
    },
  };
}

const shareText = (share: number | undefined): string =>
  share === undefined ? '-' : `${(share * 100).toFixed(1)}%`;

/** Claimed coverage against observed: of estimates that attempts ran with, and of each attempt predicted from those before it. */
export function calibrationAnswer(rows: readonly CalibrationRow[], estimator: string): Words {
  const name = ({ kind }: CalibrationRow): string => oneLine(kind ?? 'all kinds');
  return {
    json: { estimator, calibration: rows },
    lines: [
      ['estimator', estimator],
      ...rows.map((one): [string, LineValue] => [
        'calibration',
        `${one.kind ?? '*'} ran=${one.ran} within=${shareText(one.ranWithinShare)} replayed=${one.replayed} claimed=${shareText(one.claimedShare)} observed=${shareText(one.coveredShare)}`,
      ]),
    ],
    table: async () => {
      const head = ['kind', 'ran with an estimate', 'within it', 'replayed', 'claimed', 'observed'];
      const cells = rows.map((one) => [
        name(one),
        String(one.ran),
        shareText(one.ranWithinShare),
        String(one.replayed),
        shareText(one.claimedShare),
        shareText(one.coveredShare),
      ]);
      return renderTable(head, cells);
    },
  };
}

/** One line an estimator. */
export function backtestAnswer(
  results: readonly BacktestResult[],
  facts: { readonly source: string; readonly attempts: number; readonly skipped: number },
): Words {
  const rounded = (value: number): number => Math.round(value * 100) / 100;
  const maq = ({ maq: share }: BacktestResult): string => (share === undefined ? '-' : share.toFixed(3));
  return {
    json: { ...facts, results },
    lines: [
      ['source', facts.source],
      ['attempts', facts.attempts],
      ['skipped_lines', facts.skipped],
      ...results.map((one): [string, LineValue] => [
        'estimator',
        `${one.estimator} tasks=${one.tasks} failures=${one.failures} waste_gb_hours=${rounded(one.wasteGbHours)} maq=${maq(one)}`,
      ]),
    ],
    table: async () => {
      const rows = results.map((one) => [
        one.estimator,
        String(one.tasks),
        String(one.failures),
        `${rounded(one.wasteGbHours)} GB·h`,
        maq(one),
      ]);
      const text = await renderTable(['estimator', 'tasks', 'failures', 'waste', 'MAQ'], rows);
      return `${text}\n${facts.attempts} attempts of ${facts.source}${facts.skipped > 0 ? `, ${facts.skipped} lines left out` : ''}.`;
    },
  };
}
