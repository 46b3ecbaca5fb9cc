/** What is one agent still going to need, moment by moment, judged by the past runs that went most alike so far? */
import type { ProfileSegment } from '../history-model.ts';

/** A past run as the forecast reads it; made once from a profile. Times are milliseconds since its start. */
export interface CompiledRun {
  readonly untilMs: Float64Array;
  readonly bytes: Float64Array;
  readonly durationMs: number;
  readonly peakBytes: number;
  /** It was stopped: it would have gone on, and grown. */
  readonly isCensored: boolean;
}

/** Past runs, the closest first: of the same stream, of its kind, of anything else. */
export interface PastRuns {
  readonly stream: readonly CompiledRun[];
  readonly kind: readonly CompiledRun[];
  readonly others: readonly CompiledRun[];
}

/** An agent that runs, or (age 0) that is to start. */
export interface ForecastTask {
  readonly key: string;
  readonly ageMs: number;
  readonly currentBytes: number;
  /** The most it has been, in an earlier attempt too. */
  readonly peakBytes: number;
  /** What it held at half its age. */
  readonly halfBytes: number;
  readonly past: PastRuns;
}

/** Moments of what it will hold, for each cell of time between two offsets; and what the estimate rests on. */
export interface Future {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** Third central moment: a rare giant makes a long tail that a variance does not show. */
  readonly third: Float64Array;
}

/** Undefined for an empty profile: nothing was sampled. */
export function compileRun({
  profile,
  isCensored,
}: {
  readonly profile: readonly ProfileSegment[];
  readonly isCensored: boolean;
}): CompiledRun | undefined {
  const last = profile.at(-1);
  if (last === undefined) return undefined;
  return {
    untilMs: Float64Array.from(profile, ({ untilMs }) => untilMs),
    bytes: Float64Array.from(profile, ({ bytes }) => bytes),
    durationMs: last.untilMs,
    peakBytes: profile.reduce((most, { bytes }) => Math.max(most, bytes), 0),
    isCensored,
  };
}

/**
 * Without stopped runs that tell nothing: one that stayed below what another needed that came to its end says only that it had
 * not come that far.
 */
export function tellingRuns(runs: readonly CompiledRun[]): CompiledRun[] {
  const most = runs.reduce((peak, run) => (run.isCensored ? peak : Math.max(peak, run.peakBytes)), 0);
  return runs.filter(({ isCensored, peakBytes }) => !isCensored || peakBytes > most * SAME_PEAK);
}

/** Peaks are the same within this factor. */
const SAME_PEAK = 1.05;

/** Past and present are as far apart as the logarithms of what they held: 15 % count as the same. */
const BAND = 0.15;
/** A shell and its tools are alike whatever the task: differences below this do not tell. */
const OFFSET_BYTES = 20e6;
/** Where fewer are as close as that, the band widens to so many. */
const NEAREST = 5;
/** One that is less alike than this would not move a figure that anybody reads. */
const LEAST_LIKENESS = 0.003;
/** An earlier run of the very same stream counts this many times all the others together. */
const STREAM_WEIGHT = 20;
/** With so many runs a kind stands for itself; below, runs of other kinds make up the number. */
export const ENOUGH_RUNS = 10;
/** What was stopped would have needed at least a fifth more. */
export const CENSORED_FACTOR = 1.2;
/** Something unlike all that was seen: it goes on as long as it has lived, a quarter larger; it counts as this much of a run. */
export const UNSEEN = { weight: 0.3, factor: 1.25 } as const;

/**
 * The future of one agent. Each past run that lived longer than this one has is a candidate; it counts the more the closer
 * it was at this age and at half of it, and tells what comes next from its own level, moved to where the agent is now.
 * `offsetsMs`: increasing, from 0; a cell lies between two of them. `priorBytes`: what is expected of an agent of which
 * nothing at all is known (before anything was measured).
 */
export function futureOf(task: ForecastTask, offsetsMs: Float64Array, priorBytes: number): Future {
  const cells = offsetsMs.length - 1;
  const sums = {
    mean: new Float64Array(cells),
    variance: new Float64Array(cells),
    third: new Float64Array(cells),
  };
  let weight = 0;
  for (const { run, share } of weighCandidates(task)) {
    weight += share;
    addRun(sums, run, share, task, offsetsMs);
  }
  const unseen = weight === 0 ? 1 : UNSEEN.weight;
  const { stream, kind, others } = task.past;
  const isUnknown = stream.length + kind.length + others.length === 0;
  addUnseen(sums, unseen, task, offsetsMs, isUnknown ? priorBytes : 0);
  return centred(sums, weight + unseen);
}

/** The candidates with their weights. */
function weighCandidates(task: ForecastTask): { run: CompiledRun; share: number }[] {
  const { stream, kind, others } = task.past;
  // A stream that was done before is known by itself.
  const missing = Math.max(0, ENOUGH_RUNS - kind.length - stream.length * ENOUGH_RUNS);
  const pools: { runs: readonly CompiledRun[]; each: number }[] = [
    { runs: stream, each: (STREAM_WEIGHT * Math.max(ENOUGH_RUNS, kind.length)) / Math.max(1, stream.length) },
    { runs: kind, each: 1 },
    { runs: missing > 0 ? others : [], each: missing / Math.max(1, others.length) },
  ];
  let living = pools.flatMap(({ runs, each }) =>
    runs.filter((run) => run.isCensored || run.durationMs > task.ageMs).map((run) => ({ run, each })),
  );
  const asLarge = living.filter(
    ({ run }) => run.peakBytes * (run.isCensored ? CENSORED_FACTOR : SAME_PEAK) >= task.peakBytes,
  );
  if (asLarge.length >= NEAREST || (task.ageMs === 0 && asLarge.length > 0)) living = asLarge;
  if (task.ageMs === 0) return living.map(({ run, each }) => ({ run, share: each }));

  const distances = living.map(({ run }) => distance(run, task));
  const nearest = [...distances].sort((a, b) => a - b)[Math.min(NEAREST, distances.length) - 1] ?? 0;
  const band = Math.max(BAND, nearest);
  return living.flatMap(({ run, each }, at) => {
    const likeness = 1 / (1 + ((distances[at] ?? 0) / band) ** 4);
    return likeness < LEAST_LIKENESS ? [] : [{ run, share: each * likeness }];
  });
}

function distance(run: CompiledRun, { ageMs, currentBytes, halfBytes }: ForecastTask): number {
  const now = Math.log((heldAt(run, ageMs) + OFFSET_BYTES) / (currentBytes + OFFSET_BYTES));
  const half = Math.log((heldAt(run, ageMs / 2) + OFFSET_BYTES) / (halfBytes + OFFSET_BYTES));
  return Math.abs(now) + Math.abs(half);
}

/** What a past run held at this age; after its end what it held last. */
export function heldAt({ untilMs, bytes }: CompiledRun, ageMs: number): number {
  for (let at = 0; at < untilMs.length; at += 1) if (ageMs <= (untilMs[at] ?? 0)) return bytes[at] ?? 0;
  return bytes[bytes.length - 1] ?? 0;
}

/** How long these took on average; 0 for none. */
export function usualMs(runs: readonly CompiledRun[]): number {
  return runs.reduce((sum, { durationMs }) => sum + durationMs, 0) / Math.max(1, runs.length);
}

type Sums = Future;

function addValue({ mean, variance, third }: Sums, cell: number, weight: number, bytes: number): void {
  mean[cell] = (mean[cell] ?? 0) + weight * bytes;
  variance[cell] = (variance[cell] ?? 0) + weight * bytes * bytes;
  third[cell] = (third[cell] ?? 0) + weight * bytes * bytes * bytes;
}

/** What follows in this run, moved by how much more the agent holds now. A stopped run goes on as long again, a fifth larger. */
function addRun(
  sums: Sums,
  run: CompiledRun,
  weight: number,
  task: ForecastTask,
  offsetsMs: Float64Array,
): void {
  const { ageMs, currentBytes } = task;
  const { untilMs, bytes, durationMs, peakBytes, isCensored } = run;
  const shift = ageMs === 0 ? 0 : currentBytes - heldAt(run, ageMs);
  const beyond = isCensored ? Math.max(currentBytes, (peakBytes + Math.max(0, shift)) * CENSORED_FACTOR) : 0;
  let at = 0;
  for (let cell = 0; cell < sums.mean.length; cell += 1) {
    const fromMs = ageMs + (offsetsMs[cell] ?? 0);
    const toMs = ageMs + (offsetsMs[cell + 1] ?? 0);
    if (fromMs >= durationMs) {
      if (beyond > 0 && fromMs < 2 * durationMs) addValue(sums, cell, weight, beyond);
      continue;
    }
    while (at < untilMs.length - 1 && (untilMs[at] ?? 0) <= fromMs) at += 1;
    let most = bytes[at] ?? 0;
    for (let next = at + 1; next < untilMs.length && (untilMs[next - 1] ?? 0) < toMs; next += 1)
      most = Math.max(most, bytes[next] ?? 0);
    // What comes beyond its end is told from where the agent is now already.
    addValue(sums, cell, weight, Math.max(0, most + shift, toMs > durationMs ? beyond : 0));
  }
}

/** One that is unlike all that was seen. */
function addUnseen(
  sums: Sums,
  weight: number,
  { ageMs, currentBytes, peakBytes }: ForecastTask,
  offsetsMs: Float64Array,
  priorBytes: number,
): void {
  const bytes = Math.max(Math.max(currentBytes, peakBytes) * UNSEEN.factor, priorBytes);
  for (let cell = 0; cell < sums.mean.length; cell += 1) {
    if (ageMs === 0 || (offsetsMs[cell] ?? 0) <= ageMs) addValue(sums, cell, weight, bytes);
  }
}

function centred({ mean, variance, third }: Sums, weight: number): Future {
  for (let cell = 0; cell < mean.length; cell += 1) {
    const m = (mean[cell] ?? 0) / weight;
    const square = (variance[cell] ?? 0) / weight;
    const cube = (third[cell] ?? 0) / weight;
    mean[cell] = m;
    variance[cell] = Math.max(0, square - m * m);
    third[cell] = cube - 3 * m * square + 2 * m * m * m;
  }
  return { mean, variance, third };
}
