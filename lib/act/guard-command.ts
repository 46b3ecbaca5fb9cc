/** How is one command guarded that runs in our place? Its terminal, signals and exit code are its own; its tree is watched. */
import type { MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { sampleIntervalMs, stopsAtOnce, type LimitRules } from '../policy/limit.ts';
import { addSample, isPssWorth, NO_USE, type UseSoFar } from '../policy/peak.ts';
import { pidsBelow } from '../policy/subtree.ts';
import { planTrees, sumTree } from '../policy/tree.ts';
import { tellKernel } from '../kernel-files.ts';
import { readExecutable } from '../probe/executable.ts';
import { readIdentity } from '../probe/identity.ts';
import { openTreeSampler, type SurveyedProcess, type TreeSample } from '../probe/sampler.ts';
import type { GroupHandle } from './ceiling-group.ts';
import { settleIn, type Ceilings } from './ceiling.ts';
import { runForeground, type ForegroundEnd } from './foreground.ts';
import { AgentGuard, type GuardDeed } from './guard.ts';
import { TAG_VARIABLE } from './local-engine.ts';
import { SubprocessGuard } from './subprocess-guard.ts';
import { openTreeStop, signalMembers, type TreeStop } from './signal-tree.ts';

export interface GuardCommandWorld {
  readonly words: readonly string[];
  readonly cwd: string;
  /** Must hold the tag under CLAUDE_PM_LEASE. */
  readonly env: NodeJS.ProcessEnv;
  readonly tag: string;
  readonly rules: LimitRules;
  /** Limits of each tool that the command starts, and of all; undefined: none. */
  readonly subprocess: Settings['subprocess'] | undefined;
  /** At most this long between two looks. */
  readonly mostMs: number;
  readonly graceMs: number;
  /** false: crossings are told, nothing is stopped. */
  readonly abort: boolean;
  /** The kernel group that it gets, which also lists those of its processes that nothing else leads to. */
  readonly ceilings: Ceilings;
  readonly readMemory: () => MemorySnapshot;
  readonly onStart: (pid: number) => void;
  readonly onDeed: (
    deed: GuardDeed,
    members: () => readonly (SurveyedProcess & { rssBytes: number })[],
    guard: AgentGuard,
  ) => void;
}

export interface GuardedEnd extends ForegroundEnd {
  readonly use: UseSoFar;
  readonly firstBytes: number | undefined;
  readonly durationMs: number;
  /** We stopped it. */
  readonly aborted: boolean;
  /** Processes it left behind, which were ended. */
  readonly remains: number;
  /** Processes that the kernel killed at the ceiling above the limit; undefined where it does not count them. */
  readonly ceilingKills: number | undefined;
}

/** How long KILL may take to be carried out. */
const AFTER_KILL_MS = 1000;
/** How often the kernel is asked who is in the group. */
const GROUP_MS = 1000;

/** Runs the command to its end and ends what it leaves behind where it was stopped. */
export async function guardCommand(world: GuardCommandWorld): Promise<GuardedEnd> {
  const { words, group } = wrap(world);
  const watch = new CommandWatch(world, group);
  const startedMs = Date.now();
  try {
    const end = await runForeground(words, {
      env: world.env,
      cwd: world.cwd,
      onStart: (pid) => {
        settleIn(pid, world.ceilings, { words, group }, world.words);
        watch.begin(pid);
        world.onStart(pid);
      },
    });
    const ceilingKills = group?.oomKills();
    const remains = watch.aborted ? await watch.endRemains() : 0;
    return {
      ...end,
      use: watch.use,
      firstBytes: watch.firstBytes,
      durationMs: Date.now() - startedMs,
      aborted: watch.aborted,
      remains,
      ceilingKills,
    };
  } finally {
    watch.close();
    if (group) giveBack(group, world.ceilings.home);
  }
}

/** The words that start it in its group. What is not there is started as it is: a shell would tell it in other words. */
function wrap({ words, ceilings, rules, tag, env, cwd }: GuardCommandWorld): {
  readonly words: readonly string[];
  readonly group: GroupHandle | undefined;
} {
  if (readExecutable(words[0] ?? '', env, cwd).kind === 'missing') return { words, group: undefined };
  return ceilings.wrap(words, { id: tag, limitBytes: rules.limitBytes, env });
}

/** A command that ended well may leave something running, as without a guard; that moves to our own group, and its group goes. */
function giveBack(group: GroupHandle, home: string | undefined): void {
  if (group.remove() || home === undefined) return;
  for (const pid of group.procs()) tellKernel(`${home}/cgroup.procs`, String(pid));
  group.remove();
}

class CommandWatch {
  readonly #world: GuardCommandWorld;
  readonly #group: GroupHandle | undefined;
  readonly #guard: AgentGuard;
  readonly #tools: SubprocessGuard | undefined;
  readonly #sampler = openTreeSampler({ tagName: TAG_VARIABLE, rules: { planTrees, sumTree } });
  #pid = 0;
  #startedMs = 0;
  #nextGroupMs = 0;
  #stop: TreeStop | undefined;
  #timer: NodeJS.Timeout | undefined;
  use: UseSoFar = NO_USE;
  firstBytes: number | undefined;

  constructor(world: GuardCommandWorld, group: GroupHandle | undefined) {
    this.#world = world;
    this.#group = group;
    this.#guard = new AgentGuard(world.rules, world.abort);
    this.#tools = world.subprocess && new SubprocessGuard(world.subprocess);
  }

  get aborted(): boolean {
    return this.#stop !== undefined;
  }

  begin(pid: number): void {
    this.#pid = pid;
    this.#startedMs = Date.now();
    this.#sampler.add(this.#world.tag, pid);
    this.#tick();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#sampler.close();
  }

  /** Ends what a stopped command left: members in other sessions outlive their parent. */
  async endRemains(): Promise<number> {
    clearTimeout(this.#timer);
    const first = this.#survey().length;
    const deadlineMs = Date.now() + this.#world.graceMs + AFTER_KILL_MS;
    while (this.#survey().length > 0 && Date.now() < deadlineMs) {
      this.#stop?.step(Date.now());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return first;
  }

  /** Every process of it now, those included that only its group leads to. */
  #survey(): SurveyedProcess[] {
    this.#sampler.adopt(this.#world.tag, this.#group?.procs() ?? []);
    return this.#sampler.survey(this.#world.tag);
  }

  #tick(): void {
    const { tag, rules, mostMs, readMemory } = this.#world;
    const nowMs = Date.now();
    if (nowMs >= this.#nextGroupMs) {
      this.#nextGroupMs = nowMs + GROUP_MS;
      this.#sampler.adopt(tag, this.#group?.procs() ?? []);
    }
    const sample = this.#sampler.sample(nowMs).get(tag);
    if (sample) this.#look(sample, nowMs);
    const headroomBytes = Math.min(
      readMemory().availableBytes,
      (rules.limitBytes ?? Infinity) - this.use.lastBytes,
      this.#tools?.headroomBytes ?? Infinity,
    );
    const sleepMs = sampleIntervalMs({
      headroomBytes,
      youngestMs: nowMs - this.#startedMs,
      mostMs: this.#stop ? Math.min(50, mostMs) : mostMs,
    });
    this.#timer = setTimeout(() => this.#tick(), sleepMs);
  }

  #look(sample: TreeSample, nowMs: number): void {
    const { abort, rules, tag } = this.#world;
    const { rssBytes, members } = sample;
    const pssBytes = isPssWorth(this.use, rssBytes, members.length) ? this.#sampler.pss(tag) : undefined;
    this.use = addSample(this.use, {
      atMs: nowMs,
      rssBytes,
      pssBytes,
      processes: members.length,
      ageMs: nowMs - this.#startedMs,
    });
    this.firstBytes ??= this.use.lastBytes;
    if (this.#stop) {
      if (stopsAtOnce(this.use.lastBytes, rules.limitBytes)) this.#stop.hasten(0, nowMs);
      this.#stop.step(nowMs);
      return;
    }
    const processes = members.map(({ rssBytes: residentBytes, ...member }) => ({ ...member, residentBytes }));
    const deed = this.#guard.look({
      atMs: nowMs,
      rootPid: this.#pid,
      bytes: this.use.lastBytes,
      processes,
      exactBytes: () => this.#sampler.pss(tag),
    });
    if (deed) this.#carryOut(deed, sample, nowMs);
    const look = {
      key: tag,
      rootPid: this.#pid,
      processes,
      isLeaving: this.aborted,
      exactBytes: (pids: ReadonlySet<number>) => this.#sampler.pss(tag, pids),
    };
    for (const one of this.#tools?.look([look], nowMs, abort) ?? [])
      if ('deed' in one) this.#carryOut(one.deed, sample, nowMs);
  }

  #carryOut(deed: GuardDeed, sample: TreeSample, nowMs: number): void {
    const { abort, graceMs, onDeed, tag } = this.#world;
    const { members } = sample;
    const stops = deed.deed !== 'tell' && abort;
    // Halted while the evidence is written, so that nothing grows meanwhile.
    if (stops) signalMembers(largestFirst(members), startTicksOf, 'SIGSTOP');
    onDeed(deed, () => this.#members(sample), this.#guard);
    if (!stops) return;
    if (deed.deed === 'stop-agent') {
      this.#stop = openTreeStop(() => this.#survey(), startTicksOf, graceMs, nowMs);
      this.#stop.step(nowMs);
      return;
    }
    this.#tools?.noteKilled(tag, deed.culprit, nowMs);
    const inside = pidsBelow(deed.culprit.pid, members);
    signalMembers(
      members.filter(({ pid }) => inside.has(pid)),
      startTicksOf,
      'SIGKILL',
    );
    signalMembers(members, startTicksOf, 'SIGCONT');
  }

  #members(sample: TreeSample): (SurveyedProcess & { rssBytes: number })[] {
    const rss = new Map(sample.members.map(({ pid, rssBytes }) => [pid, rssBytes]));
    return this.#survey().map((member) => ({ ...member, rssBytes: rss.get(member.pid) ?? 0 }));
  }
}

/** The growth is most likely in the largest, and each signal takes a moment. */
function largestFirst(members: TreeSample['members']): TreeSample['members'] {
  return [...members].sort((a, b) => b.rssBytes - a.rssBytes);
}

function startTicksOf(pid: number): number | undefined {
  return readIdentity(pid)?.startTicks;
}
