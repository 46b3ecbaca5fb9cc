/** What stays of a million attempts? The newest of each stream, kind and tool with their profiles, counts of all, and days. */
import type { HistoryDay, HistoryTotal, PastAttempt, ProfileSegment } from '../history-model.ts';
import { flat, unflat } from './history-line.ts';

/** What the aggregates hold; attempts oldest first. */
export interface Kept {
  readonly attempts: readonly PastAttempt[];
  readonly totals: readonly HistoryTotal[];
  readonly days: readonly HistoryDay[];
}

export const NOTHING_KEPT: Kept = { attempts: [], totals: [], days: [] };

/** Attempts of a kind, of a tool and of all that stay: what estimates look at, and some to see trends by. */
const PER_GROUP = 300;
/** Of one stream: it is run a few times, and there may be thousands of them. */
const PER_KEY = 8;
/** Attempts with a profile: of a kind, and of a stream. */
const PROFILES_PER_KIND = 100;
const PROFILES_PER_KEY = 2;
/** In all, so that the file stays a few megabytes whatever kinds and keys there are. */
const MOST_ATTEMPTS = 10_000;
const MOST_FOR_KEYS = 4000;
const MOST_TOTALS = 6000;
const MOST_DAYS = 4000;
const DAY_MS = 86_400_000;

/** Whose figures these are: those of a machine class, or what somebody imported under a label. */
export function sourceOf({ label, machine }: Pick<PastAttempt, 'label' | 'machine'>): string {
  return label === undefined ? machine : `label ${label}`;
}

/** The aggregates with these attempts, too. */
export function keep(before: Kept, fresh: readonly PastAttempt[]): Kept {
  return {
    attempts: newest([...before.attempts, ...fresh]),
    totals: countAll(before.totals, fresh),
    days: countDays(before.days, fresh),
  };
}

/** The aggregates with these attempts as they are, none left out: for readers. */
export function withFresh(before: Kept, fresh: readonly PastAttempt[]): Kept {
  if (fresh.length === 0) return before;
  return {
    attempts: [...before.attempts, ...fresh].sort((a, b) => a.endedMs - b.endedMs),
    totals: countAll(before.totals, fresh),
    days: countDays(before.days, fresh),
  };
}

/** Of attempts in any order the ones that stay, oldest first. Whoever ended last stays first. */
function newest(attempts: readonly PastAttempt[]): PastAttempt[] {
  const sorted = [...attempts].sort((a, b) => b.endedMs - a.endedMs);
  const seen = new Map<string, number>();
  const nth = (group: string): number => {
    const count = (seen.get(group) ?? 0) + 1;
    seen.set(group, count);
    return count;
  };
  const kept: PastAttempt[] = [];
  let forKeys = 0;
  for (const attempt of sorted) {
    if (kept.length >= MOST_ATTEMPTS) break;
    const source = sourceOf(attempt);
    const ofKind = nth(`${source}\nkind\n${attempt.kind}`);
    const ofTool = nth(`${source}\ntool\n${attempt.command}`);
    const ofKey = nth(`${source}\nkey\n${attempt.key}`);
    const ofAll = nth(source);
    const isWanted = Math.min(ofKind, ofTool, ofAll) <= PER_GROUP;
    if (!isWanted && (ofKey > PER_KEY || forKeys >= MOST_FOR_KEYS)) continue;
    if (!isWanted) forKeys += 1;
    const hasProfile = ofKind <= PROFILES_PER_KIND || ofKey <= PROFILES_PER_KEY;
    kept.push(hasProfile ? attempt : { ...attempt, profile: [] });
  }
  return kept.reverse();
}

function countAll(before: readonly HistoryTotal[], fresh: readonly PastAttempt[]): HistoryTotal[] {
  const nameOf = ({ source, level, name }: HistoryTotal): string => `${source}\n${level}\n${name}`;
  const totals = new Map(before.map((total) => [nameOf(total), total]));
  for (const attempt of fresh) {
    const source = sourceOf(attempt);
    for (const [level, name] of [
      ['stream', attempt.key],
      ['kind', attempt.kind],
      ['tool', attempt.command],
      ['all', ''],
    ] as const) {
      const one: HistoryTotal = { source, level, name, count: 1, lastMs: attempt.endedMs };
      const earlier = totals.get(nameOf(one));
      const lastMs = Math.max(one.lastMs, earlier?.lastMs ?? 0);
      totals.set(nameOf(one), { ...one, count: (earlier?.count ?? 0) + 1, lastMs });
    }
  }
  return youngest([...totals.values()], MOST_TOTALS, ({ lastMs }) => lastMs);
}

function countDays(before: readonly HistoryDay[], fresh: readonly PastAttempt[]): HistoryDay[] {
  const nameOf = ({ source, kind, dayMs }: HistoryDay): string => `${source}\n${kind}\n${dayMs}`;
  const days = new Map(before.map((day) => [nameOf(day), day]));
  for (const attempt of fresh) {
    const dayMs = Math.floor(attempt.endedMs / DAY_MS) * DAY_MS;
    const { kind, peakBytes, durationMs, isCensored } = attempt;
    const empty = { count: 0, largestBytes: 0, sumBytes: 0, sumMs: 0, censored: 0 };
    const one: HistoryDay = { source: sourceOf(attempt), kind, dayMs, ...empty };
    const day = days.get(nameOf(one)) ?? one;
    days.set(nameOf(one), {
      ...day,
      count: day.count + 1,
      largestBytes: Math.max(day.largestBytes, peakBytes),
      sumBytes: day.sumBytes + peakBytes,
      sumMs: day.sumMs + durationMs,
      censored: day.censored + (isCensored ? 1 : 0),
    });
  }
  return youngest([...days.values()], MOST_DAYS, ({ dayMs }) => dayMs);
}

function youngest<T>(rows: readonly T[], most: number, timeOf: (row: T) => number): T[] {
  if (rows.length <= most) return [...rows];
  return [...rows].sort((a, b) => timeOf(a) - timeOf(b)).slice(-most);
}

/** Fields that repeat are kept once, and an attempt names their place in the list. */
const SHARED = ['kind', 'command', 'label', 'cause', 'peakKind', 'machine'] as const;
const OWN = [
  'key', 'estimateBytes', 'limitBytes', 'heapMb', 'peakBytes', 'isCensored', 'averageBytes', 'peakAfterMs', 'endedMs', 'durationMs',
] as const; // prettier-ignore

/** As JSON, in which a million attempts come to a megabyte or two. */
export function encodeKept({ attempts, totals, days }: Kept): object {
  const words: string[] = [];
  const places = new Map<string, number>();
  const place = (word: string | undefined): number => {
    if (word === undefined) return -1;
    const known = places.get(word);
    if (known !== undefined) return known;
    places.set(word, words.length);
    return words.push(word) - 1;
  };
  const rows = attempts.map((attempt) => [
    ...SHARED.map((name) => place(attempt[name])),
    ...OWN.map((name) => attempt[name] ?? null),
    flat(attempt.profile).join(' '),
  ]);
  return {
    attempts: rows,
    totals: totals.map((t) => [place(t.source), t.level, t.name, t.count, t.lastMs]),
    days: days.map((d) => [
      place(d.source), place(d.kind), d.dayMs, d.count, d.largestBytes, d.sumBytes, d.sumMs, d.censored,
    ]), // prettier-ignore
    words,
  };
}

/** @throws Error that says what is wrong with the document. */
export function decodeKept(document: Readonly<Record<string, unknown>>): Kept {
  const words = list(document['words'], 'words');
  const word = (place: unknown): string | undefined => {
    if (place === -1) return undefined;
    const found = words[Number(place)];
    if (typeof found !== 'string') throw new Error('a word is missing');
    return found;
  };
  return {
    attempts: list(document['attempts'], 'attempts').map((row) =>
      decodeAttempt(list(row, 'a row'), word, number),
    ),
    totals: list(document['totals'], 'totals').map((row) => {
      const [source, level, name, count, lastMs] = list(row, 'a total');
      if (level !== 'stream' && level !== 'kind' && level !== 'tool' && level !== 'all')
        throw new Error('a total has no level');
      return { source: named(word(source)), level, name: String(name), count: number(count), lastMs: number(lastMs) };
    }), // prettier-ignore
    days: list(document['days'], 'days').map((row) => {
      const [source, kind, ...numbers] = list(row, 'a day');
      const [dayMs, count, largestBytes, sumBytes, sumMs, censored] = numbers.map(number);
      if (dayMs === undefined || count === undefined || largestBytes === undefined) throw new Error('a day is short');
      if (sumBytes === undefined || sumMs === undefined || censored === undefined) throw new Error('a day is short');
      const day = { dayMs, count, largestBytes, sumBytes, sumMs, censored };
      return { source: named(word(source)), kind: named(word(kind)), ...day };
    }), // prettier-ignore
  };
}

/**
 * Written by us and whole, or the file is damaged: each field is looked at once, since there are thousands of them. The
 * course is a text until somebody asks for it: most readers never do, and it is most of the file.
 */
function decodeAttempt(
  row: readonly unknown[],
  word: (place: unknown) => string | undefined,
  quantity: (value: unknown) => number,
): PastAttempt {
  const optional = (value: unknown): number | undefined => (value === null ? undefined : quantity(value));
  const peakKind = word(row[4]);
  const key = row[6];
  if (peakKind !== 'rss' && peakKind !== 'pss' && peakKind !== 'cgroup')
    throw new Error('a peak has no kind');
  const course = row[16];
  if (typeof key !== 'string') throw new Error('an attempt has no key');
  if (typeof course !== 'string') throw new Error('an attempt has no course');
  let profile: readonly ProfileSegment[] | undefined;
  return {
    key,
    kind: named(word(row[0])),
    command: named(word(row[1])),
    label: word(row[2]),
    cause: named(word(row[3])),
    peakKind,
    machine: named(word(row[5])),
    estimateBytes: optional(row[7]),
    limitBytes: optional(row[8]),
    heapMb: optional(row[9]),
    peakBytes: quantity(row[10]),
    isCensored: row[11] === true,
    averageBytes: optional(row[12]),
    peakAfterMs: optional(row[13]),
    endedMs: quantity(row[14]),
    durationMs: quantity(row[15]),
    get profile() {
      return (profile ??= segmentsOf(course));
    },
  };
}

function segmentsOf(course: string): readonly ProfileSegment[] {
  const numbers = course === '' ? [] : course.split(' ').map(Number);
  return unflat(numbers) ?? [];
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value;
}

function number(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error('a number is none');
  return value;
}

function named(word: string | undefined): string {
  if (word === undefined) throw new Error('a name is missing');
  return word;
}
