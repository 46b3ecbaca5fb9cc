/** What do the attempts of one wrapped command share? Signals, memory, the wait for a share, and the counters of failures. */
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { isOfTerminal, PASSED_ON } from '../../act/foreground.ts';
import { TAG_VARIABLE } from '../../act/local-engine.ts';
import { runWatched, type WatchedEnd } from '../../act/watched-child.ts';
import { EXIT } from '../../failure.ts';
import { flagDuration, flagText, type Call } from '../../flags.ts';
import type { MemorySnapshot } from '../../model.ts';
import { cleanText } from '../../names.ts';
import { classifyEnd, wasShort, type Finding } from '../../policy/cause.ts';
import {
  addFailure,
  decideRetry,
  NO_FAILURES,
  type AttemptNeeds,
  type Failures,
  type RetryDecision,
} from '../../policy/retry.ts';
import { readKernelOomKills } from '../../probe/kernel.ts';
import { readGroupOomKills } from '../../probe/oom-count.ts';
import { formatDuration } from '../../units.ts';
import { openMachineMemory, readMachineMemory, type Context } from '../context.ts';
import { recordAttempt } from '../record-attempt.ts';
import { attemptEnvironment, RETRY_TAG } from './attempt-env.ts';
import { mostEver, tryReserve, type Ask, type Held } from './reserve.ts';

/** These tell a program something; the others ask it to end. */
const MESSAGES: ReadonlySet<NodeJS.Signals> = new Set<NodeJS.Signals>(['SIGUSR1', 'SIGUSR2']);
const LONGEST_PAUSE_MS = 2000;

/** What lasts over the attempts of one call. */
export class Session {
  readonly #call: Call;
  readonly #context: Context;
  readonly #memory: { readonly read: () => MemorySnapshot; readonly close: () => void };
  /** Inside an agent of a run: its share is reserved already. */
  readonly #isNested: boolean;
  readonly #waitMs: number;
  readonly #timeoutMs: number | undefined;
  #child: ChildProcess | undefined;
  #wake: (() => void) | undefined;
  #signal: NodeJS.Signals | undefined;
  #failures: Failures = NO_FAILURES;

  constructor(call: Call, context: Context) {
    this.#call = call;
    this.#context = context;
    this.#memory = openMachineMemory(context.memory);
    this.#isNested = call.env[TAG_VARIABLE] !== undefined;
    this.#waitMs = flagDuration(call, 'wait') ?? Infinity;
    this.#timeoutMs = flagDuration(call, 'timeout');
  }

  close(): void {
    this.#memory.close();
  }

  /** A signal came: nothing more is tried. */
  isStopped(): boolean {
    return this.#signal !== undefined;
  }

  /** Signals go to the command, as in its place; and nothing is tried again after one that asks it to end. */
  takeSignals(): () => void {
    const atTerminal = isatty(0);
    const take = (signal: NodeJS.Signals): void => {
      // At a terminal Ctrl-C has gone to the whole foreground group already.
      if (!(atTerminal && isOfTerminal(signal))) this.#child?.kill(signal);
      if (MESSAGES.has(signal)) return;
      this.#signal ??= signal;
      this.#wake?.();
    };
    for (const signal of PASSED_ON) process.on(signal, take);
    return () => {
      for (const signal of PASSED_ON) process.off(signal, take);
    };
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
      if (this.isStopped()) done();
    });
  }

  /** The share, or the exit code where there is none. */
  async reserve(ask: Omit<Ask, 'key'>): Promise<Held | undefined | number> {
    if (this.#isNested) return undefined;
    const key = `retry ${basename(this.#call.rest[0] ?? '')} ${process.pid}`;
    const deadlineMs = Date.now() + this.#waitMs;
    let told: string | undefined;
    for (;;) {
      if (this.#signal !== undefined) return 128 + constants.signals[this.#signal];
      const reserved = tryReserve(this.#context, await readMachineMemory(), { ...ask, key });
      if ('held' in reserved) {
        if (reserved.held.warning !== undefined) this.#say(reserved.held.warning);
        return reserved.held;
      }
      const { decision } = reserved;
      if (decision.decision === 'refuse') {
        this.#say(`not started: ${decision.reason}`);
        return EXIT.critical;
      }
      if (Date.now() >= deadlineMs) {
        this.#say(`not started: ${decision.reason}; try again in ${formatDuration(decision.retryAfterMs)}`);
        return EXIT.later;
      }
      if (told !== decision.binding) this.#say(`waiting: ${decision.reason}`);
      told = decision.binding;
      await this.pause(
        Math.min(decision.retryAfterMs, LONGEST_PAUSE_MS, Math.max(1, deadlineMs - Date.now())),
      );
    }
  }

  async attempt(
    attempt: number,
    needs: AttemptNeeds,
    held: Held | undefined,
    mustBeAlone: boolean,
  ): Promise<{ end: WatchedEnd; finding: Finding; decision: RetryDecision }> {
    const { settings } = this.#context;
    const group = readGroupOomKills();
    const kernelKills = readKernelOomKills();
    const limitBytes = held ? held.limitBytes : needs.limitBytes;
    const tag = held?.lease.id ?? `${process.pid}-${attempt}`;
    let machineWasShort = false;
    let finding: Finding | undefined;
    try {
      const end = await runWatched(this.#call.rest, {
        env: attemptEnvironment(this.#call, settings, {
          attempt,
          tag,
          leaseId: held?.lease.id,
          heapMb: needs.heapMb,
          limitBytes,
        }),
        cwd: process.cwd(),
        tag,
        tagName: RETRY_TAG,
        limitBytes: settings.monitoringEnabled && settings.thresholds.abort ? limitBytes : undefined,
        timeoutMs: this.#timeoutMs,
        graceMs: settings.cleanupTimeoutMs,
        sampleIntervalMs: settings.thresholds.sampleIntervalMs,
        readMemory: () => this.#memory.read(),
        onStart: (child) => {
          this.#child = child;
          held?.started(child.pid);
          if (this.#signal !== undefined) child.kill(this.#signal);
        },
        onLook: (nowMs, memory) => {
          machineWasShort = wasShort(memory, settings.admission.floorBytes);
          held?.renew(nowMs);
        },
      });
      this.#child = undefined;
      const groupAfter = readGroupOomKills();
      finding = classifyEnd({
        ...end,
        ourAbort: end.abort ?? this.#interrupted(end),
        cgroup: group && {
          name: group.name,
          before: group.count,
          after: groupAfter?.count,
          isOwn: false,
          holdsLimit: false,
        },
        kernelKills: { before: kernelKills, after: readKernelOomKills() },
        machineWasShort,
        durationMs: end.endedMs - end.startedMs,
      });
      this.#record(needs, limitBytes, end, finding);
      this.#failures = addFailure(this.#failures, finding.cause);
      const atOnce = finding.cause === 'success' ? undefined : held?.liveAgents();
      const decision = decideRetry({
        cause: finding.cause,
        failures: this.#failures,
        needs: { ...needs, limitBytes },
        peakBytes: end.peakBytes,
        mostBytes: mostEver(this.#context, this.#memory.read()),
        atOnce,
        wasAlone: mustBeAlone,
        mustBeAlone,
        settings: settings.retry,
        retryOnMemoryLimit: settings.retryOnMemoryLimit,
        random: Math.random(),
      });
      return { end, finding, decision };
    } finally {
      const isMachines = finding?.cause === 'kernel-oom' || finding?.cause === 'our-machine';
      held?.release(
        isMachines ? `${basename(this.#call.rest[0] ?? '')}: ${finding?.evidence[0] ?? ''}` : undefined,
      );
    }
  }

  #record(
    { estimateBytes, heapMb }: AttemptNeeds,
    limitBytes: number | undefined,
    { use, startedMs, endedMs }: WatchedEnd,
    { cause }: Finding,
  ): void {
    const kind = flagText(this.#call, 'kind');
    const ended = { words: this.#call.rest, kind, cause, use, startedMs, endedMs };
    const given = { estimateBytes, limitBytes, heapMb };
    recordAttempt(this.#context, { ...ended, ...given }, (text) => this.#say(text));
  }

  /** A signal that was meant for us both is no crash of its own. */
  #interrupted({ exitCode, signal }: WatchedEnd): { kind: 'interrupt'; reason: string } | undefined {
    if (this.#signal === undefined || (exitCode === 0 && signal === undefined)) return undefined;
    return { kind: 'interrupt', reason: `${this.#signal} was passed on to it` };
  }

  tell(attempt: number, { cause, confidence, evidence }: Finding, decision: RetryDecision): void {
    this.#say(`attempt ${attempt} ended: ${cause} (${confidence}): ${evidence.join('; ')}`);
    if (this.#signal !== undefined) return;
    if (decision.decision === 'give-up') this.#say(`no further attempt: ${decision.reason}`);
    else this.#say(`attempt ${attempt + 1} in ${formatDuration(decision.afterMs)}: ${decision.reason}`);
  }

  #say(text: string): void {
    this.#call.err(`${this.#call.program}: ${cleanText(text, 1000)}`);
  }
}
