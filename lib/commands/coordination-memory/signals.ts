/** When shall a run stop? Ctrl-C, Ctrl-\, TERM and a closed terminal; through npx one Ctrl-C arrives twice. */

const SIGNALS = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const;
/** npx and the terminal both pass on one Ctrl-C: what comes this close after the first is the same wish. */
const SAME_WISH_MS = 400;

/** Calls `stop` once for each wish to stop; answers how to let go of the signals. */
export function takeSignals(stop: (signal: string) => void): () => void {
  let lastMs = -Infinity;
  const take = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    const same = nowMs - lastMs < SAME_WISH_MS;
    lastMs = nowMs;
    if (!same) stop(signal);
  };
  for (const signal of SIGNALS) process.on(signal, take);
  return () => {
    for (const signal of SIGNALS) process.off(signal, take);
  };
}
