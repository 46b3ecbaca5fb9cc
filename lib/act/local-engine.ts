/** How do attempts run on this machine? As children of their own session, writing their output themselves, measured as trees. */
import { Failure } from '../failure.ts';
import type { GroupHandle } from './ceiling-group.ts';
import { openCeilings, type Ceilings } from './ceiling.ts';
import type { TreeProcess } from '../policy/culprit.ts';
import { addSample, averageBytes, isPssWorth, NO_USE, type UseSoFar } from '../policy/peak.ts';
import { pidsBelow } from '../policy/subtree.ts';
import { planTrees, sumTree } from '../policy/tree.ts';
import { readIdentity } from '../probe/identity.ts';
import { openTreeSampler, type TreeSample } from '../probe/sampler.ts';
import type { AttemptEnd, AttemptSpec, AttemptView, Engine, Worker } from './engine.ts';
import { launch, programOf } from './launch.ts';
import { OwnTime } from './own-time.ts';
import { openTreeStop, signalMembers, type TreeStop } from './signal-tree.ts';

/** The variable that marks every process of an attempt, children and grandchildren included. */
export const TAG_VARIABLE = 'CLAUDE_PM_LEASE';

const HISTORY_LENGTH = 32;
const STOP_STEP_MS = 50;
/**
 * A look at all processes finds members that nobody's child leads to. Where each agent has a group of its own, the kernel lists
 * them there for a fraction of that, and all processes are looked at more seldom, for who left the group.
 */
const FULL_MS = 1000;
const FULL_WITH_GROUPS_MS = 5000;

interface Attempt {
  readonly spec: AttemptSpec;
  readonly worker: Worker;
  readonly group: GroupHandle | undefined;
  readonly startedMs: number;
  readonly time: OwnTime;
  use: UseSoFar;
  sample: TreeSample | undefined;
  end: AttemptEnd | undefined;
  stop: TreeStop | undefined;
  nextStopMs: number;
  /** Members found by the last full look after its end; undefined: none was taken yet. */
  left: number | undefined;
  readonly history: { atMs: number; bytes: number }[];
}

/**
 * Opens the engine of this machine. `largestThatFits` is asked of the caller, who knows the budget. `findWorker` may know a
 * process that works on an attempt (an agent of a pool); otherwise one is started.
 */
export function openLocalEngine(
  largestThatFits: () => number,
  ceilings: Ceilings = openCeilings({ mode: 'off' }),
  findWorker: (spec: AttemptSpec) => Worker | undefined = () => undefined,
): Engine {
  const fullEveryMs = ceilings.kind.startsWith('cgroup') ? FULL_WITH_GROUPS_MS : FULL_MS;
  const sampler = openTreeSampler({
    tagName: TAG_VARIABLE,
    rules: { planTrees, sumTree },
    scanIntervalMs: fullEveryMs,
  });
  let nextGroupsMs = 0;
  const attempts = new Map<string, Attempt>();
  /** Groups that the kernel did not let go at once. */
  const stubborn: GroupHandle[] = [];
  let wake: (() => void) | undefined;

  const get = (key: string): Attempt => {
    const attempt = attempts.get(key);
    if (attempt === undefined) throw new Error(`no attempt at ${key} is known here`);
    return attempt;
  };
  const startTicksOf = (pid: number): number | undefined => readIdentity(pid)?.startTicks;

  const adoptMembers = (nowMs: number): void => {
    if (nowMs < nextGroupsMs) return;
    nextGroupsMs = nowMs + FULL_MS;
    for (const { spec, group, end } of attempts.values())
      if (group && !end) sampler.adopt(spec.tag, group.procs());
  };

  return {
    name: 'local',
    fullEveryMs,
    submit(spec, nowMs) {
      const found = findWorker(spec);
      const { worker, group } = found ? { worker: found, group: undefined } : startWorker(spec, ceilings);
      const attempt: Attempt = {
        spec,
        worker,
        group,
        startedMs: nowMs,
        time: new OwnTime(nowMs),
        use: NO_USE,
        sample: undefined,
        end: undefined,
        stop: undefined,
        nextStopMs: 0,
        left: undefined,
        history: [],
      };
      attempts.set(spec.key, attempt);
      sampler.add(worker.tag, worker.pid);
      worker.onEnd((exitCode, signal) => {
        // Nobody asks why one ended that ended well, and the answer takes three looks at the kernel's files.
        const ceilingKills = exitCode === 0 ? undefined : group?.oomKills();
        attempt.end = {
          atMs: Date.now(),
          exitCode,
          signal,
          startError: undefined,
          ceilingKills,
          ceilingReached: group && ceilingKills ? reachedCeiling(group) : undefined,
        };
        // It lives on for others: one that was halted after its last word would stand still for ever.
        if (worker.giveBack) signalMembers(processesOf(attempt), startTicksOf, 'SIGCONT');
        wake?.();
      });
      return { pid: worker.pid, startTicks: sampler.startOf(worker.tag) };
    },
    poll(nowMs, options = {}) {
      if (!options.asSeen) adoptMembers(nowMs);
      const samples = options.asSeen ? undefined : sampler.sample(nowMs, { full: options.full ?? false });
      return [...attempts.values()].map((attempt) => {
        const sample = samples ? samples.get(attempt.worker.tag) : attempt.sample;
        if (samples && sample && attempt.end === undefined) {
          const processes = sample.members.length;
          const pssBytes = isPssWorth(attempt.use, sample.rssBytes, processes)
            ? sampler.pss(attempt.worker.tag)
            : undefined;
          if (processes > 0)
            attempt.use = addSample(attempt.use, {
              atMs: nowMs,
              rssBytes: sample.rssBytes,
              pssBytes,
              processes,
              ageMs: attempt.time.ageMs(nowMs),
            });
          attempt.history.push({ atMs: nowMs, bytes: attempt.use.lastBytes });
          if (attempt.history.length > HISTORY_LENGTH) attempt.history.shift();
        }
        attempt.sample = sample;
        // Only a full look after its end can tell that nothing of it is left.
        if (attempt.end && options.full === true && nowMs >= attempt.end.atMs)
          attempt.left = sample?.members.length ?? 0;
        if (attempt.stop && nowMs >= attempt.nextStopMs && attempt.end === undefined)
          stepStop(attempt, nowMs);
        return view(attempt, nowMs);
      });
    },
    cancel(key, graceMs, nowMs) {
      beginStop(get(key), graceMs, nowMs);
      stepStop(get(key), nowMs);
    },
    settle(key, graceMs, nowMs) {
      const attempt = get(key);
      const { giveBack } = attempt.worker;
      if (giveBack) return giveBack() ? forget(attempt) : { settled: false, remains: 0, bytes: 0 };
      // The kernel lets an agent's group go only when nobody is left in it.
      if (attempt.left === undefined && attempt.end && attempt.group?.removeEmpty()) return forget(attempt);
      if (attempt.left === undefined) return { settled: false, remains: 0, bytes: 0 };
      if (attempt.left === 0) {
        const { group } = attempt;
        if (group?.remove() === false) {
          const outside = group.procs();
          if (outside.length > 0) {
            group.killAll();
            return { settled: false, remains: outside.length, bytes: group.currentBytes() ?? 0 };
          }
          stubborn.push(group);
        }
        return forget(attempt);
      }
      beginStop(attempt, graceMs, nowMs);
      if (nowMs >= attempt.nextStopMs) stepStop(attempt, nowMs);
      return { settled: false, remains: attempt.left, bytes: attempt.sample?.rssBytes ?? 0 };
    },
    killBelow(key, top) {
      const attempt = get(key);
      const known = new Map(processesOf(attempt).map((process) => [process.pid, process]));
      const members = sampler.survey(attempt.worker.tag);
      const inside = pidsBelow(
        top.pid,
        members.map(({ pid }) => ({ pid, parentPid: known.get(pid)?.parentPid ?? -1 })),
      );
      const isTop = members.some(({ pid, startTicks }) => pid === top.pid && startTicks === top.startTicks);
      if (!isTop) return 0;
      return signalMembers(
        members.filter(({ pid }) => inside.has(pid)),
        startTicksOf,
        'SIGKILL',
      );
    },
    processes: (key) => processesOf(get(key)),
    exactBytes: (key, pids) => sampler.pss(get(key).worker.tag, pids),
    suspend: (key, halted) => {
      get(key).time.halt(halted, Date.now());
      return signalMembers(processesOf(get(key)), startTicksOf, halted ? 'SIGSTOP' : 'SIGCONT');
    },
    survey: (key) => {
      const rss = new Map(get(key).sample?.members.map(({ pid, rssBytes }) => [pid, rssBytes]));
      return sampler
        .survey(get(key).worker.tag)
        .map((member) => ({ ...member, rssBytes: rss.get(member.pid) ?? 0 }));
    },
    history: (key) => get(key).history,
    nextChange: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(done, ms);
        wake = done;
        function done(): void {
          clearTimeout(timer);
          wake = undefined;
          resolve();
        }
      }),
    largestThatFits,
    close: () => {
      for (const group of stubborn) group.remove();
      sampler.close();
    },
  };

  function forget({ spec, worker }: Attempt): { settled: boolean; remains: number; bytes: number } {
    attempts.delete(spec.key);
    // A worker of the pool may be at its next attempt already: that one must go on being watched.
    const isAtWork =
      worker.giveBack && [...attempts.values()].some((other) => other.worker.tag === worker.tag);
    if (!isAtWork) sampler.remove(worker.tag);
    return { settled: true, remains: 0, bytes: 0 };
  }

  function beginStop(attempt: Attempt, graceMs: number, nowMs: number): void {
    attempt.stop ??= openTreeStop(() => sampler.survey(attempt.worker.tag), startTicksOf, graceMs, nowMs);
    attempt.stop.hasten(graceMs, nowMs);
  }

  function stepStop(attempt: Attempt, nowMs: number): void {
    attempt.nextStopMs = nowMs + STOP_STEP_MS;
    attempt.stop?.step(nowMs);
  }
}

/** The kernel charges pages in batches, so a group that was stopped at its ceiling may have been seen a little below it. */
const NEAR_CEILING = 0.95;

/** Whether a group in which the kernel killed had run into its own ceiling; if not, something around it had run out. */
function reachedCeiling({ ceilingBytes, peakBytes }: GroupHandle): boolean | undefined {
  const peak = peakBytes();
  if (ceilingBytes === undefined || peak === undefined) return undefined;
  return peak >= ceilingBytes * NEAR_CEILING;
}

/** A process of the attempt's own. @throws Failure where it cannot be started. */
function startWorker(
  spec: AttemptSpec,
  ceilings: Ceilings,
): { worker: Worker; group: GroupHandle | undefined } {
  const { child, group } = launch(spec, ceilings);
  const { pid } = child;
  if (pid === undefined) {
    group?.remove();
    throw new Failure(`${spec.key}: ${programOf(spec)} was not found, or may not be executed`);
  }
  const onEnd: Worker['onEnd'] = (tell) =>
    child.once('exit', (code, signal) => tell(code ?? undefined, signal ?? undefined));
  return { worker: { pid, tag: spec.tag, onEnd }, group };
}

function view(attempt: Attempt, nowMs: number): AttemptView {
  const { spec, worker, startedMs, use, sample, end } = attempt;
  return {
    key: spec.key,
    pid: worker.pid,
    startedMs,
    lookedMs: use.samples === 0 ? startedMs : use.lastMs,
    haltedMs: attempt.time.haltedMs(end?.atMs ?? nowMs),
    currentBytes: end ? 0 : use.lastBytes,
    privateBytes: end ? 0 : (sample?.privateBytes ?? 0),
    peakBytes: use.peakBytes,
    peakKind: use.peakKind,
    averageBytes: averageBytes(use),
    peakAfterMs: use.peakAtMs === undefined ? undefined : use.peakAtMs - startedMs,
    profile: () => use.profile,
    samples: use.samples,
    processes: sample?.members.length ?? 0,
    end,
  };
}

function processesOf(attempt: Attempt): TreeProcess[] {
  const members = attempt.sample?.members ?? [];
  return members.map(({ rssBytes, ...member }) => ({ ...member, residentBytes: rssBytes }));
}
