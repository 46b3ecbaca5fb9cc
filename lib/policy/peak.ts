/** What has this agent been at most, and on average? Sums over samples; when is the dearer, truer measure worth taking? */

import type { ProfileSegment } from '../history-model.ts';
import { addToProfile } from './profile.ts';

export interface UseSoFar {
  readonly peakBytes: number | undefined;
  readonly peakKind: 'rss' | 'pss' | undefined;
  /** When the peak was seen, epoch milliseconds. */
  readonly peakAtMs: number | undefined;
  /** Its course; empty where nobody said how old it was. */
  readonly profile: readonly ProfileSegment[];
  /** RSS when PSS was last taken, and PSS as a share of it: 1 until it was taken. */
  readonly pssTakenAtRss: number;
  readonly pssShare: number;
  readonly byteMs: number;
  readonly measuredMs: number;
  readonly samples: number;
  readonly lastMs: number;
  readonly lastBytes: number;
}

export const NO_USE: UseSoFar = {
  peakBytes: undefined,
  peakKind: undefined,
  peakAtMs: undefined,
  profile: [],
  pssTakenAtRss: 0,
  pssShare: 1,
  byteMs: 0,
  measuredMs: 0,
  samples: 0,
  lastMs: 0,
  lastBytes: 0,
};

/** RSS must have grown, or fallen, by this factor since PSS was last taken. */
const WORTH_FACTOR = 1.1;

/**
 * PSS costs 17 ms a GB, RSS microseconds: it is taken for trees with several processes, whose RSS counts shared pages
 * twice, when they have grown; also when they have shrunk, since what is left may share nothing.
 */
export function isPssWorth(use: UseSoFar, rssBytes: number, processes: number): boolean {
  const { pssTakenAtRss } = use;
  return (
    processes > 1 && (rssBytes > pssTakenAtRss * WORTH_FACTOR || rssBytes * WORTH_FACTOR < pssTakenAtRss)
  );
}

/**
 * The use with one more sample. Between two takings of PSS the tree's RSS is scaled by what PSS was of it; a single
 * process shares with nobody, whatever it was part of before (a shell that had a child and then became the agent).
 */
export function addSample(
  use: UseSoFar,
  sample: {
    atMs: number;
    rssBytes: number;
    pssBytes: number | undefined;
    processes?: number;
    /** Since its start. */
    ageMs?: number;
  },
): UseSoFar {
  const spanMs = use.samples === 0 ? 0 : Math.max(0, sample.atMs - use.lastMs);
  const pssShare =
    sample.pssBytes === undefined
      ? sample.processes === 1
        ? 1
        : use.pssShare
      : Math.min(1, sample.pssBytes / Math.max(1, sample.rssBytes));
  const bytes = Math.round(sample.pssBytes ?? sample.rssBytes * pssShare);
  const isPeak = bytes > (use.peakBytes ?? -1);
  return {
    peakBytes: isPeak ? bytes : use.peakBytes,
    peakKind: isPeak ? (pssShare === 1 && sample.pssBytes === undefined ? 'rss' : 'pss') : use.peakKind,
    peakAtMs: isPeak ? sample.atMs : use.peakAtMs,
    profile:
      sample.ageMs === undefined ? use.profile : addToProfile(use.profile, { atMs: sample.ageMs, bytes }),
    pssTakenAtRss:
      sample.pssBytes !== undefined ? sample.rssBytes : sample.processes === 1 ? 0 : use.pssTakenAtRss,
    pssShare,
    byteMs: use.byteMs + ((use.lastBytes + bytes) / 2) * spanMs,
    measuredMs: use.measuredMs + spanMs,
    samples: use.samples + 1,
    lastMs: sample.atMs,
    lastBytes: bytes,
  };
}

/** Time-weighted average; undefined without a sample. */
export function averageBytes(use: UseSoFar): number | undefined {
  if (use.samples === 0) return undefined;
  return Math.round(use.measuredMs > 0 ? use.byteMs / use.measuredMs : use.lastBytes);
}
