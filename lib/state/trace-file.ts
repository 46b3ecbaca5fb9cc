/** What attempts does a trace file tell of? Our own lines, one row a task of a workflow engine, or one memory curve a line. */
import { basename } from 'node:path';
import { Failure } from '../failure.ts';
import type { PastAttempt, ProfileSegment } from '../history-model.ts';
import { cleanText } from '../names.ts';
import { MOST_SEGMENTS, parseHistoryLine, toAttempt } from './history-line.ts';

/** What a trace holds: attempts in the order of the file, and how many lines were none. */
export interface Trace {
  readonly attempts: readonly PastAttempt[];
  readonly skipped: number;
  /** For people: which of the forms it was. */
  readonly form: 'attempts' | 'tasks' | 'curves';
}

interface Reading {
  readonly name: string;
  readonly label: string;
}

/** Curves have one value a second, in megabytes of 10^6 bytes. */
const CURVE_STEP_MS = 1000;
const CURVE_UNIT_BYTES = 1e6;
const NEEDED_COLUMNS = ['process', 'peak_rss', 'complete', 'realtime'] as const;

/**
 * Reads a trace, whose attempts bear `label`. Three forms: lines as the history has them; CSV with the columns `process,
 * peak_rss` (bytes), `complete, realtime` (ms) and perhaps `memory` (bytes asked for), `exit`; lines `{"id", "mb": […]}`.
 * @throws Failure (2) for a text of another form, or one without a single attempt.
 */
export function parseTrace(text: string, name: string, label: string): Trace {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const first = lines[0] ?? '';
  const reading = { name: cleanText(basename(name), 60), label };
  const trace = first.startsWith('{')
    ? readLines(lines, reading)
    : readTable(first.split(','), lines.slice(1), reading);
  if (trace.attempts.length === 0) throw new Failure(`${name} tells of no attempt (${trace.skipped} lines)`);
  return trace;
}

function readTable(head: readonly string[], rows: readonly string[], reading: Reading): Trace {
  const missing = NEEDED_COLUMNS.filter((column) => !head.includes(column));
  if (missing.length > 0)
    throw new Failure(
      `${reading.name} is no trace: neither lines of JSON nor a table with the columns ${NEEDED_COLUMNS.join(', ')} (it lacks ${missing.join(', ')})`,
    );
  const attempts = rows.flatMap((row, at) => readRow(head, row.split(','), at, reading) ?? []);
  return { attempts, skipped: rows.length - attempts.length, form: 'tasks' };
}

function readRow(
  head: readonly string[],
  cells: readonly string[],
  at: number,
  { label, name }: Reading,
): PastAttempt | undefined {
  const cell = (column: string): string => cells[head.indexOf(column)] ?? '';
  const number = (column: string): number | undefined => {
    const text = cell(column);
    return /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
  };
  const kind = cleanText(cell('process'), 200);
  const [peakBytes, endedMs, durationMs] = [number('peak_rss'), number('complete'), number('realtime')];
  if (kind === '' || peakBytes === undefined || endedMs === undefined || durationMs === undefined)
    return undefined;
  const exit = cell('exit');
  return {
    ...foreign(label, `${name}/${at + 1}`, kind),
    cause: exit === '' || exit === '0' ? 'done' : 'failed',
    estimateBytes: number('memory'),
    peakBytes,
    endedMs,
    durationMs,
    // 137 and 143 are how a batch system ends what is over its memory or its time.
    isCensored: exit === '137' || exit === '143',
  };
}

function readLines(lines: readonly string[], reading: Reading): Trace {
  const attempts: PastAttempt[] = [];
  let curves = 0;
  for (const [at, line] of lines.entries()) {
    const own = parseHistoryLine(line);
    if (typeof own === 'object') attempts.push({ ...own.attempt, label: reading.label });
    else {
      const foreignAttempt = readObject(line, at, reading);
      if (foreignAttempt === undefined) continue;
      curves += 1;
      attempts.push(foreignAttempt);
    }
  }
  return {
    attempts,
    skipped: lines.length - attempts.length,
    form: curves * 2 > attempts.length ? 'curves' : 'attempts',
  };
}

/** A curve, or an attempt without what only our own lines have. */
function readObject(line: string, at: number, { label, name }: Reading): PastAttempt | undefined {
  const value = parseObject(line);
  if (value === undefined) return undefined;
  const { id, mb } = value;
  if (!Array.isArray(mb)) {
    const kind = typeof value['kind'] === 'string' ? value['kind'] : 'agent';
    const key = `${name}/${at + 1}`;
    const plain = { ...foreign(label, key, kind), cause: 'done', endedMs: at, durationMs: 0 };
    return toAttempt({ ...plain, ...value, label, machine: plain.machine });
  } // prettier-ignore
  const bytes = mb.map((step) => (typeof step === 'number' && step >= 0 ? step * CURVE_UNIT_BYTES : NaN));
  if (bytes.length === 0 || bytes.some((step) => !Number.isFinite(step))) return undefined;
  const peakBytes = Math.round(bytes.reduce((most, step) => Math.max(most, step), 0));
  const durationMs = bytes.length * CURVE_STEP_MS;
  return {
    ...foreign(label, typeof id === 'string' ? cleanText(id, 200) : `${name}/${at + 1}`, 'agent'),
    cause: 'done',
    peakBytes,
    averageBytes: Math.round(bytes.reduce((sum, step) => sum + step, 0) / bytes.length),
    peakAfterMs: (bytes.findIndex((step) => Math.round(step) === peakBytes) + 1) * CURVE_STEP_MS,
    profile: segments(bytes),
    // Curves have no dates: they are taken to follow one another.
    endedMs: (at + 1) * CURVE_STEP_MS,
    durationMs,
  };
}

/** Equal stretches of a curve, each with its largest value. */
function segments(bytes: readonly number[]): ProfileSegment[] {
  const count = Math.min(MOST_SEGMENTS, bytes.length);
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * bytes.length) / count);
    const until = Math.floor(((at + 1) * bytes.length) / count);
    const most = bytes.slice(from, until).reduce((largest, step) => Math.max(largest, step), 0);
    return { untilMs: until * CURVE_STEP_MS, bytes: Math.round(most) };
  });
}

/** What is said of somebody else's figures, whatever they say themselves. */
function foreign(label: string, key: string, kind: string): Omit<PastAttempt, 'cause' | 'peakBytes' | 'endedMs' | 'durationMs'> {
  return {
    key, kind, label, command: kind, estimateBytes: undefined, limitBytes: undefined, heapMb: undefined, peakKind: 'rss',
    isCensored: false, averageBytes: undefined, peakAfterMs: undefined, profile: [], machine: 'foreign',
  };
} // prettier-ignore

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
} // prettier-ignore
