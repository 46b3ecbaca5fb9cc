/** How did an agent's memory run over its life, in sixteen numbers? Kept in constant space while it runs. */
import type { ProfileSegment } from '../history-model.ts';

/** What a history keeps of one attempt. */
export const MOST_SEGMENTS = 16;

/** One look at an agent. */
export interface ProfileSample {
  /** Since its start; never less than the one before. */
  readonly atMs: number;
  readonly bytes: number;
}

/**
 * The profile with one more sample: what was seen holds since the look before. Where that makes a seventeenth segment the
 * two neighbours go together whose union claims least that was never used (each segment holds the most that was seen in
 * it).
 */
export function addToProfile(
  profile: readonly ProfileSegment[],
  { atMs, bytes }: ProfileSample,
): readonly ProfileSegment[] {
  const last = profile.at(-1);
  if (last && atMs <= last.untilMs) {
    return bytes <= last.bytes ? profile : [...profile.slice(0, -1), { untilMs: last.untilMs, bytes }];
  }
  const segment = { untilMs: atMs, bytes };
  if (last?.bytes === bytes) return [...profile.slice(0, -1), segment];
  const longer = [...profile, segment];
  return longer.length > MOST_SEGMENTS ? mergeCheapest(longer) : longer;
}

/** The profile of these samples, in order. A life that ended after its last sample is told by `endMs`. */
export function profileOf(samples: readonly ProfileSample[], endMs?: number): readonly ProfileSegment[] {
  const profile = samples.reduce<readonly ProfileSegment[]>(addToProfile, []);
  const last = profile.at(-1);
  return last && endMs !== undefined && endMs > last.untilMs
    ? [...profile.slice(0, -1), { untilMs: endMs, bytes: last.bytes }]
    : profile;
}

function mergeCheapest(profile: readonly ProfileSegment[]): readonly ProfileSegment[] {
  let at = 0;
  let least = Infinity;
  for (let next = 0; next + 1 < profile.length; next += 1) {
    const cost = mergeCost(profile, next);
    if (cost < least) {
      least = cost;
      at = next;
    }
  }
  const [one, other] = [profile[at], profile[at + 1]];
  if (!one || !other) return profile;
  const merged = { untilMs: other.untilMs, bytes: Math.max(one.bytes, other.bytes) };
  return [...profile.slice(0, at), merged, ...profile.slice(at + 2)];
}

/** Byte-milliseconds that the union of this segment and the next would claim beyond the two. */
function mergeCost(profile: readonly ProfileSegment[], at: number): number {
  const [one, other] = [profile[at], profile[at + 1]];
  if (!one || !other) return Infinity;
  const fromMs = profile[at - 1]?.untilMs ?? 0;
  const most = Math.max(one.bytes, other.bytes);
  return (most - one.bytes) * (one.untilMs - fromMs) + (most - other.bytes) * (other.untilMs - one.untilMs);
}

/** What the profile says it held at this age; beyond its end what it held last, 0 for an empty one. */
export function profileAt(profile: readonly ProfileSegment[], ageMs: number): number {
  for (const { untilMs, bytes } of profile) if (ageMs <= untilMs) return bytes;
  return profile.at(-1)?.bytes ?? 0;
}
