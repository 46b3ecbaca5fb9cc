/** From the peaks of past attempts, how much does the next one need? A closed table of rules; each looks at one window of records. */

/** A past attempt as an estimate sees it; a `PastAttempt` of the history is one. */
export interface PeakRecord {
  readonly peakBytes: number;
  /** It was stopped, so it would have needed more than it was seen to hold. */
  readonly isCensored: boolean;
  readonly endedMs: number;
  readonly durationMs: number;
}

/** The newest attempts of one stream, kind or tool, oldest first. */
export interface PeakWindow {
  readonly records: readonly PeakRecord[];
  /** How many there ever were, those before the window too. */
  readonly total: number;
}

export const EMPTY_WINDOW: PeakWindow = { records: [], total: 0 };

/** So many of the newest records are enough: an older one would weigh less than a sixteenth of the newest. */
export const WINDOW_RECORDS = 256;

/** The window of all of these records, oldest first; `total`: how many there were before they were cut. */
export function peakWindow(records: readonly PeakRecord[], total = records.length): PeakWindow {
  return { records: records.slice(-WINDOW_RECORDS), total: Math.max(total, records.length) };
}

export type EstimatorName = 'p99' | 'vpa' | 'max' | 'tovar' | 'fixed';

export interface EstimatorFacts {
  /** Not empty, except for `fixed`. */
  readonly window: PeakWindow;
  /** What somebody configured: what `fixed` gives. */
  readonly priorBytes: number;
  /** After so many further records one counts half (default: 64). */
  readonly halfLifeRecords?: number | undefined;
}

/** Bytes, not rounded, for at least one record. */
export type Estimator = (facts: EstimatorFacts) => number;

/** Every estimator by its name in the settings. */
export const ESTIMATORS = {
  p99: ({ window, halfLifeRecords }) => weightedQuantile(window, 0.99, halfLifeRecords) * 1.05,
  vpa: ({ window }) => vpaTarget(window.records),
  max: ({ window }) => window.records.reduce((most, record) => Math.max(most, neededBytes(record)), 0) * 1.1,
  tovar: ({ window }) => firstAllocation(window.records),
  fixed: ({ priorBytes }) => priorBytes,
} satisfies Record<EstimatorName, Estimator>;

/** What each does, for people: `P99 of 214 runs × 1.05`. */
export const ESTIMATOR_WORDS = {
  p99: (runs) => `P99 of ${runs} × 1.05`,
  vpa: (runs) => `decaying P90 of ${runs} × 1.15`,
  max: (runs) => `the largest of ${runs} × 1.1`,
  tovar: (runs) => `first allocation of least waste over ${runs}`,
  fixed: () => 'the configured figure',
} satisfies Record<EstimatorName, (runs: string) => string>;

/** An attempt that was stopped would have needed at least a fifth more (VPA raises a container that ran out by as much). */
const CENSORED_FACTOR = 1.2;

/** What an attempt needed, as far as can be told, bytes. */
export function neededBytes({ peakBytes, isCensored }: PeakRecord): number {
  return isCensored ? peakBytes * CENSORED_FACTOR : peakBytes;
}

/** After so many further records one counts half. */
const HALF_LIFE_RECORDS = 64;

/**
 * The smallest peak above which at most 1 - share of all weight lies; the newest record weighs 1, each one before it a
 * little less. Records that have left the window count as lying below, so that one more record that is no larger than
 * the quantile never raises it.
 */
export function weightedQuantile(
  { records, total }: PeakWindow,
  share: number,
  halfLifeRecords: number = HALF_LIFE_RECORDS,
): number {
  const decay = 2 ** (-1 / halfLifeRecords);
  const ranked = records
    .map((record, at) => ({ bytes: neededBytes(record), weight: decay ** (records.length - 1 - at) }))
    .sort((a, b) => b.bytes - a.bytes);
  const all = (1 - decay ** Math.max(total, records.length)) / (1 - decay);
  let above = 0;
  for (const { bytes, weight } of ranked) {
    above += weight;
    if (above > (1 - share) * all) return bytes;
  }
  return ranked.at(-1)?.bytes ?? 0;
}

/**
 * The Vertical Pod Autoscaler's published constants: P90 of a histogram whose samples halve in 24 h, buckets that grow by
 * 5 % from a first one of 10 MB, a margin of 15 %. Its least of 250 MB a pod is a rule of clusters and left out.
 */
const VPA = {
  halfLifeMs: 86_400_000,
  firstBucketBytes: 1e7,
  growth: 1.05,
  share: 0.9,
  margin: 1.15,
} as const;

function vpaTarget(records: readonly PeakRecord[]): number {
  const newestMs = records.reduce((newest, { endedMs }) => Math.max(newest, endedMs), -Infinity);
  const weights = new Map<number, number>();
  let all = 0;
  for (const record of records) {
    const bucket = vpaBucket(neededBytes(record));
    const weight = 2 ** ((record.endedMs - newestMs) / VPA.halfLifeMs);
    weights.set(bucket, (weights.get(bucket) ?? 0) + weight);
    all += weight;
  }
  let below = 0;
  for (const [bucket, weight] of [...weights].sort(([a], [b]) => a - b)) {
    below += weight;
    if (below >= VPA.share * all) return vpaBucketEnd(bucket) * VPA.margin;
  }
  return 0;
}

function vpaBucket(bytes: number): number {
  if (bytes < VPA.firstBucketBytes) return 0;
  return Math.floor(Math.log((bytes * (VPA.growth - 1)) / VPA.firstBucketBytes + 1) / Math.log(VPA.growth));
}

/** Where the next bucket begins: VPA answers with the end of the bucket in which the percentile lies. */
function vpaBucketEnd(bucket: number): number {
  return (VPA.firstBucketBytes * (VPA.growth ** (bucket + 1) - 1)) / (VPA.growth - 1);
}

/**
 * The first allocation that wastes least in expectation if whoever outgrows it is started again with the largest peak
 * (Tovar et al., "A Job Sizing Strategy for High-Throughput Scientific Workflows", 2018): for each candidate a the sum of
 * a·t over all, and of largest·t over those above it; what they use is the same for every a.
 */
function firstAllocation(records: readonly PeakRecord[]): number {
  const ranked = records
    .map((record) => ({ bytes: neededBytes(record), ms: Math.max(1, record.durationMs) }))
    .sort((a, b) => b.bytes - a.bytes);
  const largest = ranked[0]?.bytes ?? 0;
  const allMs = ranked.reduce((sum, { ms }) => sum + ms, 0);
  let best = { bytes: largest, cost: Infinity };
  let aboveMs = 0;
  for (let at = 0; at < ranked.length; at += 1) {
    const bytes = ranked[at]?.bytes ?? 0;
    const cost = bytes * allMs + largest * aboveMs;
    if (cost < best.cost) best = { bytes, cost };
    aboveMs += ranked[at]?.ms ?? 0;
  }
  return best.bytes;
}
