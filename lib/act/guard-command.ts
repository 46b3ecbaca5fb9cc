/** How is one command guarded that runs in our place? Its terminal, signals and exit code are its own; its tree is watched. */
import type { MemorySnapshot } from '../model.ts';
import type { Settings } from '../settings-model.ts';
import { sampleIntervalMs, stopsAtOnce, type LimitRules } from '../policy/limit.ts';
import { addSample, isPssWorth, NO_USE, type UseSoFar } from '../policy/peak.ts';
import { pidsBelow } from '../policy/subtree.ts';
import { planTrees, sumTree } from '../policy/tree.ts';
import { readIdentity } from '../probe/identity.ts';
import { openTreeSampler, type SurveyedProcess, type TreeSample } from '../probe/sampler.ts';
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
}

/** How long KILL may take to be carried out. */
const AFTER_KILL_MS = 1000;

/** Runs the command to its end and ends what it leaves behind where it was stopped. */
export async function guardCommand(world: GuardCommandWorld): Promise<GuardedEnd> {
  const watch = new CommandWatch(world);
  const startedMs = Date.now();
  try {
    const end = await runForeground(world.words, {
      env: world.env,
      cwd: world.cwd,
      onStart: (pid) => {
        watch.begin(pid);
        world.onStart(pid);
      },
    });
    const remains = watch.aborted ? await watch.endRemains() : 0;
    return {
      ...end,
      use: watch.use,
      firstBytes: watch.firstBytes,
      durationMs: Date.now() - startedMs,
      aborted: watch.aborted,
      remains,
    };
  } finally {
    watch.close();
  }
}

class CommandWatch {
  readonly #world: GuardCommandWorld;
  readonly #guard: AgentGuard;
  readonly #tools: SubprocessGuard | undefined;
  readonly #sampler = openTreeSampler({ tagName: TAG_VARIABLE, rules: { planTrees, sumTree } });
  #pid = 0;
  #startedMs = 0;
  #stop: TreeStop | undefined;
  #timer: NodeJS.Timeout | undefined;
  use: UseSoFar = NO_USE;
  firstBytes: number | undefined;

  constructor(world: GuardCommandWorld) {
    this.#world = world;
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
    const { graceMs, tag } = this.#world;
    clearTimeout(this.#timer);
    const first = this.#sampler.survey(tag).length;
    const deadlineMs = Date.now() + graceMs + AFTER_KILL_MS;
    while (this.#sampler.survey(tag).length > 0 && Date.now() < deadlineMs) {
      this.#stop?.step(Date.now());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return first;
  }

  #tick(): void {
    const { tag, rules, mostMs, readMemory } = this.#world;
    const nowMs = Date.now();
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
    this.use = addSample(this.use, { atMs: nowMs, rssBytes, pssBytes, processes: members.length });
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
    if (stops) signalMembers(members, startTicksOf, 'SIGSTOP');
    onDeed(deed, () => this.#members(sample), this.#guard);
    if (!stops) return;
    if (deed.deed === 'stop-agent') {
      this.#stop = openTreeStop(() => this.#sampler.survey(tag), startTicksOf, graceMs, nowMs);
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
    return this.#sampler
      .survey(this.#world.tag)
      .map((member) => ({ ...member, rssBytes: rss.get(member.pid) ?? 0 }));
  }
}

function startTicksOf(pid: number): number | undefined {
  return readIdentity(pid)?.startTicks;
}
