/** How do alerts get to those who want to know, without ever slowing the guard? */
import type { AlertRecord } from '../model.ts';
import type { AlertSettings } from '../settings-model.ts';
import { decideAlert, type SentTimes } from '../policy/alert.ts';
import { commandReceiver, webhookReceiver, type AlertReceiver } from './alert-receivers.ts';

export interface AlertCounts {
  /** Deliveries that succeeded; an alert for two receivers counts twice. */
  readonly delivered: number;
  readonly failed: number;
  /** Deliveries given up because too many were waiting, or because the sender was closed. */
  readonly dropped: number;
  /** Alerts that nobody was told of: below the least level, or one of this agent and level was sent within a minute. */
  readonly held: number;
}

export interface AlertSender {
  /** Returns at once and never throws; the work is done later. */
  readonly send: (alert: AlertRecord) => void;
  /**
   * Closes: waits for what is under way and waiting for at most this long, then gives it up and kills what still runs.
   * Without this call the process may end with alerts unsent, and lives at most one time limit longer.
   */
  readonly drain: (mostMs: number) => Promise<AlertCounts>;
  readonly counts: () => AlertCounts;
}

export interface SenderWorld {
  readonly settings: AlertSettings;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** A line for memory-monitor.log: a receiver's first failure, and a summary of failures at the end. */
  readonly note: (text: string) => void;
  /** A clock that only goes forward, milliseconds. */
  readonly now?: () => number;
}

/** Waiting deliveries of one receiver; the oldest gives way. */
const MOST_WAITING = 100;

/** From the end of one delivery to the next. Its connection is closed by then, so that a process that is done can end. */
const PAUSE_MS = 50;

/** A sender to the receivers of the settings; with none it does nothing. */
export function openAlertSender(world: SenderWorld): AlertSender {
  const { settings, now = () => performance.now() } = world;
  const mailboxes = receiversOf(world).map(
    (receiver) => new Mailbox(receiver, settings.timeoutMs, world.note),
  );
  let sent: SentTimes = new Map();
  let held = 0;
  let closed = mailboxes.length === 0;
  const sum = (name: 'delivered' | 'failed' | 'dropped'): number =>
    mailboxes.reduce((total, mailbox) => total + mailbox[name], 0);
  const counts = (): AlertCounts => ({
    delivered: sum('delivered'),
    failed: sum('failed'),
    dropped: sum('dropped'),
    held,
  });
  return {
    counts,
    send: (alert) => {
      if (closed) return;
      const decision = decideAlert(sent, alert, settings.minLevel, now());
      sent = decision.sent;
      if (decision.decision === 'hold') held += 1;
      else for (const mailbox of mailboxes) mailbox.put(alert);
    },
    drain: async (mostMs) => {
      if (closed) return counts();
      closed = true;
      await Promise.all(mailboxes.map((mailbox) => mailbox.close(mostMs)));
      const { delivered, failed, dropped } = counts();
      if (failed + dropped > 0)
        world.note(`alerts: ${delivered} delivered, ${failed} failed, ${dropped} given up`);
      return counts();
    },
  };
}

function receiversOf({ settings, cwd, env }: SenderWorld): AlertReceiver[] {
  const { webhook, command } = settings;
  return [
    ...(webhook === undefined ? [] : [webhookReceiver(webhook)]),
    ...(command.length === 0 ? [] : [commandReceiver(command, { cwd, env })]),
  ];
}

/** The deliveries to one receiver, one at a time and in order. */
class Mailbox {
  delivered = 0;
  failed = 0;
  dropped = 0;
  readonly #receiver: AlertReceiver;
  readonly #timeoutMs: number;
  readonly #note: (text: string) => void;
  readonly #waiting: AlertRecord[] = [];
  #underWay: AbortController | undefined;
  #isNoted = false;
  #isClosing = false;
  #onIdle: () => void = () => undefined;

  constructor(receiver: AlertReceiver, timeoutMs: number, note: (text: string) => void) {
    this.#receiver = receiver;
    this.#timeoutMs = timeoutMs;
    this.#note = note;
  }

  put(alert: AlertRecord): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#waiting.shift();
      this.dropped += 1;
    }
    this.#waiting.push(alert);
    this.#next(0);
  }

  /** Settles when nothing is under way any more, by itself or because its time was over. */
  async close(mostMs: number): Promise<void> {
    this.#isClosing = true;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    if (this.#underWay === undefined) return;
    const timer = setTimeout(() => {
      this.dropped += this.#waiting.length;
      this.#waiting.length = 0;
      this.#underWay?.abort();
    }, mostMs);
    await idle;
    clearTimeout(timer);
  }

  #next(pauseMs: number): void {
    if (this.#underWay !== undefined) return;
    const alert = this.#waiting.shift();
    if (alert === undefined) {
      this.#onIdle();
      return;
    }
    const stop = new AbortController();
    this.#underWay = stop;
    // Not now: the caller is in a hurry. Unreferenced: what only waits keeps no process alive.
    setTimeout(() => void this.#deliver(alert, stop), pauseMs).unref();
  }

  async #deliver(alert: AlertRecord, stop: AbortController): Promise<void> {
    const timer = setTimeout(() => stop.abort(), this.#timeoutMs).unref();
    try {
      await this.#receiver.deliver(alert, stop.signal);
      this.delivered += 1;
    } catch (error) {
      // Whatever goes wrong with a receiver, the guard goes on.
      this.failed += 1;
      this.#noteOnce(error);
    } finally {
      clearTimeout(timer);
    }
    this.#underWay = undefined;
    this.#next(this.#isClosing ? 0 : PAUSE_MS);
  }

  #noteOnce(error: unknown): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    const why = error instanceof Error ? error.message : 'failed';
    this.#note(`alerts: ${this.#receiver.name} ${why}; further failures are counted only`);
  }
}
