/** How are the answers of the prompt cache told? */
import type { ExitCode } from '../failure.ts';
import { hitShare } from '../policy/prompt-cache.ts';
import type { CacheSettings } from '../settings-model.ts';
import { formatBytes, formatShare, MIB } from '../units.ts';
import type { Answer } from './answer.ts';

/** `found: true` with the value `undefined` is an entry; `found: false` is none. */
export type CacheAnswer =
  | {
      readonly found: true;
      readonly value: Buffer | undefined;
      readonly createdMs: number;
      readonly expiresMs: number;
    }
  | { readonly found: false; readonly why: 'absent' | 'expired' | 'damaged' };

/** `bytes` are those of the whole file. */
export type SetAnswer =
  | {
      readonly stored: true;
      readonly bytes: number;
      readonly expiresMs: number;
      readonly evicted: number;
      readonly expired: number;
    }
  | { readonly stored: false; readonly bytes: number; readonly reason: string };

/** What removing entries came to: bytes of their files, as found right before each went. */
export interface Removed {
  readonly removed: number;
  readonly freedBytes: number;
  readonly left: number;
  readonly leftBytes: number;
}

/** What there is, and what was counted so far. */
export interface CacheStats {
  readonly entries: number;
  readonly bytes: number;
  /** Of the entries: past their time, and not swept yet. */
  readonly waitingToBeSwept: number;
  readonly hits: number;
  readonly misses: number;
  readonly sets: number;
  readonly deletes: number;
  readonly evictions: number;
  readonly expired: number;
  readonly refused: number;
  readonly damaged: number;
}

const MISSES = {
  absent: 'there is no entry under this key',
  expired: 'the entry under this key has expired',
  damaged: 'the entry under this key is damaged: it counts as none, and the next set replaces it',
} as const;

/** Why there is nothing, in one sentence. */
export function missSentence(why: keyof typeof MISSES): string {
  return MISSES[why];
}

/** The value as JSON: `encoding` is utf8, base64 for what is no text, or undefined for the value undefined. */
export function valueJson(found: CacheAnswer, nowMs: number): object {
  if (!found.found) return found;
  const { value, createdMs, expiresMs } = found;
  const text = value?.toString('utf8');
  const isText = value !== undefined && text !== undefined && Buffer.from(text).equals(value);
  return {
    found: true,
    value: isText ? text : value?.toString('base64'),
    encoding: value === undefined ? 'undefined' : isText ? 'utf8' : 'base64',
    ageMs: Math.max(0, nowMs - createdMs),
    leftMs: Math.max(0, expiresMs - nowMs),
  };
}

/** What came of a set; the key where it is text. */
export function setAnswer(
  view: SetAnswer,
  key: string | undefined,
  exitCode: ExitCode,
  talk: readonly string[],
): Answer {
  const common = [
    ['decision', view.stored ? 'stored' : 'refused'],
    ['key', key],
    ['bytes', view.bytes],
  ] as const;
  return {
    exitCode,
    json: { key, ...view },
    lines: view.stored
      ? [
          ...common,
          ['expires', new Date(view.expiresMs).toISOString()],
          ['evicted', view.evicted],
          ['expired', view.expired],
        ]
      : [...common, ['reason', view.reason]],
    table: () =>
      view.stored
        ? `${key ?? 'The key'} takes ${formatBytes(view.bytes)} with its header; ${view.evicted} entries went for it.`
        : `Refused: ${view.reason}; nothing else was touched.`,
    talk,
  };
}

/** How full it is and how well it has served. */
export function statsAnswer(
  view: CacheStats,
  limits: CacheSettings,
  exitCode: ExitCode,
  talk: readonly string[],
): Answer {
  const { entries, bytes, waitingToBeSwept, hits, misses } = view;
  const share = hitShare(view);
  const mb = (value: number): number => Math.round((value / MIB) * 1000) / 1000;
  return {
    exitCode,
    json: { ...view, hitShare: share, limits },
    lines: [
      ['entries', entries],
      ['max_entries', limits.maxEntries],
      ['size_bytes', bytes],
      ['size_mb', mb(bytes)],
      ['max_mb', mb(limits.maxBytes)],
      ['waiting_to_be_swept', waitingToBeSwept],
      ['hits', hits],
      ['misses', misses],
      ['hit_percent', share === undefined ? undefined : Math.round(share * 1000) / 10],
      ['sets', view.sets],
      ['deletes', view.deletes],
      ['evictions', view.evictions],
      ['expired', view.expired],
      ['refused', view.refused],
      ['damaged', view.damaged],
    ],
    table: () =>
      [
        `${entries} of ${limits.maxEntries} entries, ${formatBytes(bytes)} of ${formatBytes(limits.maxBytes)}; ${waitingToBeSwept} wait to be swept.`,
        `${hits} hits, ${misses} misses${share === undefined ? '' : ` (${formatShare(share)} hits)`}; ${view.sets} set, ${view.deletes} deleted, ${view.evictions} evicted, ${view.expired} expired, ${view.refused} refused, ${view.damaged} damaged.`,
      ].join('\n'),
    talk,
  };
}

/** What was removed; undefined: nothing was to be done at this level. */
export function removedAnswer(
  view: Removed | undefined,
  level: string | undefined,
  exitCode: ExitCode,
  talk: readonly string[],
): Answer {
  return {
    exitCode,
    json: { level, ...(view ?? { removed: 0, freedBytes: 0 }) },
    lines: [
      ['level', level],
      ['removed', view?.removed ?? 0],
      ['freed_bytes', view?.freedBytes ?? 0],
      ['left', view?.left],
      ['left_bytes', view?.leftBytes],
    ],
    table: () =>
      view === undefined
        ? `Level ${level ?? 'normal'}: nothing is dropped.`
        : `${view.removed} entries removed, ${formatBytes(view.freedBytes)} freed; ${view.left} are left with ${formatBytes(view.leftBytes)}.`,
    talk,
  };
}
