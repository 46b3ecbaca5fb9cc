/** Which processes are there now? Asked again and again, it reads only those that may be new since the last time. */
import { readShortFile, unlessHidden } from './proc.ts';
import { listPids, readStat } from './processes.ts';
import type { StatFacts } from './stat.ts';

/** So often all are read: for what a process may change of itself (its name, its session). */
const WHOLE_MS = 10_000;

/**
 * Scans of all processes that follow one another. On a machine at rest reading one `stat` for each process was two thirds of
 * what the sampler took; a process that was there a second ago is still the same one unless its pid was given out again, and
 * pids are given out in ascending order, the last one being in /proc/loadavg (pid_alloc, idr_alloc_cyclic). What is not read
 * again keeps its figures; memory is none of those that a scan is for.
 */
export class ProcessScan {
  readonly #root: string;
  #known = new Map<number, StatFacts>();
  #lastPid: number | undefined;
  #wholeMs = -Infinity;

  constructor(root = '') {
    this.#root = root;
  }

  /** By pid; `whole` reads each one anew. Throws a Failure where no process can be listed. */
  read({ whole = false } = {}): Map<number, StatFacts> {
    // Before the list: what is given out between the two is not known, and so is read all the same.
    const lastPid = this.#readLastPid();
    const pids = listPids(this.#root);
    const there = new Set(pids);
    const nowMs = performance.now();
    const isWhole = whole || lastPid === undefined || nowMs - this.#wholeMs >= WHOLE_MS;
    if (isWhole) this.#wholeMs = nowMs;

    const table = new Map<number, StatFacts>();
    for (const pid of pids) {
      const known = isWhole ? undefined : this.#known.get(pid);
      const isSame = known && hasParent(known, there) && !this.#mayBeNew(pid, lastPid ?? pid);
      const facts = isSame ? known : readStat(pid, this.#root);
      if (facts) table.set(pid, facts);
    }
    this.#known = table;
    this.#lastPid = lastPid;
    return table;
  }

  /** Given out since the last scan; the numbers begin again after the highest. */
  #mayBeNew(pid: number, lastPid: number): boolean {
    const before = this.#lastPid;
    if (before === undefined) return true;
    return lastPid >= before ? pid > before && pid <= lastPid : pid > before || pid <= lastPid;
  }

  /** The pid that was given out last in our namespace; undefined where the kernel does not say. */
  #readLastPid(): number | undefined {
    const text = unlessHidden(() => readShortFile(`${this.#root}/proc/loadavg`));
    const match = text === undefined ? undefined : / (\d+)\s*$/.exec(text);
    return match ? Number(match[1]) : undefined;
  }
}

/** Its parent as it was known; one whose parent has ended has another one now. 0: nobody, or somebody outside our namespace. */
function hasParent({ parentPid }: StatFacts, there: ReadonlySet<number>): boolean {
  return parentPid === 0 || there.has(parentPid);
}
