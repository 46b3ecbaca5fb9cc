/** What does a run leave on disk beside its joblog? Alerts and statistics of each agent, and lines of the epic's memory log. */
import { openAlertSender, type AlertSender } from '../../act/alert-sender.ts';
import type { Call } from '../../flags.ts';
import type { MemorySnapshot } from '../../model.ts';
import type { RunEvent } from '../../run-model.ts';
import { logLine } from '../../state/epic.ts';
import { openGuardLog, type GuardLog } from '../../state/guard-log.ts';
import type { GuardStats } from '../../state/guard-records.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';

/** Statistics wait at most this long for others to be written with. */
const STATS_MS = 1000;

/** Listens to a run's events. */
export class RunRecords {
  readonly #log: GuardLog;
  readonly #sender: AlertSender;
  readonly #paths: EpicPaths;
  readonly #readMemory: () => MemorySnapshot;
  readonly #timeoutMs: number;
  readonly #warnings = new Map<string, string[]>();
  #stats: GuardStats[] = [];
  #statsSinceMs: number | undefined;

  constructor(call: Call, context: Context, paths: EpicPaths, readMemory: () => MemorySnapshot) {
    const { alerts } = context.settings;
    this.#log = openGuardLog(paths.logsDir, context.liveness(), (text) =>
      call.err(`coordination-memory: ${text}`),
    );
    this.#sender = openAlertSender({
      settings: alerts,
      cwd: context.projectDir,
      env: call.env,
      note: (text) => this.#log.note('warning', text, Date.now()),
    });
    this.#paths = paths;
    this.#readMemory = readMemory;
    this.#timeoutMs = alerts.timeoutMs;
  }

  /** Writes down what is worth it; never throws for a log that cannot be written. */
  note(event: RunEvent): void {
    if (event.event === 'level') this.#level(event);
    if (event.event === 'stopping') {
      this.#log.note('warning', `${event.key} stopped: ${event.reason}`, event.atMs);
      logLine(this.#paths, `${event.key} stopped: ${event.reason}`, event.atMs);
    }
    if (event.event === 'retry') {
      const text = `${event.key} is tried again (attempt ${event.attempt}): ${event.reason}`;
      this.#log.note('warning', text, event.atMs);
      logLine(this.#paths, text, event.atMs);
    }
    if (event.event !== 'end') return;
    const { result } = event;
    this.#statsSinceMs ??= event.atMs;
    this.#stats.push({
      atMs: event.atMs,
      subprocessId: result.key,
      startBytes: undefined,
      peakBytes: result.peakBytes,
      endBytes: undefined,
      durationMs: result.endedMs - result.startedMs,
      warnings: this.#warnings.get(result.key) ?? [],
      aborted: result.outcome === 'killed-limit' || result.outcome === 'stopped',
    });
    this.#warnings.delete(result.key);
  }

  /** Writes the statistics of those that ended in the last second by one append: short streams end by the dozen. */
  flush(nowMs: number, force = false): void {
    if (this.#statsSinceMs === undefined || (!force && nowMs - this.#statsSinceMs < STATS_MS)) return;
    this.#log.stats(this.#stats);
    this.#stats = [];
    this.#statsSinceMs = undefined;
  }

  #level({ key, level, message, atMs }: Extract<RunEvent, { event: 'level' }>): void {
    this.#warnings.set(key, [...(this.#warnings.get(key) ?? []), message]);
    this.#sender.send(
      this.#log.alert({ atMs, level, subprocessId: key, message, memory: this.#readMemory() }),
    );
  }

  /** Waits for receivers of alerts at most their time limit. */
  async close(): Promise<void> {
    await this.#sender.drain(this.#timeoutMs);
  }
}
