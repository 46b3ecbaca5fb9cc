/** Which figures should a kind of agent have, on what evidence, and how well did such figures hold? */
import type { PastAttempt } from '../history-model.ts';
import type { FeedbackSettings } from '../settings-model.ts';
import { formatBytes, MIB } from '../units.ts';
import { calibrate, estimatePeak, type PeakEstimate } from './estimate.ts';
import { EMPTY_WINDOW, neededBytes, peakWindow } from './estimators.ts';
import { estimateRules, ofKindAlone, reasonWords, tellsNeed, type HistoryIndex } from './past-index.ts';

/** What a kind should be set to. */
export interface Recommendation {
  readonly kind: string;
  /** Whole megabytes, as a settings file has them. */
  readonly memoryBytes: number;
  /** undefined: nothing of this kind was stopped at its limit. */
  readonly limitBytes: number | undefined;
  /** What the settings say now; undefined: nothing. */
  readonly nowBytes: number | undefined;
  readonly attempts: number;
  readonly confidence: PeakEstimate['confidence'];
  /** Of the attempts that are kept, those that were larger. */
  readonly aboveShare: number | undefined;
  readonly reason: string;
}

/** A limit that was reached is raised by half: what was stopped would have gone on growing. */
const LIMIT_FACTOR = 1.5;
const LEAST_BYTES = 16 * MIB;

/** One for each kind that has attempts, the most frequent first. */
export function recommend(
  index: HistoryIndex,
  facts: {
    readonly feedback: FeedbackSettings;
    readonly priorBytes: number;
    readonly configured: (kind: string) => number | undefined;
  },
  kinds: readonly string[] = index.kinds.map(({ kind }) => kind),
): Recommendation[] {
  const { configured, feedback, priorBytes } = facts;
  return kinds.flatMap((kind) => {
    const attempts = index.ofKind(kind);
    const tool = attempts.at(-1)?.command;
    if (tool === undefined) return [];
    const nowBytes = configured(kind);
    const peaks = ofKindAlone(index.peaks({ key: undefined, kind, tool }), nowBytes !== undefined);
    if (peaks.kind.records.length === 0) return [];
    const estimate = estimatePeak(peaks, nowBytes ?? priorBytes, {
      ...estimateRules(feedback),
      limitBytes: undefined,
    });
    const memoryBytes = Math.max(LEAST_BYTES, Math.ceil(estimate.bytes / MIB) * MIB);
    const { confidence, coveredShare } = estimate;
    const aboveShare = coveredShare === undefined ? undefined : 1 - coveredShare;
    const reason = reasonWords(estimate.reason, { kind, tool }, nowBytes !== undefined);
    return [
      {
        kind,
        memoryBytes,
        limitBytes: limitOf(attempts),
        nowBytes,
        attempts: estimate.records,
        confidence,
        aboveShare,
        reason: aboveShare === undefined ? reason : `${reason}, ${percent(aboveShare)} above it so far`,
      },
    ];
  });
}

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 1 ? value.toFixed(1) : Math.round(value)}%`;
}

function limitOf(attempts: readonly PastAttempt[]): number | undefined {
  const stopped = attempts.filter(({ cause }) => cause === 'our-limit');
  if (stopped.length === 0) return undefined;
  const largest = attempts.reduce((most, { peakBytes }) => Math.max(most, peakBytes), 0);
  return Math.ceil((largest * LIMIT_FACTOR) / MIB) * MIB;
}

/** `2.1GB for tester: P99 of 214 runs of tester × 1.05, 3% above it so far` */
export function recommendationText({ kind, memoryBytes, reason }: Recommendation): string {
  return `${formatBytes(memoryBytes)} for ${kind}: ${reason}`;
}

/** Claimed coverage beside what was observed. */
export interface CalibrationRow {
  /** undefined: all kinds together. */
  readonly kind: string | undefined;
  /** Attempts that ran with an estimate, and the share that stayed within it. */
  readonly ran: number;
  readonly ranWithinShare: number | undefined;
  /** Attempts predicted from those before them, the share that the estimator claimed to cover, and the share that it did. */
  readonly replayed: number;
  readonly claimedShare: number | undefined;
  readonly coveredShare: number | undefined;
}

/** With fewer attempts before it nothing is claimed of one worth checking. */
const LEAST_BEFORE = 10;

/** For each kind, and for all together in the first row. */
export function calibration(index: HistoryIndex, feedback: FeedbackSettings): CalibrationRow[] {
  const rows = index.kinds.map(({ kind }) => {
    const attempts = index.ofKind(kind);
    const ran = calibrate(attempts);
    return { kind, attempts, ran, replay: replay(attempts.filter(tellsNeed), feedback) };
  });
  const told = rows.flatMap(({ replay: { told: all } }) => all);
  const every = calibrate(rows.flatMap(({ attempts }) => attempts));
  return [
    { kind: undefined, ran: every.attempts, ranWithinShare: every.withinShare, ...shares(told) },
    ...rows.map(({ kind, ran, replay: { told: own } }) => ({
      kind,
      ran: ran.attempts,
      ranWithinShare: ran.withinShare,
      ...shares(own),
    })),
  ];
}

type Told = { readonly claimed: number; readonly isCovered: boolean };

function replay(attempts: readonly PastAttempt[], feedback: FeedbackSettings): { told: Told[] } {
  const none = { stream: EMPTY_WINDOW, tool: EMPTY_WINDOW, all: EMPTY_WINDOW };
  const told = attempts.flatMap((attempt, at): Told[] => {
    if (at < LEAST_BEFORE) return [];
    const kind = peakWindow(attempts.slice(Math.max(0, at - feedback.windowAttempts), at), at);
    const { bytes, claimedShare } = estimatePeak({ ...none, kind }, 0, { ...estimateRules(feedback), limitBytes: undefined });
    const isCovered = neededBytes(attempt) <= bytes;
    // One that was stopped below the estimate may have needed more or less: it tells nothing.
    return attempt.isCensored && isCovered ? [] : [{ claimed: claimedShare, isCovered }];
  });
  return { told };
} // prettier-ignore

function shares(told: readonly Told[]): Pick<CalibrationRow, 'replayed' | 'claimedShare' | 'coveredShare'> {
  const count = told.length;
  if (count === 0) return { replayed: 0, claimedShare: undefined, coveredShare: undefined };
  return {
    replayed: count,
    claimedShare: told.reduce((sum, { claimed }) => sum + claimed, 0) / count,
    coveredShare: told.filter(({ isCovered }) => isCovered).length / count,
  };
}
