/** What will the agents of a run still need, and who may start beside them? From past runs, and from what this run has seen itself. */
import type { AttemptView } from '../../act/engine.ts';
import type { AttemptResult } from '../../model.ts';
import type { PlannedStream } from '../../run-model.ts';
import {
  boundOf,
  peakMoments,
  plusMoments,
  pooledBytes,
  rememberMost,
  rememberPeaks,
} from '../../policy/ample.ts';
import { judgeCapacity, type CapacityFacts } from '../../policy/capacity.ts';
import {
  compileRun,
  ENOUGH_RUNS,
  tellingRuns,
  type CompiledRun,
  type ForecastTask,
} from '../../policy/forecast.ts';
import {
  forecastAdmission,
  isExpectedToFit,
  type ForecastAnswer,
  type ForecastDecision,
} from '../../policy/outlook.ts';
import { knownRuns, OUR_RULES, withPrior } from '../../policy/our-rules.ts';
import type { Packing } from '../../policy/packing.ts';
import { compileNewest } from '../../policy/past-runs.ts';
import { historyKind, type HistoryIndex, type Like } from '../../policy/past-index.ts';
import { profileAt } from '../../policy/profile.ts';
import { COMMAND_KIND } from '../../state/drafts.ts';

/** An agent of the run, or (without a view) one that is to start. */
export interface ForecastAgent {
  readonly planned: PlannedStream;
  readonly view: AttemptView | undefined;
}

/** Runs of one kind that count: more of them change no forecast by much, and each costs time at every admission. */
const MOST_RUNS = 64;
const MOST_OF_STREAM = 8;
/** What has just ended tells more than what ran some other day, or was only told. */
const THIS_RUN_COUNTS = 3;
/** Younger than this nothing of it tells yet what it will become. */
const LEAST_AGE_MS = 50;
/** With room for the most that all were ever seen to hold, forecasts are made this often, for what others may have meanwhile. */
const AMPLE_MS = 5000;
/**
 * After a forecast, for this long an agent in it, what ends makes room by the peaks that are usual: short agents end every few
 * milliseconds, and a forecast takes a tenth of a millisecond an agent.
 */
const MOMENT_MS = 3;

/** What one that is to start adds, and whether it may. */
interface Need {
  readonly bytes: number;
  readonly starts: boolean;
}

/** A task of which the course does not matter. */
type Level = Omit<ForecastTask, 'halfBytes'>;

/** The forecasts of one run. */
export class RunForecast {
  readonly #index: HistoryIndex;
  /** Past runs by kind, those of this run last. */
  readonly #kinds = new Map<string, CompiledRun[]>();
  readonly #streams = new Map<string, CompiledRun[]>();
  /** For each kind the runs of all others; made anew when something was learned. */
  #others = new Map<string, CompiledRun[]>();
  /** The most that a stream was seen to hold in this run, by key. */
  readonly #seen = new Map<string, number>();
  readonly #mostOf = rememberMost();
  readonly #peaksOf = rememberPeaks();
  /** The last forecast: when, and what it expected of an agent of a kind that is to start. */
  #last: { readonly atMs: number; readonly peaks: ReadonlyMap<string, number> } | undefined;

  #packing: Packing | undefined;

  constructor(index: HistoryIndex) {
    this.#index = index;
    for (const { kind } of index.kinds) this.#runsOf(kind);
  }

  /** An attempt has ended: the rest of the run knows more. */
  learn(
    planned: PlannedStream,
    view: AttemptView | undefined,
    { isOverbooked, outcome, peakBytes = 0 }: AttemptResult,
  ): void {
    const key = planned.stream.key;
    this.#seen.set(key, Math.max(this.#seen.get(key) ?? 0, peakBytes));
    const run =
      view && compileRun({ profile: view.profile(), isCensored: outcome !== 'done' && outcome !== 'failed' });
    // One that failed by itself may have done so before it came to its work.
    if (run === undefined || outcome === 'failed') return;
    if (run.isCensored) this.#streams.set(key, tellingRuns([...this.#ofStream(planned), run]));
    // That it gave its place back says nothing of its like.
    if (isOverbooked === true) return;
    const kind = kindOf(planned);
    const counted = [...this.#runsOf(kind), ...Array<CompiledRun>(THIS_RUN_COUNTS).fill(run)];
    this.#kinds.set(kind, tellingRuns(counted).slice(-MOST_RUNS));
    this.#others = new Map();
  }

  /** Whether memory by age says what this agent needs: not where somebody wrote it for this very stream, or for its kind and nothing is known yet. */
  knows(planned: PlannedStream): boolean {
    if (planned.alone === true || planned.configuredFrom === 'stream') return false;
    if (planned.configuredFrom === 'prior') return true;
    return this.#runsOf(kindOf(planned)).length + this.#ofStream(planned).length > 0;
  }

  /**
   * Who of the candidates may start, and what each of the running ones is charged. Agents that are reserved for as it is
   * written are in the facts' leases; those of the forecast must have leases without an estimate there.
   */
  look(
    facts: CapacityFacts,
    running: readonly ForecastAgent[],
    candidates: readonly ForecastAgent[],
  ): ForecastDecision {
    const roomBytes = judgeCapacity(facts).rooms[0]?.headroomBytes ?? 0;
    const heldBytes = running.reduce((sum, { view }) => sum + (view?.privateBytes ?? 0), 0);
    const budgetBytes = Math.max(0, heldBytes + roomBytes);
    const priorBytes = Math.min(facts.settings.memoryPerAgentBytes, budgetBytes * OUR_RULES.priorShare);
    const oldestMs = running.reduce((most, { view }) => Math.max(most, view ? ageOf(view) : 0), LEAST_AGE_MS);
    const settings = { caution: OUR_RULES.caution, priorBytes };
    const { atMs } = facts.memory;
    const pools = new Map<readonly CompiledRun[], readonly CompiledRun[]>();
    const decision = forecastAdmission({
      running: running.map((agent) => this.#taskOf(agent)),
      candidates: candidates.map((agent) =>
        withPrior(this.#taskOf(agent), {
          priorBytes: writtenBytes(agent.planned) ?? priorBytes,
          oldestMs,
          pools,
        }),
      ),
      budgetBytes,
      settings,
      packing: this.#packing,
    });
    this.#packing = decision.packing;
    const peaks = decision.answers.map(({ peakBytes }, at): [string, number] => [
      candidates[at] ? kindOf(candidates[at].planned) : '',
      peakBytes,
    ]);
    this.#last = { atMs, peaks: new Map(peaks) };
    return decision;
  }

  /** Whether these are expected to stay within so much together, from now on. */
  fits(running: readonly ForecastAgent[], bytes: number): boolean {
    const settings = { caution: OUR_RULES.caution, priorBytes: bytes * OUR_RULES.priorShare };
    return isExpectedToFit(
      running.map((agent) => this.#taskOf(agent)),
      bytes,
      settings,
    );
  }

  /**
   * Answers that are made from so little that every start can pay for them, where a forecast takes some milliseconds: all that
   * may start fit with the most that was ever seen beside what everybody has been promised; or the last forecast was made a
   * moment ago, and whoever fits starts even if everybody had its usual peak at the same time. undefined: make a forecast.
   */
  inShort(
    facts: CapacityFacts,
    running: readonly ForecastAgent[],
    starting: readonly ForecastAgent[],
    withoutCharges: () => CapacityFacts,
  ): readonly ForecastAnswer[] | undefined {
    const last = this.#last;
    const { atMs } = facts.memory;
    if (last === undefined || atMs < last.atMs || atMs - last.atMs >= AMPLE_MS) return undefined;
    const levels = starting.map((agent) => this.#levelOf(agent));
    // As long as little is known, what is configured counts as well: the forecast says how much.
    if (levels.some(({ past }) => knownRuns(past) < ENOUGH_RUNS)) return undefined;
    const needs =
      this.#byMost(facts, running, levels) ??
      (atMs - last.atMs < MOMENT_MS * (running.length + levels.length)
        ? this.#byPeaks(withoutCharges(), running, levels)
        : undefined);
    return needs?.map(({ bytes, starts }, at): ForecastAnswer => {
      const agent = starting[at];
      return {
        key: levels[at]?.key ?? '',
        decision: starts ? 'start' : 'wait',
        marginalBytes: bytes,
        peakBytes: (agent && last.peaks.get(kindOf(agent.planned))) ?? bytes,
        reason: starts ? 'there is room for the peaks of all' : 'there is no room for the peaks of all',
      };
    });
  }

  #byMost(
    facts: CapacityFacts,
    running: readonly ForecastAgent[],
    levels: readonly Level[],
  ): Need[] | undefined {
    const { settings, memory } = facts;
    const roomBytes = judgeCapacity(facts).rooms[0]?.headroomBytes ?? 0;
    // What it would be if our own agents held as much as there is room for.
    const priorBytes = Math.min(settings.memoryPerAgentBytes, memory.totalBytes * OUR_RULES.priorShare);
    const rules = { caution: OUR_RULES.caution, priorBytes };
    const needs = levels.map((level) => ({
      bytes: Math.round(boundOf(level, this.#mostOf, rules)),
      starts: true,
    }));
    let neededBytes = needs.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const agent of running) {
      if (neededBytes > roomBytes) return undefined;
      neededBytes += boundOf(this.#levelOf(agent), this.#mostOf, rules) - (agent.view?.privateBytes ?? 0);
    }
    return neededBytes > roomBytes ? undefined : needs;
  }

  #byPeaks(facts: CapacityFacts, running: readonly ForecastAgent[], levels: readonly Level[]): Need[] {
    const heldBytes = running.reduce((sum, { view }) => sum + (view?.privateBytes ?? 0), 0);
    const roomBytes = heldBytes + (judgeCapacity(facts).rooms[0]?.headroomBytes ?? 0);
    let pool = running
      .map((agent) => peakMoments(this.#levelOf(agent), this.#peaksOf))
      .reduce(plusMoments, { mean: 0, square: 0, most: 0 });
    return levels.map((level) => {
      const before = pooledBytes(pool, OUR_RULES.caution);
      const more = plusMoments(pool, peakMoments(level, this.#peaksOf));
      const after = pooledBytes(more, OUR_RULES.caution);
      const starts = after <= roomBytes;
      if (starts) pool = more;
      return { bytes: Math.round(after - before), starts };
    });
  }

  #taskOf(agent: ForecastAgent): ForecastTask {
    const level = this.#levelOf(agent);
    const { ageMs } = level;
    const halfBytes =
      ageMs === 0 || agent.view === undefined ? 0 : profileAt(agent.view.profile(), ageMs / 2);
    return { ...level, halfBytes };
  }

  /** What can be said of it without its course. */
  #levelOf({ planned, view }: ForecastAgent): Level {
    const key = planned.stream.key;
    const kind = kindOf(planned);
    const past = { stream: this.#ofStream(planned), kind: this.#runsOf(kind), others: this.#othersOf(kind) };
    const ageMs = view === undefined ? 0 : ageOf(view);
    const seen = this.#seen.get(key) ?? 0;
    if (view === undefined || ageMs < LEAST_AGE_MS || view.samples === 0)
      return { key, ageMs: 0, currentBytes: view?.currentBytes ?? 0, peakBytes: seen, past };
    const peakBytes = Math.max(seen, view.peakBytes ?? 0);
    return { key, ageMs, currentBytes: view.currentBytes, peakBytes, past };
  }

  #runsOf(kind: string): CompiledRun[] {
    const known = this.#kinds.get(kind) ?? compileNewest(this.#index.tellingOfKind(kind), MOST_RUNS);
    this.#kinds.set(kind, known);
    return known;
  }

  #ofStream(planned: PlannedStream): CompiledRun[] {
    const { key } = planned.stream;
    const known =
      this.#streams.get(key) ?? compileNewest(this.#index.ofStream(likeOf(planned)), MOST_OF_STREAM);
    this.#streams.set(key, known);
    return known;
  }

  #othersOf(kind: string): CompiledRun[] {
    const known =
      this.#others.get(kind) ??
      [...this.#kinds].flatMap(([other, runs]) => (other === kind ? [] : runs)).slice(-MOST_RUNS);
    this.#others.set(kind, known);
    return known;
  }
}

/** Its own time at the last look. */
function ageOf({ haltedMs, lookedMs, startedMs }: AttemptView): number {
  return Math.max(0, lookedMs - startedMs - haltedMs);
}

/** What somebody wrote for its kind says more than a share of all there is. */
function writtenBytes({ configuredBytes, configuredFrom }: PlannedStream): number | undefined {
  return configuredFrom === 'kind' ? configuredBytes : undefined;
}

function kindOf({ stream, tool }: PlannedStream): string {
  return historyKind(stream.kind, tool, COMMAND_KIND);
}

function likeOf(planned: PlannedStream): Like {
  return { key: planned.stream.key, kind: kindOf(planned), tool: planned.tool };
}
