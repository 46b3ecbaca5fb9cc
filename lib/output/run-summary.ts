/** How did the run end? Per stream and as a whole. */
import type { AttemptResult } from '../model.ts';
import type { LookBack, RunSummary } from '../run-model.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import type { LineValue } from './answer.ts';
import { renderTable } from './table.ts';

/** Memory reserved but not used, in GB·s: what better estimates could give back. */
export function wasteGbSeconds({
  estimateBytes,
  averageBytes,
  startedMs,
  endedMs,
}: AttemptResult): number | undefined {
  if (averageBytes === undefined) return undefined;
  return (Math.max(0, estimateBytes - averageBytes) / 1024 ** 3) * ((endedMs - startedMs) / 1000);
}

/** The summary as `key:value` lines. */
export function summaryLines(summary: RunSummary, back: readonly LookBack[] = []): [string, LineValue][] {
  const { results } = summary;
  const last = lastAttempts(results);
  const done = countDone(last);
  return [
    ['epic', summary.epic],
    ['streams_done', done],
    ['streams_not_done', last.length - done],
    ['retries', results.length - last.length],
    ['done_earlier', summary.earlierDone],
    ['seconds', round((summary.endedMs - summary.startedMs) / 1000)],
    [
      'lower_bound_seconds',
      summary.lowerBoundMs === undefined ? undefined : round(summary.lowerBoundMs / 1000),
    ],
    ['highest_use_mb', Math.round(summary.highestBytes / MIB)],
    ['highest_agents', summary.highestAgents],
    ['mode', summary.modes?.last],
    ['narrowest_mode', summary.modes?.narrowest],
    ['mode_changes', summary.modes?.changes],
    ['waste_gb_seconds', round(totalWaste(results))],
    ['killed_by_us', summary.killedByUs],
    ['killed_by_kernel', summary.killedByKernel],
    ...back.map((one): [string, LineValue] => [
      'estimate',
      `${one.key} was=${formatBytes(one.estimateBytes)} needed=${neededText(one, '>')} next=${formatBytes(one.nextBytes)} (${one.nextReason})`,
    ]),
    ['exit_code', summary.exitCode],
  ];
}

/** What it needed; `more` before what one that was stopped was seen to hold. */
function neededText({ neededBytes, isCensored }: LookBack, more: string): string {
  if (neededBytes === undefined) return 'unknown';
  return `${isCensored ? more : ''}${formatBytes(neededBytes)}`;
}

/** The summary as a table for people. */
export async function summaryTable(summary: RunSummary, back: readonly LookBack[] = []): Promise<string> {
  const next = new Map(back.map(({ key, nextBytes }) => [key, nextBytes]));
  const last = lastAttempts(summary.results);
  const rows = last.map((result) => {
    const waste = wasteGbSeconds(result);
    return [
      result.key.slice(summary.epic.length + 1),
      result.outcome,
      String(result.attempt),
      result.peakBytes === undefined ? '-' : `${formatBytes(result.peakBytes)} ${result.peakKind ?? ''}`,
      formatBytes(result.estimateBytes),
      ...(back.length === 0 ? [] : [nextText(next.get(result.key))]),
      waste === undefined ? '-' : `${waste.toFixed(1)} GB·s`,
      formatDuration(result.endedMs - result.startedMs),
      result.outcome === 'done' ? earlierEnds(summary.results, result) : result.reason,
    ];
  });
  const tookMs = summary.endedMs - summary.startedMs;
  const bound =
    summary.lowerBoundMs === undefined || summary.lowerBoundMs === 0
      ? ''
      : `, ${(tookMs / summary.lowerBoundMs).toFixed(2)} x the least possible (${formatDuration(summary.lowerBoundMs)})`;
  return [
    await renderTable(
      [
        ...['stream', 'outcome', 'attempts', 'peak', 'estimate'],
        ...(back.length === 0 ? [] : ['next']),
        ...['waste', 'time', ''],
      ],
      rows,
    ),
    `${summary.epic}: ${countDone(last)} of ${last.length} done in ${formatDuration(tookMs)}${bound}; at most ${summary.highestAgents} at once, ${formatBytes(summary.highestBytes)}.`,
    `Killed by us: ${summary.killedByUs}, by the kernel: ${summary.killedByKernel}.${summary.earlierDone > 0 ? ` Done in an earlier run: ${summary.earlierDone}.` : ''}`,
    ...modeSentence(summary),
    ...reserveText(back),
    '',
  ].join('\n');
}

/** One result a stream, its last one, in the order of the first ends. */
function lastAttempts(results: readonly AttemptResult[]): AttemptResult[] {
  return [...new Map(results.map((result) => [result.key, result])).values()];
}

function countDone(results: readonly AttemptResult[]): number {
  return results.filter(({ outcome }) => outcome === 'done').length;
}

/** Why the attempts before the one that was done had ended. */
function earlierEnds(results: readonly AttemptResult[], last: AttemptResult): string {
  const causes = results
    .filter((result) => result.key === last.key && result !== last)
    .map(({ cause, outcome }) => cause ?? outcome);
  return causes.length === 0 ? '' : `after ${causes.join(', ')}`;
}

function modeSentence({ modes }: RunSummary): string[] {
  if (modes === undefined || modes.changes === 0) return [];
  const words = (mode: string): string => mode.replace('_', ' ');
  return [
    `Mode ${words(modes.last)} at the end, at its narrowest ${words(modes.narrowest)}; it changed ${modes.changes} times.`,
  ];
}

function nextText(nextBytes: number | undefined): string {
  return nextBytes === undefined ? '-' : formatBytes(nextBytes);
}

/** All estimates beside all needs, and what the next run will do about it. */
function reserveText(back: readonly LookBack[]): string[] {
  const known = back.filter(({ neededBytes }) => neededBytes !== undefined);
  if (known.length === 0) return [];
  const sum = (of: (one: LookBack) => number): string =>
    formatBytes(known.reduce((total, one) => total + of(one), 0));
  return [
    `Reserved ${sum((one) => one.estimateBytes)} for peaks of ${sum((one) => one.neededBytes ?? 0)}; the next run will reserve ${sum((one) => one.nextBytes)} for the same streams.`,
  ];
}

function totalWaste(results: readonly AttemptResult[]): number {
  return results.reduce((sum, result) => sum + (wasteGbSeconds(result) ?? 0), 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
