/** What is a stream before its names are resolved? What every source of streams hands to the linker. */
import type { Stream } from '../model.ts';
import { MIB, parseDuration, parseSize } from '../units.ts';

/** A stream, or with `whole` all streams of an issue, as somebody wrote it. */
export interface Reference {
  /** `STREAM`, `ISSUE/STREAM` or `EPIC/ISSUE/STREAM`; with `whole` the issue. */
  readonly text: string;
  readonly whole: boolean;
  readonly source: string;
}

/** A stream whose dependencies and conflicts are still words; the issue and id are checked names. */
export interface Draft extends Omit<Stream, 'key' | 'epic' | 'dependsOn' | 'conflictsWith'> {
  readonly dependsOn: readonly Reference[];
  readonly conflictsWith: readonly Reference[];
}

/** Something that the user must mend, and where. */
export interface Fault {
  /** `file:line` */
  readonly source: string;
  readonly message: string;
  /** What was written and what may have been meant: the nearest is suggested. */
  readonly meant?: { readonly text: string; readonly candidates: readonly string[] };
}

/** What a source of streams gave. */
export interface Gathered {
  readonly drafts: readonly Draft[];
  /** Issues that are there but run nothing: what depends on a closed one is satisfied. */
  readonly closedIssues: ReadonlySet<string>;
  readonly notes: readonly string[];
  readonly faults: readonly Fault[];
}

/** The kind of a stream that has a prompt and names no agent type: ccpm's own default. */
export const PROMPT_KIND = 'general-purpose';

/** The kind of a stream that is a command and names no kind. */
export const COMMAND_KIND = 'shell';

/** Linux takes at most 128 KiB for one argument (MAX_ARG_STRLEN, 32 pages of 4 KiB), its end mark included. */
const LONGEST_WORD_BYTES = 128 * 1024 - 1;

/** Why this cannot be an argument or variable of a process; undefined where it can. */
export function wordFault(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL, which no program can be given';
  const bytes = Buffer.byteLength(text);
  if (bytes > LONGEST_WORD_BYTES)
    return `has ${bytes} bytes: one argument takes at most ${LONGEST_WORD_BYTES}, put it into a file`;
  return undefined;
}

/** The numbers that a stream may set by itself. */
export interface Amounts {
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly expectedMs: number | undefined;
}

export type AmountName = 'memory' | 'limit' | 'heap' | 'expected';

/**
 * Reads `memory`, `limit` (sizes from 1MB), `heap` (MB, or a size) and `expected` (a duration); `fault` gets the name of
 * what is wrong and why. A limit below the estimate or the heap would stop the stream for sure: a fault as well.
 */
export function readAmounts(
  text: Partial<Record<AmountName, string>>,
  fault: (name: AmountName, message: string) => void,
): Amounts {
  const size = (name: 'memory' | 'limit' | 'heap', unit: string): number | undefined => {
    const written = text[name]?.trim();
    if (written === undefined) return undefined;
    const bytes = parseSize(/^\d+$/.test(written) ? written + unit : written);
    if (bytes !== undefined && bytes >= MIB) return bytes;
    fault(name, `${name}: ${bytes === undefined ? 'no size' : 'less than 1MB'} (write it as 512MB or 2GB)`);
    return undefined;
  };
  const estimateBytes = size('memory', '');
  const limitBytes = size('limit', '');
  const heapBytes = size('heap', 'MB');
  const expectedMs = text.expected === undefined ? undefined : parseDuration(text.expected);
  if (text.expected !== undefined && expectedMs === undefined)
    fault('expected', 'expected: no duration (write it as 90s, 20m or 1.5h)');

  if (limitBytes !== undefined && heapBytes !== undefined && limitBytes < heapBytes)
    fault('limit', 'limit is below heap: the process would be stopped before its heap is full');
  if (limitBytes !== undefined && estimateBytes !== undefined && limitBytes < estimateBytes)
    fault(
      'limit',
      'limit is below memory: the stream would be stopped before it has what it is expected to need',
    );
  const heapMb = heapBytes === undefined ? undefined : Math.round(heapBytes / MIB);
  return { estimateBytes, limitBytes, heapMb, expectedMs };
}
