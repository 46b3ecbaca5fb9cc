/** What becomes of the agents when something of ours breaks? They are ended before it is told, since nobody else will. */
import type { Engine } from './engine.ts';

const LOOK_EVERY_MS = 50;
/** What lives this long after KILL cannot be killed now. */
const AFTER_KILL_MS = 2000;

/** Ends all attempts of an engine: TERM, after the grace KILL; comes back when nothing is left, or nothing more can be done. Answers of whom nothing is left. */
export async function endAll(engine: Engine, graceMs: number, now: () => number): Promise<string[]> {
  const deadlineMs = now() + graceMs + AFTER_KILL_MS;
  const left = new Set(engine.poll(now()).map(({ key }) => key));
  const gone: string[] = [];
  for (const key of left) engine.cancel(key, graceMs, now());
  while (left.size > 0 && now() < deadlineMs) {
    await engine.nextChange(LOOK_EVERY_MS);
    const nowMs = now();
    for (const view of engine.poll(nowMs, { full: true })) {
      if (view.end && engine.settle(view.key, 0, nowMs).settled && left.delete(view.key)) gone.push(view.key);
    }
  }
  return gone;
}
