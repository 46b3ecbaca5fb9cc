/** How often was the prompt cache asked, and what did it answer? One byte for each event, appended without a lock; old hours are summed up. */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import { appendText, fileFacts, listDir, putAside, readText, removeFile, replaceFile } from '../files.ts';

/** What is counted, and its byte in the file. */
const LETTERS = {
  hits: 'h',
  misses: 'm',
  sets: 's',
  deletes: 'd',
  evictions: 'e',
  expired: 'x',
  refused: 'r',
  damaged: 'b',
} as const;

export type CacheEvent = keyof typeof LETTERS;
export type CacheCounts = Readonly<Record<CacheEvent, number>>;

const EVENTS = Object.keys(LETTERS) as readonly CacheEvent[];
const NO_COUNTS = Object.fromEntries(EVENTS.map((event) => [event, 0])) as CacheCounts;
const VERSION = 1;
const HOUR_MS = 3_600_000;
const PART = /^events-(\d{1,9})\.log$/;

interface Summed {
  readonly version: 1;
  /** Hours since 1970; their parts and all before them are in the counts, whether their files are gone or not. */
  readonly throughHour: number;
  readonly counts: CacheCounts;
}

/**
 * Counts an event, `times` times. An append of bytes needs no lock and is whole after a kill; a process that was halted for
 * more than an hour right before it loses its count.
 */
export function countEvent(dir: string, event: CacheEvent, nowMs: number, times = 1): void {
  if (times > 0) appendText(partPath(dir, hourOf(nowMs)), LETTERS[event].repeat(times));
}

/** All counts so far. @throws Failure (2) for a file of a newer version. */
export function loadCounts(dir: string): CacheCounts {
  const { throughHour, counts } = loadSummed(dir);
  return partsAfter(dir, throughHour).reduce((sum, { text }) => addLetters(sum, text), counts);
}

/** Adds up the parts of hours that are over, and removes them. Under the cache's lock. A kill between doubles nothing. */
export function sumCounts(dir: string, nowMs: number): void {
  const summed = loadSummed(dir);
  // Whoever found out the hour a moment ago may still append to the part before this one.
  const over = partsAfter(dir, summed.throughHour).filter(({ hour }) => hour < hourOf(nowMs) - 1);
  if (over.length > 0) {
    const counts = over.reduce((sum, { text }) => addLetters(sum, text), summed.counts);
    const throughHour = Math.max(...over.map(({ hour }) => hour));
    const next: Summed = { version: VERSION, throughHour, counts };
    replaceFile(summedPath(dir), `${JSON.stringify(next)}\n`);
    for (const { hour } of over) removeFile(partPath(dir, hour));
  }
  for (const hour of hoursIn(dir)) if (hour <= summed.throughHour) removeFile(partPath(dir, hour));
}

/** When expired entries were last swept; undefined where nobody did. */
export function readSwept(dir: string): number | undefined {
  return fileFacts(sweptPath(dir))?.modifiedMs;
}

/** Notes a sweep. */
export function noteSwept(dir: string, nowMs: number): void {
  replaceFile(sweptPath(dir), '', { times: { accessedMs: nowMs, modifiedMs: nowMs } });
}

/** Puts a damaged sum aside and answers where; undefined where it is whole. @throws Failure (2) for a file of a newer version. */
export function putDamagedSumAside(dir: string, nowMs: number): string | undefined {
  const text = readText(summedPath(dir));
  if (text === undefined || parseSummed(text, summedPath(dir)) !== undefined) return undefined;
  return putAside(summedPath(dir), nowMs);
}

function addLetters(counts: CacheCounts, text: string): CacheCounts {
  const found = new Map<string, number>();
  for (const letter of text) found.set(letter, (found.get(letter) ?? 0) + 1);
  return mapCounts((event) => counts[event] + (found.get(LETTERS[event]) ?? 0));
}

function mapCounts(count: (event: CacheEvent) => number): CacheCounts {
  return Object.fromEntries(EVENTS.map((event) => [event, count(event)])) as CacheCounts;
}

function partsAfter(dir: string, throughHour: number): { readonly hour: number; readonly text: string }[] {
  return hoursIn(dir)
    .filter((hour) => hour > throughHour)
    .map((hour) => ({ hour, text: readText(partPath(dir, hour)) ?? '' }));
}

function hoursIn(dir: string): number[] {
  return listDir(dir).flatMap((name) => {
    const hour = PART.exec(name)?.[1];
    return hour === undefined ? [] : [Number(hour)];
  });
}

function loadSummed(dir: string): Summed {
  const none: Summed = { version: VERSION, throughHour: -1, counts: NO_COUNTS };
  const text = readText(summedPath(dir));
  // What is damaged counts nothing until a sweep puts it aside: no answer of the cache rests on it.
  return text === undefined ? none : (parseSummed(text, summedPath(dir)) ?? none);
}

function parseSummed(text: string, path: string): Summed | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, throughHour, counts } = value as Record<string, unknown>;
  if (typeof version === 'number' && version > VERSION)
    throw new Failure(
      `${path} was written by a newer version (${version}, this one knows ${VERSION}): update this toolkit`,
      EXIT.mend,
    );
  if (version !== VERSION || typeof throughHour !== 'number') return undefined;
  if (typeof counts !== 'object' || counts === null) return undefined;
  const numbers = counts as Readonly<Record<string, unknown>>;
  const isWhole = EVENTS.every((event) => Number.isSafeInteger(numbers[event]));
  return isWhole ? { version, throughHour, counts: mapCounts((event) => Number(numbers[event])) } : undefined;
}

const hourOf = (nowMs: number): number => Math.floor(nowMs / HOUR_MS);
const partPath = (dir: string, hour: number): string => join(dir, `events-${hour}.log`);
const summedPath = (dir: string): string => join(dir, 'events.json');
const sweptPath = (dir: string): string => join(dir, 'swept');
