/** What must an engine do to run attempts? Submit one, poll all, cancel one, say the largest that fits: local now, a cluster's scheduler later. */

import type { ProfileSegment } from '../history-model.ts';
import type { TreeProcess } from '../policy/culprit.ts';

/** What an engine gets to know of one attempt: one key, one folder. */
export interface AttemptSpec {
  readonly key: string;
  readonly attempt: number;
  /** The value of our tag in its environment: proves that a process is ours. */
  readonly tag: string;
  /** Words to execute, or one line for `sh -c`. */
  readonly command: readonly string[] | string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdoutPath: string;
  readonly stderrPath: string;
  readonly estimateBytes: number;
  readonly limitBytes: number | undefined;
  /** The heap that its environment tells of; undefined: none. */
  readonly heapMb: number | undefined;
}

/** The process that works on an attempt: one of its own, or one that had work before and lives on after. */
export interface Worker {
  readonly pid: number;
  /** The value of our tag in its environment, by which its members are found. */
  readonly tag: string;
  /** Once, when it has ended or has answered: exit code and signal, as far as they are known. */
  readonly onEnd: (tell: (exitCode: number | undefined, signal: string | undefined) => void) => void;
  /** Only where it lives on: puts it back and answers whether that is done; asked again and again, once it has ended. */
  readonly giveBack?: () => boolean;
}

/** How an attempt's main process ended. */
export interface AttemptEnd {
  readonly atMs: number;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** The system's error where it could not be started at all. */
  readonly startError: string | undefined;
  /** Processes of it that the kernel killed for want of memory; undefined where it has no group of its own. */
  readonly ceilingKills: number | undefined;
  /** Where some were killed: whether the attempt itself had come to its ceiling; undefined: not known. */
  readonly ceilingReached: boolean | undefined;
}

/** An attempt at one instant. */
export interface AttemptView {
  readonly key: string;
  readonly pid: number;
  readonly startedMs: number;
  /** When it was last measured. */
  readonly lookedMs: number;
  /** How long it was halted so far; its profile and its peak are told in its own time, which stands still meanwhile. */
  readonly haltedMs: number;
  readonly currentBytes: number;
  /** What ending it would about free: what a reservation is compared with. */
  readonly privateBytes: number;
  readonly peakBytes: number | undefined;
  readonly peakKind: 'rss' | 'pss' | undefined;
  readonly averageBytes: number | undefined;
  /** When it was at its peak, since its start. */
  readonly peakAfterMs: number | undefined;
  /** The course of its memory so far; made only when asked for. */
  readonly profile: () => readonly ProfileSegment[];
  readonly samples: number;
  readonly processes: number;
  /** undefined while its main process lives. */
  readonly end: AttemptEnd | undefined;
}

/** A process of an attempt's tree, for the evidence. */
export interface Member {
  readonly pid: number;
  readonly startTicks: number;
  readonly comm: string;
  readonly rssBytes: number;
  /** Cut, and with secrets masked. */
  readonly command: string;
}

export interface Engine {
  readonly name: string;
  /** How often a poll of all processes is worth it while nothing is being ended. */
  readonly fullEveryMs: number;
  /** Starts an attempt. @throws Failure where it cannot be started. */
  readonly submit: (
    spec: AttemptSpec,
    nowMs: number,
  ) => {
    readonly pid: number;
    /** When it started, clock ticks since the boot; undefined: it was gone already. */
    readonly startTicks: number | undefined;
  };
  /** All attempts, the ended ones until they are forgotten. */
  readonly poll: (
    nowMs: number,
    options?: {
      /** Looks at all processes, also at those that nobody's child leads to. */
      readonly full?: boolean;
      /** Only who has ended: the others as the last poll saw them. */
      readonly asSeen?: boolean;
    },
  ) => AttemptView[];
  /** Begins to stop an attempt's whole tree: TERM, after the grace KILL. Further calls with a shorter grace hasten it. */
  readonly cancel: (key: string, graceMs: number, nowMs: number) => void;
  /** Whether the last full poll found nothing left of an ended attempt, which is then forgotten; ends what it left behind. */
  readonly settle: (
    key: string,
    graceMs: number,
    nowMs: number,
  ) => { readonly settled: boolean; readonly remains: number; readonly bytes: number };
  /** What the tree, or some processes of it, hold now by the dearer, exact measure (PSS); undefined where the kernel has none. */
  readonly exactBytes: (key: string, pids?: ReadonlySet<number>) => number | undefined;
  /** Kills one process of an attempt and all that it started, at once; the attempt goes on. Answers how many. */
  readonly killBelow: (key: string, top: { readonly pid: number; readonly startTicks: number }) => number;
  /** The processes of an attempt as the last poll saw them. */
  readonly processes: (key: string) => readonly TreeProcess[];
  /** Halts (SIGSTOP) or continues the processes that the last poll saw: at once, so that nothing grows while evidence is written. */
  readonly suspend: (key: string, halted: boolean) => number;
  /** The members of an attempt's tree now. */
  readonly survey: (key: string) => Member[];
  /** The memory of its last samples, oldest first: bytes at epoch milliseconds. */
  readonly history: (key: string) => readonly { readonly atMs: number; readonly bytes: number }[];
  /** Resolves when some attempt ended or `ms` have passed. */
  readonly nextChange: (ms: number) => Promise<void>;
  /** The most that one attempt could ever get here, bytes. */
  readonly largestThatFits: () => number;
  readonly close: () => void;
}
