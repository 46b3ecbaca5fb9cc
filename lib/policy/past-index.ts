/** Which past attempts tell about this stream, and what do they say of its memory and its time? */
import type { HistoryDay, HistoryTotal, PastAttempt } from '../history-model.ts';
import type { FeedbackSettings } from '../settings-model.ts';
import { estimatePeak, type EstimateOptions, type PeakEstimate, type PeakHistory } from './estimate.ts';
import { EMPTY_WINDOW, peakWindow, type PeakWindow } from './estimators.ts';

/** What streams are compared by. */
export interface Like {
  /** EPIC/ISSUE/STREAM; undefined: no certain stream. */
  readonly key: string | undefined;
  readonly kind: string;
  readonly tool: string;
}

export interface HistoryIndex {
  /** How many attempts of this source there ever were. */
  readonly total: number;
  /** Kinds with attempts, the most first. */
  readonly kinds: readonly { readonly kind: string; readonly total: number }[];
  /** The kept attempts of a kind, oldest first. */
  readonly ofKind: (kind: string) => readonly PastAttempt[];
  /** Of these the ones that tell what their kind needs. */
  readonly tellingOfKind: (kind: string) => readonly PastAttempt[];
  /** Earlier attempts at this very stream that tell what it needs, oldest first. */
  readonly ofStream: (like: Like) => readonly PastAttempt[];
  readonly days: readonly HistoryDay[];
  /** The windows that an estimate looks at. */
  readonly peaks: (like: Like) => PeakHistory;
  /** How long it will take; undefined where nothing like it got done. */
  readonly expectedMs: (like: Like) => number | undefined;
}

interface PastFacts {
  readonly attempts: readonly PastAttempt[];
  readonly totals: readonly HistoryTotal[];
  readonly days: readonly HistoryDay[];
}

/**
 * Whether an attempt tells what its like need. One that failed by itself may have done so before it had come to its work:
 * it counts where it took more than it was expected to, and lowers no estimate.
 */
export function tellsNeed({ cause, estimateBytes, isCensored, peakBytes }: PastAttempt): boolean {
  return cause === 'done' || isCensored || peakBytes > (estimateBytes ?? Infinity);
}

/** A stream that names no kind is of its tool's: "command" says nothing of what it needs. */
export function historyKind(kind: string, tool: string, unnamed: string): string {
  return kind === unnamed ? tool : kind;
}

/**
 * The attempts of one source by stream, kind and tool. Without `label`: our own, those of this machine's class if there are
 * any, else of all. With it: what was imported under it, which nobody else ever sees.
 */
export function indexHistory(
  { attempts, totals, days }: PastFacts,
  { machine, label, window }: { machine: string; label?: string | undefined; window: number },
): HistoryIndex {
  const own = attempts.filter((attempt) => attempt.label === label);
  const alike = label === undefined ? own.filter((attempt) => attempt.machine === machine) : own;
  const isAlike = alike.length > 0;
  const source = label === undefined ? machine : `label ${label}`;
  const chosen = isAlike ? alike : own;
  const counts = new Map<string, number>();
  const isChosen = (whose: string): boolean =>
    isAlike ? whose === source : label === undefined && !whose.startsWith('label ');
  for (const { source: whose, level, name, count } of totals) {
    if (isChosen(whose)) counts.set(`${level}\n${name}`, (counts.get(`${level}\n${name}`) ?? 0) + count);
  }
  const byKey = grouped(chosen, ({ key }) => key);
  const byKind = grouped(chosen, ({ kind }) => kind);
  const byTool = grouped(chosen, ({ command }) => command);
  const totalOf = (level: string, name: string): number => counts.get(`${level}\n${name}`) ?? 0;
  // A run asks for the same kind once for each of its streams.
  const views = new Map<string, PeakWindow>();
  const view = (level: string, name: string, found?: readonly PastAttempt[]): PeakWindow => {
    const known = views.get(`${level}\n${name}`) ?? makeView(level, name, found);
    views.set(`${level}\n${name}`, known);
    return known;
  };
  const makeView = (level: string, name: string, found: readonly PastAttempt[] = []): PeakWindow => {
    const telling = found.filter(tellsNeed);
    const total = totalOf(level, name) - (found.length - telling.length);
    return telling.length === 0 ? EMPTY_WINDOW : peakWindow(telling.slice(-window), total);
  };
  const ofStream = ({ key, kind, tool }: Like): readonly PastAttempt[] => {
    const found = key === undefined ? [] : (byKey.get(key) ?? []);
    // Another project may have a stream of the same name.
    return found.filter((attempt) => attempt.kind === kind && attempt.command === tool && tellsNeed(attempt));
  };
  return {
    total: totalOf('all', ''),
    kinds: [...byKind.keys()]
      .map((kind) => ({ kind, total: totalOf('kind', kind) }))
      .sort((a, b) => b.total - a.total || (a.kind < b.kind ? -1 : 1)),
    days: days.filter(({ source: whose }) => isChosen(whose)),
    ofKind: (kind) => byKind.get(kind) ?? [],
    tellingOfKind: (kind) => (byKind.get(kind) ?? []).filter(tellsNeed),
    ofStream,
    peaks: (like) => {
      const stream = ofStream(like);
      return {
        stream: stream.length === 0 ? EMPTY_WINDOW : peakWindow(stream),
        kind: view('kind', like.kind, byKind.get(like.kind)),
        tool: view('tool', like.tool, byTool.get(like.tool)),
        all: view('all', '', chosen),
      };
    },
    expectedMs: (like) => {
      const levels = [ofStream(like), byKind.get(like.kind) ?? [], byTool.get(like.tool) ?? []];
      return levels.map((level) => medianMs(level)).find((ms) => ms !== undefined);
    },
  };
}

/**
 * What it will need, from the attempts of its like; undefined where none of its stream, kind or tool is known. Everything
 * else on this machine may moderate an estimate, but says nothing of a tool that was never seen.
 */
export function estimateFromHistory(
  index: HistoryIndex,
  like: Like,
  facts: {
    readonly feedback: FeedbackSettings;
    readonly priorBytes: number;
    readonly limitBytes: number | undefined;
    /** Somebody wrote the figure for this kind: it says more than what other kinds need. */
    readonly isWritten: boolean;
  },
): PeakEstimate | undefined {
  const { feedback, isWritten, limitBytes, priorBytes } = facts;
  const peaks = ofKindAlone(index.peaks(like), isWritten);
  if (peaks.stream.records.length + peaks.kind.records.length + peaks.tool.records.length === 0)
    return undefined;
  const estimate = estimatePeak(peaks, priorBytes, { ...estimateRules(feedback), limitBytes });
  if (estimate.from === 'prior') return undefined;
  return { ...estimate, reason: reasonWords(estimate.reason, like, isWritten) };
}

/** The reason of an estimate with the names of what it is about. */
export function reasonWords(
  reason: string,
  { kind, tool }: Pick<Like, 'kind' | 'tool'>,
  isWritten: boolean,
): string {
  return reason
    .replace(' of this kind', ` of ${kind}`)
    .replace(' of this tool', ` of ${tool}`)
    .replace('from what is alike', isWritten ? 'from its kind and the written figure' : 'from what is alike');
}

/** Without what other kinds needed. */
export function ofKindAlone(peaks: PeakHistory, alone: boolean): PeakHistory {
  return alone ? { ...peaks, tool: EMPTY_WINDOW, all: EMPTY_WINDOW } : peaks;
}

/** The settings as the estimators take them. */
export function estimateRules({
  estimator,
  halfLifeAttempts,
  leastAttempts,
}: FeedbackSettings): Omit<EstimateOptions, 'limitBytes'> {
  return { estimator, halfLifeRecords: halfLifeAttempts, enoughRecords: leastAttempts };
}

const MOST_TIMES = 64;

/** Of the newest that got done. */
function medianMs(attempts: readonly PastAttempt[]): number | undefined {
  const times = attempts
    .filter(({ cause }) => cause === 'done')
    .slice(-MOST_TIMES)
    .map(({ durationMs }) => durationMs)
    .sort((a, b) => a - b);
  return times[times.length >> 1];
}

function grouped(
  attempts: readonly PastAttempt[],
  nameOf: (attempt: PastAttempt) => string,
): ReadonlyMap<string, readonly PastAttempt[]> {
  const groups = new Map<string, PastAttempt[]>();
  for (const attempt of attempts) {
    const name = nameOf(attempt);
    const group = groups.get(name);
    if (group) group.push(attempt);
    else groups.set(name, [attempt]);
  }
  return groups;
}
