/** How does a run reserve? Its leases in the machine-wide ledger, several decisions under one lock, changes written together. */
import type { AttemptView } from '../../act/engine.ts';
import type { Answered } from '../../act/runner.ts';
import { ensureDir } from '../../files.ts';
import { closeTicket, openTicket, type Liveness, type LockTicket } from '../../lock.ts';
import type { Lease, MemorySnapshot, ProcessIdentity, ProcessTable, Stream } from '../../model.ts';
import type { Settings } from '../../settings-model.ts';
import type { ModesOfRun, PlannedStream, RunEvent } from '../../run-model.ts';
import { admissionCapacity, decideAdmission, isForAll } from '../../policy/admission.ts';
import { decideAlone, waitInstead } from '../../policy/beside.ts';
import type { Budget, Capacity } from '../../policy/capacity.ts';
import { followMode, judgeMode } from '../../policy/mode.ts';
import type { CheckedLease } from '../../policy/charge.ts';
import { areApart } from '../../policy/queue.ts';
import { readProcessTable } from '../../probe/processes.ts';
import {
  ledgerLockPath,
  remember,
  updateLedger,
  withLease,
  withoutLeases,
  type Ledger,
} from '../../state/ledger.ts';
import { newLeaseId } from '../../state/lease-id.ts';
import { heldByBreaker } from '../../policy/breaker-answer.ts';
import { askBreaker, returnProbe } from '../breaker-gate.ts';
import { readIdleLeases } from '../idle-pool.ts';
import { checkLeases } from '../leases.ts';
import { asAsked, charged, lookAhead, requestOf, withCharges, type Own } from './run-charges.ts';
import type { RunForecast } from './run-forecast.ts';

interface RunLedgerOptions {
  readonly stateDir: string;
  readonly liveness: Liveness;
  readonly projectDir: string;
  readonly epic: string;
  readonly settings: Settings;
  readonly budget: Budget | undefined;
  readonly readMemory: () => MemorySnapshot;
  /** The lease of the agent that called the run; undefined: none did. */
  readonly within?: string | undefined;
  /** Memory by age; undefined: what was planned is reserved, from the start of an agent to its end. */
  readonly forecast?: RunForecast | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

/** Leases are renewed this often, for readers in other containers, which cannot see our processes. */
const RENEW_MS = 15_000;
/** Changes wait at most this long for an admission to be written with. */
const FLUSH_MS = 200;
/** A scan of all processes is good for this long: only leases of others need it. */
const TABLE_MS = 1000;

/** The leases of one run. */
export class RunLedger {
  readonly #options: RunLedgerOptions;
  readonly #started = new Map<string, ProcessIdentity>();
  readonly #released = new Set<string>();
  readonly #own = new Map<string, Own>();
  /** Some agent of this run had to run alone; most runs have none, and then nobody looks. */
  #hasAlone = false;
  #dirtySinceMs: number | undefined;
  /** Starts that find out for a half-open breaker. */
  readonly #probes = new Set<string>();
  #memoryEventMs: number | undefined;
  #ticket: LockTicket | undefined;
  #renewedMs = 0;
  /** The modes that its admissions went through; undefined: there was none yet. */
  modes: ModesOfRun | undefined;
  #modeEvent: RunEvent | undefined;
  #table: { readonly atMs: number; readonly table: ProcessTable } | undefined;

  constructor(options: RunLedgerOptions) {
    this.#options = options;
  }

  /** What our own agents hold, from the sampler: no second look at their processes. */
  noteViews(views: readonly AttemptView[]): void {
    const byKey = new Map(views.map((view) => [view.key, view]));
    for (const own of this.#own.values()) {
      const view = byKey.get(own.key);
      own.view = view;
      own.ended = view?.end !== undefined;
      own.privateBytes = view?.privateBytes ?? 0;
    }
  }

  /**
   * Reserves for as many candidates as fit and as the mode lets run side by side, in order; never for two that conflict, for
   * none beside one that must run alone, and for at most so many of this run at once.
   */
  admit(candidates: readonly PlannedStream[], nowMs: number, atMost = Infinity): Answered[] {
    const answers = this.#reserve(candidates, nowMs, atMost);
    // Whoever reads our output may be slow: nobody else waits for the ledger meanwhile.
    const told = this.#modeEvent;
    this.#modeEvent = undefined;
    if (told) this.#options.onEvent(told);
    return answers;
  }

  #reserve(candidates: readonly PlannedStream[], nowMs: number, atMost: number): Answered[] {
    const { stateDir, liveness, settings, budget, within, forecast } = this.#options;
    return this.#update((before) => {
      let ledger = this.#applyChanges(before, nowMs);
      let leases: readonly CheckedLease[] = this.#check(ledger, nowMs);
      const memory = this.#options.readMemory();
      const answers: Answered[] = [];
      const started: Stream[] = [];
      if (candidates.length === 0) return { ledger, answer: answers };
      this.#followMode(memory, before, nowMs);
      const breaker = { settings, memory, stateDir: () => stateDir, liveness: () => liveness };
      const first = newLeaseId();
      const gate = askBreaker(breaker, { id: first, owner: liveness.self });
      if (!gate.allowed) {
        const decision = heldByBreaker({ settings, memory, leases, budget, memoryOf: ledger }, gate);
        return { ledger, answer: candidates.slice(0, 1).map((planned) => ({ planned, tag: '', decision })) };
      }
      const outlook = settings.enabled
        ? lookAhead(forecast, candidates, this.#own, { settings, memory, leases, budget, within })
        : undefined;
      leases = charged(leases, outlook?.charges);
      let capacity: Capacity | undefined;
      for (const planned of candidates) {
        if (started.some((other) => areApart(other, planned.stream))) continue;
        const facts = { settings, memory, leases, budget, nowMs, memoryOf: ledger, within };
        const answer = outlook?.answers.get(planned.stream.key);
        const later = answer?.decision === 'wait' ? answer.reason : undefined;
        const narrow = this.#narrowReason(atMost) ?? later;
        const free =
          planned.alone === true
            ? decideAlone(facts, requestOf(planned), within)
            : decideAdmission(facts, requestOf(planned, answer), (capacity ??= admissionCapacity(facts)));
        const decision = narrow === undefined ? free : waitInstead(free, narrow);
        const tag = decision.decision !== 'admit' ? '' : started.length === 0 ? first : newLeaseId();
        answers.push({ planned, tag, decision: asAsked(decision, planned, answer) });
        ledger = remember(ledger, decision.memory);
        // Without a slot there is none for those behind it either.
        const isFull = this.#narrowReason(atMost) !== undefined;
        if (isFull || (decision.decision === 'wait' && isForAll(decision.binding))) break;
        if (decision.decision !== 'admit') continue;
        const lease = this.#lease(planned, tag, decision, nowMs);
        ledger = withLease(ledger, lease);
        leases = [...leases, { lease, life: 'live', treeBytes: undefined }];
        capacity = undefined;
        const { alone = false, stream } = planned;
        const own = { key: stream.key, planned, view: undefined, alone, ended: false, privateBytes: 0 };
        this.#own.set(tag, own);
        this.#hasAlone ||= alone;
        started.push(planned.stream);
        if (gate.probe) this.#probes.add(tag);
        // Half-open: one start finds out for the whole machine.
        if (gate.probe) break;
      }
      if (gate.probe && started.length === 0) returnProbe(breaker, first);
      if (started.length > 0 && outlook) ledger = withCharges(ledger, outlook.charges);
      return { ledger, answer: answers };
    });
  }

  /** Whether the breaker waits for the end of the start with this tag. */
  isProbe(tag: string): boolean {
    return this.#probes.has(tag);
  }

  /** Why nothing more of this run may start beside what runs of it; undefined: it may, if it fits. */
  #narrowReason(atMost: number): string | undefined {
    if (atMost === Infinity && !this.#hasAlone) return undefined;
    const running = [...this.#own.values()].filter(({ ended }) => !ended);
    const alone = running.find((own) => own.alone);
    if (alone) return `${alone.key} must run alone, and it is running`;
    return running.length < atMost
      ? undefined
      : `at most ${atMost} agents of this run at once, since memory ran out`;
  }

  /** The lease's process is known; where it was gone before it was seen, its end is seen at the next look, and until then the run answers for it. */
  started(
    tag: string,
    { pid, startTicks }: { readonly pid: number; readonly startTicks: number | undefined },
    nowMs: number,
  ): void {
    if (startTicks === undefined) return;
    // Our own child: of this boot and of our pid namespace.
    this.#started.set(tag, { ...this.#options.liveness.self, pid, startTicks });
    this.#dirtySinceMs ??= nowMs;
  }

  /** Nothing is left of it: the lease goes. */
  released(tag: string, nowMs: number): void {
    this.#released.add(tag);
    this.#own.delete(tag);
    this.#dirtySinceMs ??= nowMs;
  }

  /** The machine ran out of memory: until a start has proved safe, one at a time. */
  memoryEvent(nowMs: number): void {
    this.#memoryEventMs = nowMs;
    this.#dirtySinceMs ??= nowMs;
  }

  /** Writes what changed; `force` does not wait for an admission to write it with. */
  flush(nowMs: number, force = false): void {
    const isDue = this.#dirtySinceMs !== undefined && (force || nowMs - this.#dirtySinceMs >= FLUSH_MS);
    const isRenewal = this.#own.size > 0 && nowMs - this.#renewedMs >= RENEW_MS;
    if (!isDue && !isRenewal) return;
    this.#update((ledger) => ({ ledger: this.#applyChanges(ledger, nowMs), answer: undefined }));
  }

  /** Nothing more is reserved or given back. */
  close(): void {
    if (this.#ticket) closeTicket(this.#ticket);
    this.#ticket = undefined;
  }

  #update<T>(change: (ledger: Ledger) => { ledger: Ledger; answer: T }): T {
    const { stateDir, liveness } = this.#options;
    if (this.#ticket === undefined) {
      ensureDir(stateDir);
      this.#ticket = openTicket(ledgerLockPath(stateDir), liveness);
    }
    return updateLedger(stateDir, liveness, change, this.#ticket);
  }

  /** Notes a change of the mode; what runs is left alone. */
  #followMode({ availableBytes }: MemorySnapshot, { mode: last }: Ledger, atMs: number): void {
    const { settings } = this.#options;
    if (!settings.enabled) return;
    const { mode, reason } = judgeMode(availableBytes, settings.admission, last);
    const before = this.modes?.last ?? mode;
    this.modes = followMode(this.modes, mode);
    if (mode !== before) this.#modeEvent = { atMs, event: 'mode', mode, before, availableBytes, reason };
  }

  #lease(
    { stream, heapMb }: PlannedStream,
    tag: string,
    { estimateBytes, limitBytes }: Pick<Lease, 'estimateBytes' | 'limitBytes'>,
    nowMs: number,
  ): Lease {
    const { liveness, projectDir, epic } = this.#options;
    return {
      id: tag,
      role: 'agent',
      // Until its process is there, the run answers for it.
      owner: liveness.self,
      runner: liveness.self,
      project: projectDir,
      epic,
      key: stream.key,
      kind: stream.kind,
      estimateBytes,
      limitBytes,
      heapMb,
      baseBytes: 0,
      sinceMs: nowMs,
      expiresMs: undefined,
      renewedMs: nowMs,
      state: 'starting',
      peakBytes: undefined,
    };
  }

  #applyChanges(ledger: Ledger, nowMs: number): Ledger {
    const renew = nowMs - this.#renewedMs >= RENEW_MS;
    let next = withoutLeases(ledger, this.#released);
    if (this.#started.size > 0 || renew) {
      next = { ...next, leases: next.leases.map((lease) => this.#changed(lease, renew ? nowMs : undefined)) };
    }
    if (this.#memoryEventMs !== undefined) next = { ...next, lastMemoryEventMs: this.#memoryEventMs };
    this.#memoryEventMs = undefined;
    if (renew) this.#renewedMs = nowMs;
    this.#started.clear();
    this.#released.clear();
    this.#dirtySinceMs = undefined;
    return next;
  }

  #changed(lease: Lease, renewMs: number | undefined): Lease {
    const owner = this.#started.get(lease.id);
    const renewed =
      renewMs !== undefined && this.#own.has(lease.id) ? { ...lease, renewedMs: renewMs } : lease;
    return owner ? { ...renewed, owner, state: 'running' } : renewed;
  }

  /** Our own leases from what the sampler saw, others' from the kernel. */
  #check(ledger: Ledger, nowMs: number): CheckedLease[] {
    const others = ledger.leases.filter(({ id }) => !this.#own.has(id));
    const { liveness, stateDir } = this.#options;
    const idle = readIdleLeases(stateDir, others);
    const checked = checkLeases(others, liveness.isAlive, nowMs, () => this.#readTable(nowMs), idle);
    for (const lease of ledger.leases) {
      const own = this.#own.get(lease.id);
      if (own)
        checked.push({ lease, life: own.ended ? 'void-owner-dead' : 'live', treeBytes: own.privateBytes });
    }
    return checked;
  }

  #readTable(nowMs: number): ProcessTable {
    if (this.#table === undefined || nowMs - this.#table.atMs >= TABLE_MS) {
      this.#table = { atMs: nowMs, table: readProcessTable() };
    }
    return this.#table.table;
  }
}
