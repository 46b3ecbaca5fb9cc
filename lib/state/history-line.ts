/** How is one finished attempt written as a line of the history, and which lines are none? */
import type { PastAttempt, ProfileSegment } from '../history-model.ts';

/** The version of a line; a newer one is left alone. */
export const LINE_VERSION = 1;
export const MOST_SEGMENTS = 16;
/** Longer than any name or key of ours may be. */
const LONGEST_TEXT = 400;

/** What a line of the history holds. */
export type ParsedLine = { readonly attempt: PastAttempt } | 'torn' | 'newer';

/** One line without its newline; the profile as a flat list of times and bytes. */
export function historyLine(attempt: PastAttempt): string {
  const { profile, ...rest } = attempt;
  return JSON.stringify({ v: LINE_VERSION, ...rest, profile: flat(profile) });
}

/** Total: what is no whole record of ours is `torn`. */
export function parseHistoryLine(line: string): ParsedLine {
  const value = parseJson(line);
  const version = value?.['v'];
  if (value === undefined || typeof version !== 'number') return 'torn';
  if (version > LINE_VERSION) return 'newer';
  const attempt = toAttempt(value);
  return attempt === undefined ? 'torn' : { attempt };
}

/** The attempt in an object with the fields of a line; undefined where one that each attempt has is missing or of another type. */
export function toAttempt(value: Readonly<Record<string, unknown>>): PastAttempt | undefined {
  const number = (name: string): number | undefined => quantity(value[name]);
  const { key, kind, command, label, cause, peakKind, isCensored, machine } = value;
  const peakBytes = number('peakBytes');
  const endedMs = number('endedMs');
  const durationMs = number('durationMs');
  const profile = unflat(value['profile']);
  if (!isText(key) || !isText(kind) || !isText(command) || !isText(cause) || !isText(machine))
    return undefined;
  if (label !== undefined && !isText(label)) return undefined;
  if (peakBytes === undefined || endedMs === undefined || durationMs === undefined) return undefined;
  if (peakKind !== 'rss' && peakKind !== 'pss' && peakKind !== 'cgroup') return undefined;
  if (typeof isCensored !== 'boolean' || profile === undefined) return undefined;
  return {
    key,
    kind,
    command,
    label,
    cause,
    estimateBytes: number('estimateBytes'),
    limitBytes: number('limitBytes'),
    heapMb: number('heapMb'),
    peakBytes,
    peakKind,
    isCensored,
    averageBytes: number('averageBytes'),
    peakAfterMs: number('peakAfterMs'),
    profile,
    endedMs,
    durationMs,
    machine,
  };
}

/** `[untilMs, bytes, untilMs, bytes, …]` */
export function flat(profile: readonly ProfileSegment[]): number[] {
  return profile.flatMap(({ untilMs, bytes }) => [Math.round(untilMs), Math.round(bytes)]);
}

/** The segments of a flat list; undefined where it is none. */
export function unflat(value: unknown): ProfileSegment[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * MOST_SEGMENTS) return undefined;
  const numbers: readonly unknown[] = value;
  const profile: ProfileSegment[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    const untilMs = quantity(numbers[at]);
    const bytes = quantity(numbers[at + 1]);
    if (untilMs === undefined || bytes === undefined) return undefined;
    profile.push({ untilMs, bytes });
  }
  return profile;
}

function parseJson(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function quantity(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_TEXT;
}
