/** How much memory shall the next attempt at a stream be expected to need, and on what does that rest? */
import { formatBytes, MIB } from '../units.ts';
import {
  ESTIMATORS,
  ESTIMATOR_WORDS,
  neededBytes,
  type EstimatorName,
  type PeakRecord,
  type PeakWindow,
} from './estimators.ts';
import { findStep } from './step-change.ts';

/** Where an estimate's evidence comes from, the closest first. */
export type EstimateLevel = 'stream' | 'kind' | 'tool' | 'all';

/** What is known of the stream itself, of its kind, of its tool (the command's identity), and of everything. */
export type PeakHistory = Readonly<Record<EstimateLevel, PeakWindow>>;

export interface EstimateOptions {
  readonly estimator: EstimatorName;
  /** Where it is stopped: no estimate is above it. */
  readonly limitBytes: number | undefined;
  /** With so many records a level stands for itself (default: 10). */
  readonly enoughRecords?: number | undefined;
  /** After so many further records one counts half (default: 64). */
  readonly halfLifeRecords?: number | undefined;
}

export interface PeakEstimate {
  /** Whole bytes. */
  readonly bytes: number;
  /** The closest level that has records. */
  readonly from: EstimateLevel | 'prior';
  /** How many records that level has had. */
  readonly records: number;
  /** The share of the level's records that it would have covered; undefined without records. */
  readonly coveredShare: number | undefined;
  /** The share of further attempts that it claims to cover: n of n + 1, at most what the estimator aims at. */
  readonly claimedShare: number;
  readonly confidence: 'none' | 'low' | 'medium' | 'high';
  /** The records since a step change that alone counted; undefined: there was no step. */
  readonly sinceStep: number | undefined;
  /** One sentence for people. */
  readonly reason: string;
}

const LEVELS = ['stream', 'kind', 'tool', 'all'] as const satisfies readonly EstimateLevel[];
/** With so many records a level stands for itself; below, its parent counts for the rest. */
const ENOUGH_RECORDS = 10;
const MUCH_RECORDS = 100;
/** Nothing is won by reserving less: what an agent's shell alone comes to. */
const LEAST_BYTES = 32 * MIB;
/** What each aims at covering. */
const AIMS = { p99: 0.99, vpa: 0.9, max: 1, tovar: 0, fixed: 0 } satisfies Record<EstimatorName, number>;

/**
 * The estimate of one stream. The estimator over the closest level; with fewer than ten records that is shrunk towards
 * the level above (stream, kind, tool, all, the configured prior), but never below what it was already seen to need.
 * More records that are no larger never raise it; it is at least 32 MB and never above the limit.
 * `priorBytes`: what the settings say without any history.
 */
export function estimatePeak(
  history: PeakHistory,
  priorBytes: number,
  options: EstimateOptions,
): PeakEstimate {
  const { estimator, limitBytes } = options;
  const found = LEVELS.find((level) => history[level].records.length > 0);
  const limited = (bytes: number): number =>
    Math.round(Math.min(Math.max(bytes, LEAST_BYTES), limitBytes ?? Infinity));
  if (found === undefined || estimator === 'fixed') {
    const reason =
      found === undefined ? 'no attempt on record: the configured figure' : 'the configured figure';
    return {
      bytes: limited(priorBytes),
      from: 'prior',
      records: 0,
      coveredShare: undefined,
      claimedShare: 0,
      confidence: 'none',
      sinceStep: undefined,
      reason,
    };
  }
  const window = history[found];
  const step = findStep(window);
  const bytes = limited(shrunk(history, priorBytes, options, LEVELS.indexOf(found)));
  const count = step?.window.records.length ?? window.total;
  return {
    bytes,
    from: found,
    records: window.total,
    coveredShare: coveredShare(step?.window ?? window, bytes),
    claimedShare: Math.min(AIMS[estimator], count / (count + 1)),
    confidence: count >= MUCH_RECORDS ? 'high' : count >= ENOUGH_RECORDS ? 'medium' : 'low',
    sinceStep: step?.window.records.length,
    reason: reasonOf(found, window, step?.window.records.length, estimator, bytes, limitBytes),
  };
}

/** The levels from here on upwards, each as much as it has records. */
function shrunk(history: PeakHistory, priorBytes: number, options: EstimateOptions, at: number): number {
  const enough = options.enoughRecords ?? ENOUGH_RECORDS;
  const level = LEVELS[at];
  if (level === undefined) return priorBytes;
  const window = history[level];
  const count = window.records.length;
  if (count === 0) return shrunk(history, priorBytes, options, at + 1);
  const own = ownEstimate(window, priorBytes, options);
  if (count >= enough) return own;
  const parent = shrunk(history, priorBytes, options, at + 1);
  return Math.max(own, (own * count + parent * (enough - count)) / enough);
}

/** What was made of a window, by what else it rests on: windows never change. */
const known = new WeakMap<PeakWindow, Map<string, number>>();

function ownEstimate(window: PeakWindow, priorBytes: number, options: EstimateOptions): number {
  const name = `${priorBytes} ${options.estimator} ${options.halfLifeRecords ?? ''}`;
  const made = known.get(window) ?? new Map<string, number>();
  known.set(window, made);
  const bytes = made.get(name) ?? makeEstimate(window, priorBytes, options);
  made.set(name, bytes);
  return bytes;
}

/** A step down may only lower the estimate and a step up only raise it: what it does to the decay must not do the opposite. */
function makeEstimate(
  window: PeakWindow,
  priorBytes: number,
  { estimator, halfLifeRecords }: EstimateOptions,
): number {
  const rule = ESTIMATORS[estimator];
  const whole = rule({ window, priorBytes, halfLifeRecords });
  const step = findStep(window);
  if (step === undefined) return whole;
  const since = rule({ window: step.window, priorBytes, halfLifeRecords });
  return step.direction === 'down' ? Math.min(whole, since) : Math.max(whole, since);
}

function coveredShare({ records }: PeakWindow, bytes: number): number {
  return records.filter((record) => neededBytes(record) <= bytes).length / Math.max(1, records.length);
}

function reasonOf(
  from: EstimateLevel,
  { total }: PeakWindow,
  sinceStep: number | undefined,
  estimator: EstimatorName,
  bytes: number,
  limitBytes: number | undefined,
): string {
  const runs = (count: number) => `${count} run${count === 1 ? '' : 's'}`;
  const whose = { stream: 'of this stream', kind: 'of this kind', tool: 'of this tool', all: 'of all' }[from];
  const words = ESTIMATOR_WORDS[estimator](`${runs(sinceStep ?? total)} ${whose}`);
  const since = sinceStep === undefined ? '' : ', since its need changed';
  const few = total < ENOUGH_RECORDS ? ', with the rest from what is alike' : '';
  const cut =
    limitBytes !== undefined && bytes >= limitBytes
      ? `; at most the limit of ${formatBytes(limitBytes)}`
      : '';
  return `${words}${since}${few}${cut}`;
}

/** What failed for want of memory gets at least half as much again. */
const RETRY_FACTOR = 1.5;

/**
 * What an attempt gets after one that ran out of memory: the largest peak ever seen of its like, a tenth above it, and in
 * any case half as much again as what did not suffice; never above the limit.
 */
export function estimateAfterFailure(
  history: PeakHistory,
  failedBytes: number,
  limitBytes: number | undefined,
): number {
  const like = LEVELS.map((level) => history[level]).find(({ records }) => records.length > 0);
  const largest = like?.records.reduce((most, record) => Math.max(most, record.peakBytes), 0) ?? 0;
  return Math.round(Math.min(Math.max(largest * 1.1, failedBytes * RETRY_FACTOR), limitBytes ?? Infinity));
}

/** Claimed against observed: of the attempts that had an estimate, how many stayed within it? */
export interface Calibration {
  readonly attempts: number;
  /** undefined without such attempts. */
  readonly withinShare: number | undefined;
}

/** What the estimates that attempts really had were worth. One that was stopped within its estimate tells nothing and is left out. */
export function calibrate(
  records: readonly (PeakRecord & { readonly estimateBytes: number | undefined })[],
): Calibration {
  const told = records.flatMap((record) => {
    const { estimateBytes, peakBytes, isCensored } = record;
    if (estimateBytes === undefined || (isCensored && peakBytes <= estimateBytes)) return [];
    return [peakBytes <= estimateBytes];
  });
  const within = told.filter(Boolean).length;
  return { attempts: told.length, withinShare: told.length === 0 ? undefined : within / told.length };
}
