/** What is each agent of a run charged, and what does a stream that is to start ask for, by the forecast of what all of them still need? */
import type { AttemptView } from '../../act/engine.ts';
import type { MachineWorld } from '../../act/run-machine.ts';
import type { PlannedStream } from '../../run-model.ts';
import type { AdmissionDecision, AdmissionRequest } from '../../policy/admission.ts';
import type { CapacityFacts } from '../../policy/capacity.ts';
import type { CheckedLease } from '../../policy/charge.ts';
import type { ForecastAnswer } from '../../policy/outlook.ts';
import type { Ledger } from '../../state/ledger.ts';
import { isStated } from './plan-streams.ts';
import type { RunForecast } from './run-forecast.ts';

/** What the run itself knows of the agent behind a lease of its own. */
export interface Own {
  readonly key: string;
  readonly planned: PlannedStream;
  /** The last look at it. */
  view: AttemptView | undefined;
  /** Nobody may start beside it. */
  readonly alone: boolean;
  ended: boolean;
  privateBytes: number;
}

/** What the forecast says. */
export interface LookedAhead {
  /** Of streams that are to start, by key; none for those whose share is written. */
  readonly answers: ReadonlyMap<string, ForecastAnswer>;
  /** Of agents that run, by lease: what each is charged from now on; none: as before. */
  readonly charges: ReadonlyMap<string, number>;
}

/** What the forecast says of the candidates that it knows, and of our agents; undefined where it knows none of them. */
export function lookAhead(
  forecast: RunForecast | undefined,
  candidates: readonly PlannedStream[],
  agents: ReadonlyMap<string, Own>,
  facts: CapacityFacts,
): LookedAhead | undefined {
  if (forecast === undefined) return undefined;
  const own = [...agents].filter(([, { ended, planned }]) => !ended && forecast.knows(planned));
  const running = own.map(([, agent]) => agent);
  const slots = Math.max(1, facts.settings.maxConcurrentAgents - own.length);
  // With a place for one there is no need to know what the twenty behind it are.
  const next = candidates.slice(0, slots);
  const withoutCharges = (): CapacityFacts => ({
    ...facts,
    leases: charged(facts.leases, new Map(own.map(([id]) => [id, 0]))),
  });
  const short = next.every((planned) => forecast.knows(planned))
    ? forecast.inShort(facts, running, next.map(toStart), withoutCharges)
    : undefined;
  if (short) return { answers: new Map(short.map((answer) => [answer.key, answer])), charges: new Map() };
  const known = candidates.filter((planned) => forecast.knows(planned));
  if (known.length === 0) return undefined;
  const { answers, charges } = forecast.look(withoutCharges(), running, known.map(toStart));
  return {
    answers: new Map(answers.map((answer) => [answer.key, answer])),
    // At its limit it is stopped, whatever is expected of it.
    charges: new Map(
      own.map(([id, { key, planned }]) => [
        id,
        Math.min(charges.get(key) ?? 0, planned.limitBytes ?? Infinity),
      ]),
    ),
  };
}

function toStart(planned: PlannedStream): { planned: PlannedStream; view: undefined } {
  return { planned, view: undefined };
}

/** The leases with what each of these is charged now. */
export function charged(
  leases: readonly CheckedLease[],
  charges: ReadonlyMap<string, number> | undefined,
): readonly CheckedLease[] {
  if (charges === undefined || charges.size === 0) return leases;
  return leases.map((checked) => {
    const estimateBytes = charges.get(checked.lease.id);
    return estimateBytes === undefined ? checked : { ...checked, lease: { ...checked.lease, estimateBytes } };
  });
}

/** A charge that moved by less than this share of it is left as it is in the file. */
const WORTH_SHARE = 0.05;

/** The ledger with what each of these is charged now; the same object where nothing moved by much. */
export function withCharges(ledger: Ledger, charges: ReadonlyMap<string, number>): Ledger {
  const leases = ledger.leases.map((lease) => {
    const bytes = charges.get(lease.id) ?? lease.estimateBytes;
    const isSame = Math.abs(bytes - lease.estimateBytes) <= lease.estimateBytes * WORTH_SHARE;
    return isSame ? lease : { ...lease, estimateBytes: bytes };
  });
  return leases.some((lease, at) => lease !== ledger.leases[at]) ? { ...ledger, leases } : ledger;
}

/**
 * What it is expected to need, which is not what its lease is charged: that is all the room for one that runs alone, and what
 * the agents together need more with it than without where their needs by age are known.
 */
export function asAsked(
  decision: AdmissionDecision,
  { alone, estimateBytes, limitBytes }: PlannedStream,
  answer: ForecastAnswer | undefined,
): AdmissionDecision {
  if (decision.decision !== 'admit') return decision;
  if (alone === true) return { ...decision, estimateBytes: Math.min(estimateBytes, decision.estimateBytes) };
  if (answer === undefined) return decision;
  return { ...decision, estimateBytes: Math.min(answer.peakBytes, limitBytes ?? Infinity) };
}

/** What a planned stream asks of admission: what was planned or, with a forecast, what all need more with it than without. */
export function requestOf(planned: PlannedStream, answer?: ForecastAnswer): AdmissionRequest {
  const { estimateBytes, limitBytes } = planned;
  if (answer) {
    const atMost = Math.min(answer.marginalBytes, limitBytes ?? Infinity);
    return { estimateBytes: atMost, limitBytes, estimateIsStated: false };
  }
  return { estimateBytes, limitBytes, estimateIsStated: isStated(planned) };
}

/** What a run asks of the forecast besides admissions. */
export function expectations(
  forecast: RunForecast | undefined,
  planned: ReadonlyMap<string, PlannedStream>,
): Pick<MachineWorld, 'isForecast' | 'isExpectedToFit'> {
  return {
    isForecast: (key) => {
      const entry = planned.get(key);
      return entry !== undefined && forecast?.knows(entry) === true;
    },
    isExpectedToFit: (views, bytes) => {
      const agents = views.flatMap((view) => {
        const entry = planned.get(view.key);
        return entry ? [{ planned: entry, view }] : [];
      });
      return forecast?.fits(agents, bytes) ?? true;
    },
  };
}
