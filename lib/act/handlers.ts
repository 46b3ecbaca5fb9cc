/** What do the handlers of memory pressure do, and how much memory is there before and after each? */
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../units.ts';

/** How a handler ended: by itself (done, failed), at its time limit, or because the whole handling was to stop. */
export type HandlerStatus = 'done' | 'failed' | 'timeout' | 'stopped';

/** What a handler says of itself. */
export interface HandlerEnd {
  readonly isDone: boolean;
  /** One line: what it did, or why it failed. */
  readonly detail: string;
}

export interface Handler {
  readonly name: string;
  readonly timeoutMs: number;
  /** It may end processes, whose memory comes back only a while after they are seen to be gone. */
  readonly endsProcesses: boolean;
  /** Works until it is done or `signal` is aborted; after that it has END_MS to give everything back. */
  readonly run: (signal: AbortSignal) => Promise<HandlerEnd>;
}

export interface HandlerResult {
  readonly name: string;
  readonly status: HandlerStatus;
  /** Available memory of the machine right before and right after; the difference is not the handler's work alone. */
  readonly beforeBytes: number;
  readonly afterBytes: number;
  readonly tookMs: number;
  readonly detail: string;
}

/** How long a handler whose time is over may take to end its processes: TERM, a second, KILL, and the kernel's share. */
export const END_MS = 4000;

/**
 * Runs the handlers one after another and measures the machine before and after each. None stops the others, whether it
 * throws, fails or hangs; only `stop` does, and the rest are then left out.
 * @param readAvailable bytes available now; asked before each handler and again until it has settled after it.
 */
export async function runHandlers(
  handlers: readonly Handler[],
  readAvailable: () => number | Promise<number>,
  stop: AbortSignal,
): Promise<HandlerResult[]> {
  const results: HandlerResult[] = [];
  for (const handler of handlers) {
    if (stop.aborted) break;
    const beforeBytes = await readAvailable();
    const startMs = performance.now();
    const { status, detail } = await runOne(handler, stop);
    const tookMs = Math.round(performance.now() - startMs);
    const afterBytes = handler.endsProcesses ? await readSettled(readAvailable) : await readAvailable();
    results.push({ name: handler.name, status, beforeBytes, afterBytes, tookMs, detail });
  }
  return results;
}

/** Of 600 MB the first came back 40 to 110 ms after SIGKILL, the last after 160 to 310 ms, the process long a zombie. */
const SETTLE = { leastMs: 350, mostMs: 2000, stepMs: 50, growthBytes: 4 * MIB } as const;

/** Bytes available once they grow no more. */
export async function readSettled(readAvailable: () => number | Promise<number>): Promise<number> {
  const startMs = performance.now();
  for (let before = await readAvailable(); ;) {
    await sleep(SETTLE.stepMs);
    const now = await readAvailable();
    const tookMs = performance.now() - startMs;
    const isSettled = tookMs >= SETTLE.leastMs && now - before < SETTLE.growthBytes;
    if (isSettled || tookMs >= SETTLE.mostMs) return now;
    before = now;
  }
}

async function runOne(
  handler: Handler,
  stop: AbortSignal,
): Promise<Pick<HandlerResult, 'status' | 'detail'>> {
  const over = new AbortController();
  const settled = new AbortController();
  const timer = setTimeout(() => over.abort('timeout'), handler.timeoutMs);
  const onStop = (): void => over.abort('stopped');
  stop.addEventListener('abort', onStop, { once: true });
  const work = run(handler, over.signal);
  const lost = isAborted(over.signal, settled.signal).then(() =>
    sleep(END_MS, { isDone: false, detail: 'did not end' }, { signal: settled.signal, ref: true }),
  );
  // The race may be over before it is asked for.
  lost.catch(() => undefined);
  if (stop.aborted) onStop();
  try {
    const end = await Promise.race([work, lost]);
    if (!over.signal.aborted) return { status: end.isDone ? 'done' : 'failed', detail: end.detail };
    const isTimeout = over.signal.reason === 'timeout';
    const why = isTimeout ? `not done after ${handler.timeoutMs / 1000} s` : 'stopped';
    return { status: isTimeout ? 'timeout' : 'stopped', detail: `${why}; ${end.detail}` };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', onStop);
    settled.abort();
  }
}

/** A handler's own fault is its result: the others must run all the same. */
async function run(handler: Handler, signal: AbortSignal): Promise<HandlerEnd> {
  try {
    return await handler.run(signal);
  } catch (error) {
    return { isDone: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function isAborted(signal: AbortSignal, giveUp: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    giveUp.addEventListener('abort', () => reject(new Error('not needed any more')), { once: true });
  });
}
