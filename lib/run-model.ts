/** What are the nouns of a run? Its plan, its events, what it came to: types only. */
import type { AttemptResult, BindingLimit, Cause, Mode, Stream } from './model.ts';

/** One line of a run's plan. */
export interface PlannedStream {
  readonly stream: Stream;
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  /** Where the estimate comes from: the stream, past attempts of its like, its kind, the configured prior, or what an earlier attempt lacked. */
  readonly estimateFrom: 'stream' | 'history' | 'kind' | 'prior' | 'retry';
  /** Only while nothing else of ours runs; only ever said of a further attempt. */
  readonly alone?: boolean;
  /** What it rests on, for people; undefined where somebody wrote it, or nobody knows. */
  readonly estimateReason?: string | undefined;
  /** What holds without history: what somebody wrote, else the prior. */
  readonly configuredBytes: number;
  readonly configuredFrom: 'stream' | 'kind' | 'prior';
  /** The command without the words of one task: what past attempts are compared by. */
  readonly tool: string;
  /** What earlier runs took; undefined where there were none. */
  readonly expectedMs: number | undefined;
  /** Done in an earlier run, so `--resume` leaves it out. */
  readonly isDone: boolean;
  /** Why it can never run; undefined: it can. */
  readonly impossible: string | undefined;
}

/** An attempt's estimate beside what it needed, and what the next one gets. */
export interface LookBack {
  readonly key: string;
  readonly estimateBytes: number;
  /** The largest that was seen of it; undefined: nothing was measured. */
  readonly neededBytes: number | undefined;
  /** It was stopped, so it needed more than was seen. */
  readonly isCensored: boolean;
  readonly nextBytes: number;
  readonly nextReason: string;
}

/** What a run as a whole came to. */
export interface RunSummary {
  readonly epic: string;
  readonly results: readonly AttemptResult[];
  readonly startedMs: number;
  readonly endedMs: number;
  /** undefined where nothing ran. */
  readonly lowerBoundMs: number | undefined;
  readonly highestBytes: number;
  readonly highestAgents: number;
  readonly killedByUs: number;
  readonly killedByKernel: number;
  readonly earlierDone: number;
  readonly exitCode: number;
  /** undefined where nothing was ever asked to start. */
  readonly modes?: ModesOfRun | undefined;
}

/** The modes that a run went through. */
export interface ModesOfRun {
  readonly last: Mode;
  readonly narrowest: Mode;
  readonly changes: number;
}

/** What happens in a run, one after another: the lines of --json, and what the table and the plain lines are made from. */
export type RunEvent = { readonly atMs: number } & (
  | {
      readonly event: 'start';
      readonly key: string;
      readonly attempt: number;
      readonly pid: number;
      readonly estimateBytes: number;
      readonly limitBytes: number | undefined;
      readonly warning: string | undefined;
    }
  | {
      readonly event: 'wait';
      readonly key: string;
      readonly reason: string;
      readonly binding: BindingLimit;
      readonly shortByBytes: number | undefined;
      readonly retryAfterMs: number;
    }
  | {
      readonly event: 'level';
      readonly key: string;
      readonly level: 'warning' | 'critical' | 'over';
      readonly bytes: number;
      readonly message: string;
    }
  | {
      readonly event: 'stopping';
      readonly key: string;
      readonly reason: string;
      readonly evidence: string | undefined;
    }
  | { readonly event: 'end'; readonly result: AttemptResult }
  | {
      readonly event: 'retry';
      readonly key: string;
      /** The number of the attempt to come. */
      readonly attempt: number;
      /** Why the last one ended. */
      readonly cause: Cause;
      /** It waits this long, then for its reservation. */
      readonly afterMs: number;
      readonly estimateBytes: number;
      readonly limitBytes: number | undefined;
      readonly heapMb: number | undefined;
      readonly alone: boolean;
      /** At most so many agents of the run at once until this stream is done or given up; undefined: as before. */
      readonly atMostConcurrent: number | undefined;
      readonly reason: string;
    }
  | { readonly event: 'remains'; readonly key: string; readonly processes: number; readonly bytes: number }
  | { readonly event: 'skip'; readonly key: string; readonly reason: string }
  | {
      readonly event: 'mode';
      readonly mode: Mode;
      readonly before: Mode;
      readonly availableBytes: number;
      readonly reason: string;
    }
  | { readonly event: 'note'; readonly text: string }
  | { readonly event: 'interrupt'; readonly signal: string; readonly running: number }
);
