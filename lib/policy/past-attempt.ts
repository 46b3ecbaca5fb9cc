/** What does a finished attempt leave to the history? From what we measured and judged ourselves; nothing where nothing was measured. */
import type { PastAttempt, ProfileSegment } from '../history-model.ts';
import type { Cause, Outcome } from '../model.ts';

/** An attempt that has ended, as its keeper saw it. */
export interface EndedAttempt {
  readonly key: string;
  readonly kind: string;
  readonly tool: string;
  /** Where nobody judged its cause. */
  readonly outcome?: Outcome;
  readonly cause: Cause | undefined;
  readonly estimateBytes: number | undefined;
  readonly limitBytes: number | undefined;
  readonly heapMb: number | undefined;
  readonly peakBytes: number | undefined;
  readonly peakKind: PastAttempt['peakKind'] | undefined;
  readonly averageBytes: number | undefined;
  readonly peakAfterMs: number | undefined;
  readonly profile: readonly ProfileSegment[];
  readonly startedMs: number;
  readonly endedMs: number;
  /** For so long of it it was halted, which is no time of its own (default: 0). */
  readonly haltedMs?: number;
  readonly machine: string;
}

/** The cause of an outcome that nobody looked into any further. */
const CAUSES: Readonly<Record<Outcome, Cause>> = {
  done: 'success',
  failed: 'failed',
  'killed-limit': 'our-limit',
  'killed-user': 'user',
  'killed-machine': 'our-machine',
  'killed-kernel': 'kernel-oom',
  stopped: 'interrupt',
  'timed-out': 'timeout',
  'not-started': 'spawn-memory',
  refused: 'spawn-memory',
};

/** Ended by itself, so its peak is what it needed; the others would have needed at least theirs. */
const ENDED_BY_ITSELF: Readonly<Record<Cause, boolean>> = {
  success: true,
  failed: true,
  crash: true,
  'killed-unknown': false,
  terminated: false,
  timeout: false,
  'our-limit': false,
  'our-machine': false,
  user: false,
  interrupt: false,
  'kernel-oom': false,
  'heap-limit': false,
  allocation: false,
  'spawn-memory': false,
  'bad-node-options': true,
};

/** Its record; undefined where it ended before anything of it was measured. */
export function pastAttempt(ended: EndedAttempt): PastAttempt | undefined {
  const { key, kind, tool, peakBytes, peakKind, startedMs, endedMs, haltedMs = 0 } = ended;
  const durationMs = Math.max(0, endedMs - startedMs - haltedMs);
  if (peakBytes === undefined || peakKind === undefined) return undefined;
  const cause = ended.cause ?? CAUSES[ended.outcome ?? 'failed'];
  return {
    key,
    kind,
    command: tool,
    label: undefined,
    cause: cause === 'success' ? 'done' : cause,
    estimateBytes: ended.estimateBytes,
    limitBytes: ended.limitBytes,
    heapMb: ended.heapMb,
    peakBytes,
    peakKind,
    isCensored: !ENDED_BY_ITSELF[cause],
    averageBytes: ended.averageBytes,
    peakAfterMs: ended.peakAfterMs,
    profile: untilEnd(ended.profile, durationMs),
    endedMs,
    durationMs,
    machine: ended.machine,
  };
}

/** What was seen last held until the end. */
function untilEnd(profile: readonly ProfileSegment[], endMs: number): readonly ProfileSegment[] {
  const last = profile.at(-1);
  return last && endMs > last.untilMs ? [...profile.slice(0, -1), { ...last, untilMs: endMs }] : profile;
}

/** What machines of one class have in common: `x64 4K 8 cores`. */
export function machineClass(facts: {
  readonly architecture: string;
  readonly pageBytes: number;
  readonly cores: number;
}): string {
  return `${facts.architecture} ${facts.pageBytes / 1024}K ${facts.cores} cores`;
}
