/** What does an attempt leave behind for the next estimate? Types only. Bytes are whole numbers, times are milliseconds. */

/** A stretch of an attempt's life; the first begins at 0, each of the others where the one before it ends. */
export interface ProfileSegment {
  /** Since the attempt's start. */
  readonly untilMs: number;
  /** The most that was seen in it. */
  readonly bytes: number;
}

/** One finished attempt as the history keeps it: measured by us, never a caller's word. */
export interface PastAttempt {
  /** EPIC/ISSUE/STREAM. */
  readonly key: string;
  readonly kind: string;
  /** Which tool: a short name of the command without its prompt and other words of one task. */
  readonly command: string;
  /** Whose figures these are where they were imported; undefined: our own measurement. */
  readonly label: string | undefined;
  /** `done`, or the cause of its end. */
  readonly cause: string;
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly peakBytes: number;
  readonly peakKind: 'rss' | 'pss' | 'cgroup';
  /** It was stopped, so it would have needed at least this much. */
  readonly isCensored: boolean;
  readonly averageBytes: number | undefined;
  readonly peakAfterMs: number | undefined;
  /** At most 16 segments; empty where nothing was sampled. */
  readonly profile: readonly ProfileSegment[];
  readonly endedMs: number;
  readonly durationMs: number;
  /** Machines of one class compare: architecture, page size, cores. */
  readonly machine: string;
}

/** How many attempts a stream, a kind, a tool, or everything has had, those that are kept no more included. */
export interface HistoryTotal {
  /** A machine class, or `label NAME` for what was imported. */
  readonly source: string;
  readonly level: 'stream' | 'kind' | 'tool' | 'all';
  /** The stream's key, the kind, the tool; empty for everything. */
  readonly name: string;
  readonly count: number;
  readonly lastMs: number;
}

/** One day (UTC) of one kind. */
export interface HistoryDay {
  readonly source: string;
  readonly kind: string;
  /** When the day began. */
  readonly dayMs: number;
  readonly count: number;
  readonly largestBytes: number;
  /** Sums over the day's attempts, of peaks and of durations. */
  readonly sumBytes: number;
  readonly sumMs: number;
  /** Attempts that were stopped. */
  readonly censored: number;
}
