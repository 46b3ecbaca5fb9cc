/** How does a run look while it goes on? A live table on a terminal: stream, state, memory now, peak and limit, time, and a bar. */
import type { PlannedStream, RunEvent } from '../run-model.ts';
import { formatBytes, formatDuration } from '../units.ts';
import { eventLine } from './run-lines.ts';
import { renderTable } from './table.ts';

/** What the table shows of one agent. */
export interface AgentRow {
  readonly key: string;
  readonly startedMs: number;
  readonly currentBytes: number;
  readonly peakBytes: number | undefined;
}

export interface LiveLook {
  readonly atMs: number;
  readonly agents: readonly AgentRow[];
  readonly stateOf: (key: string) => string;
  readonly limitOf: (key: string) => number | undefined;
  readonly waitingFor: string | undefined;
  readonly budgetBytes: number;
}

/** Drawn at most this often. */
const DRAW_MS = 250;
/** Rows of what still waits. */
const WAITING_ROWS = 5;

/** A live table over the lines of what happened. */
export class LiveTable {
  readonly #planned: readonly PlannedStream[];
  readonly #startedMs: number;
  /** What further attempts at streams that wait for one are to get. */
  readonly #retries = new Map<string, { readonly attempt: number; readonly estimateBytes: number }>();
  #drawnMs = 0;
  #drawing: Promise<void> = Promise.resolve();

  constructor(planned: readonly PlannedStream[], startedMs: number) {
    this.#planned = planned;
    this.#startedMs = startedMs;
  }

  /** Says what happened above the table: what went wrong stays to be read, starts and ends are in the table. */
  tell(event: RunEvent): void {
    if (event.event === 'retry') this.#retries.set(event.key, event);
    const quiet =
      event.event === 'start' ||
      event.event === 'wait' ||
      (event.event === 'end' && event.result.outcome === 'done');
    if (quiet) return;
    this.#queue(async () => (await import('log-update')).logUpdateStderr.clear());
    this.#queue(() => void process.stderr.write(`${eventLine(event)}\n`));
  }

  /** Draws the table if the last drawing is old enough. */
  draw(look: LiveLook): void {
    if (look.atMs - this.#drawnMs < DRAW_MS) return;
    this.#drawnMs = look.atMs;
    this.#queue(async () => {
      const { logUpdateStderr } = await import('log-update');
      logUpdateStderr(await this.#text(look));
    });
  }

  /** Takes the table away; the summary follows. */
  async close(): Promise<void> {
    this.#queue(async () => {
      const { logUpdateStderr } = await import('log-update');
      logUpdateStderr.clear();
      logUpdateStderr.done();
    });
    await this.#drawing;
  }

  #queue(deed: () => void | Promise<void>): void {
    this.#drawing = this.#drawing.then(deed);
  }

  async #text(look: LiveLook): Promise<string> {
    const short = (key: string): string => key.slice(key.indexOf('/') + 1);
    const byKey = new Map(look.agents.map((agent) => [agent.key, agent]));
    const running = this.#planned.filter(({ stream }) => byKey.has(stream.key));
    const waiting = this.#planned.filter(({ stream }) => look.stateOf(stream.key) === 'waiting');
    const rows = [
      ...running.map(({ stream }) => {
        const agent = byKey.get(stream.key);
        const limitBytes = look.limitOf(stream.key);
        return [
          short(stream.key),
          stream.title,
          'running',
          formatBytes(agent?.currentBytes ?? 0),
          agent?.peakBytes === undefined ? '-' : formatBytes(agent.peakBytes),
          limitBytes === undefined ? '-' : formatBytes(limitBytes),
          formatDuration(look.atMs - (agent?.startedMs ?? look.atMs)),
        ];
      }),
      ...waiting.slice(0, WAITING_ROWS).map(({ stream, estimateBytes }) => {
        const retry = this.#retries.get(stream.key);
        return [
          short(stream.key),
          stream.title,
          retry === undefined ? 'waiting' : `attempt ${retry.attempt}`,
          `(${formatBytes(retry?.estimateBytes ?? estimateBytes)})`,
          '',
          '',
          '',
        ];
      }),
    ];
    const usedBytes = look.agents.reduce((sum, { currentBytes }) => sum + currentBytes, 0);
    const over = this.#planned.length - waiting.length - running.length;
    return [
      await renderTable(['stream', 'title', 'state', 'memory', 'peak', 'limit', 'time'], rows),
      waiting.length > WAITING_ROWS ? `… and ${waiting.length - WAITING_ROWS} more wait` : '',
      `${bar(over / Math.max(1, this.#planned.length))} ${over} of ${this.#planned.length} · ${running.length} running, ${formatBytes(usedBytes)} of ${formatBytes(look.budgetBytes)} · ${formatDuration(look.atMs - this.#startedMs)}`,
      look.waitingFor === undefined ? '' : `waiting: ${look.waitingFor}`,
    ]
      .filter((line) => line !== '')
      .join('\n');
  }
}

const BAR_WIDTH = 30;

function bar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}]`;
}
