/** What is to be done about the tools of all agents after a look? Warn of one, stop one over its limit, stop one for the sum of all. */
import type { Settings } from '../settings-model.ts';
import type { Culprit, TreeProcess } from '../policy/culprit.ts';
import { judgeLevel, levelMessage, type Level } from '../policy/limit.ts';
import { chooseTool, sumTools, toolName, toolsOf, type Tool } from '../policy/subprocess.ts';
import { formatBytes, megabytes } from '../units.ts';
import { ExactMeasure } from './exact-measure.ts';
import type { GuardDeed } from './guard.ts';

/** An agent as its tools are looked at. */
export interface ToolsLook {
  readonly key: string;
  readonly rootPid: number;
  readonly processes: readonly TreeProcess[];
  /** The agent itself is being stopped: its tools go with it. */
  readonly isLeaving: boolean;
  /** The dearer, exact measure of some of its processes; undefined where the kernel has none. */
  readonly exactBytes: (pids: ReadonlySet<number>) => number | undefined;
}

export type ToolDeed =
  | {
      readonly key: string;
      readonly bytes: number;
      readonly deed: Extract<GuardDeed, { deed: 'tell' | 'stop-tool' }>;
    }
  | { readonly note: string };

/** What each tool held is kept from when they held less than this share of what they may. */
const CALM_SHARE = 0.8;
const CALM_EVERY_MS = 500;
/** One that is still there so long after KILL cannot be killed now (a busy machine takes seconds): it counts no more, and others are not stopped for it. */
const STUCK_MS = 15_000;

/** A process of a tool that was killed with all below it. */
interface Killed {
  readonly key: string;
  readonly pid: number;
  readonly startTicks: number;
  readonly words: string;
  readonly atMs: number;
  /** What all tools held when it was killed, where it was killed for their sum. */
  readonly sumBytes: number | undefined;
}

/** Follows the tools of all agents of a run, or of one guarded command, from look to look. */
export class SubprocessGuard {
  readonly #rules: Settings['subprocess'];
  readonly #levels = new Map<string, { readonly level: Level; readonly exact: ExactMeasure }>();
  readonly #exactSum = new ExactMeasure();
  #killed: Killed[] = [];
  #stuck: Killed[] = [];
  #calm: ReadonlyMap<string, number> = new Map();
  #calmMs = -Infinity;
  #isSumTold = false;
  /** How far the nearest limit is away; Infinity where there is no tool. */
  headroomBytes = Infinity;

  constructor(rules: Settings['subprocess']) {
    this.#rules = rules;
  }

  /** Somebody killed this process of an agent: until it is gone, nothing is done to the tool that it belongs to, nor for the sum of all. */
  noteKilled(key: string, { pid, startTicks }: Pick<Tool, 'pid' | 'startTicks'>, nowMs: number): void {
    if (this.#killed.some((one) => one.pid === pid && one.startTicks === startTicks)) return;
    this.#killed.push({ key, pid, startTicks, words: `process ${pid}`, atMs: nowMs, sumBytes: undefined });
  }

  /** Takes a look at all agents; answers what is to be done, in order. `stops`: false where crossings are only told. */
  look(looks: readonly ToolsLook[], nowMs: number, stops: boolean): ToolDeed[] {
    const all = looks.flatMap((one) => toolsOf(one.key, one.rootPid, one.processes));
    const byKey = new Map(looks.map((one) => [one.key, one]));
    const notes = this.#measure(looks, sumTools(all), nowMs);
    const tools = all.filter(({ pids }) => !this.#stuck.some(({ pid }) => pids.has(pid)));
    this.#forget(tools);

    const exactOf = (tool: Tool): number | undefined => byKey.get(tool.key)?.exactBytes(tool.pids);
    const isLeaving = ({ key, pids }: Tool): boolean =>
      byKey.get(key)?.isLeaving === true || this.#killed.some(({ pid }) => pids.has(pid));
    const deeds = tools.flatMap((tool): ToolDeed[] => {
      if (isLeaving(tool)) return [];
      const deed = this.#judge(tool, nowMs, stops, () => exactOf(tool));
      if (deed === undefined) return [];
      if (deed.deed === 'stop-tool' && stops) this.#kill(tool, nowMs, undefined);
      return [{ key: tool.key, bytes: tool.bytes, deed }];
    });
    const last = this.#judgeSum(tools, nowMs, stops, tools.some(isLeaving), exactOf);
    this.headroomBytes =
      tools.length === 0
        ? Infinity
        : Math.min(
            this.#rules.aggregateBytes - sumTools(tools),
            ...tools.map(({ bytes }) => this.#rules.limitBytes - bytes),
          );
    return [...notes, ...deeds, ...last];
  }

  #kill(tool: Tool, atMs: number, sumBytes: number | undefined): void {
    const { key, pid, startTicks } = tool;
    this.#killed.push({ key, pid, startTicks, words: words(tool), atMs, sumBytes });
  }

  #judge(
    tool: Tool,
    atMs: number,
    stops: boolean,
    exactBytes: () => number | undefined,
  ): DeedOfTool | undefined {
    const { warnBytes, limitBytes } = this.#rules;
    const rules = { warningBytes: warnBytes, criticalBytes: Infinity, limitBytes };
    const name = toolName(tool);
    const known = this.#levels.get(name) ?? { level: 'normal' as const, exact: new ExactMeasure() };
    let level = judgeLevel(tool.bytes, rules, known.level);
    // Shared pages count once for each process in RSS: nobody is stopped before the exact measure agrees.
    if (
      level === 'over' &&
      tool.pids.size > 1 &&
      known.exact.take(atMs, tool.bytes, exactBytes) <= limitBytes
    )
      level = 'warning';
    this.#levels.set(name, { ...known, level });
    if (level === 'over' && (stops || known.level !== 'over'))
      return {
        deed: 'stop-tool',
        culprit: culpritOf(tool, tool.bytes),
        message: levelMessage('over', tool.bytes, rules, undefined),
        reason: `${words(tool)} holds it`,
      };
    if (level !== 'warning' || known.level !== 'normal') return undefined;
    const message = levelMessage('warning', tool.bytes, rules, undefined);
    return { deed: 'tell', level, message: `${message} by ${words(tool)}` };
  }

  /** One at a time: whoever is dying may be giving back enough. */
  #judgeSum(
    tools: readonly Tool[],
    nowMs: number,
    stops: boolean,
    waits: boolean,
    exactOf: (tool: Tool) => number | undefined,
  ): ToolDeed[] {
    const { aggregateBytes } = this.#rules;
    const sumBytes = sumTools(tools);
    if (sumBytes <= aggregateBytes * CALM_SHARE) {
      this.#isSumTold = false;
      if (nowMs - this.#calmMs >= CALM_EVERY_MS) {
        this.#calmMs = nowMs;
        this.#calm = new Map(tools.map((tool) => [toolName(tool), tool.bytes]));
      }
    }
    if (sumBytes <= aggregateBytes || waits || (this.#isSumTold && !stops)) return [];
    const readAll = (): number => tools.reduce((sum, tool) => sum + (exactOf(tool) ?? tool.bytes), 0);
    if (this.#exactSum.take(nowMs, sumBytes, readAll) <= aggregateBytes) return [];
    const chosen = chooseTool(tools, this.#calm, aggregateBytes);
    if (chosen === undefined) return [];
    const { tool, grewBytes } = chosen;
    this.#isSumTold = true;
    if (stops) this.#kill(tool, nowMs, sumBytes);
    const message = `LIMIT: Memory exceeded ${Math.round(megabytes(aggregateBytes))}MB at ${megabytes(sumBytes)}MB in ${tools.length} tools`;
    const reason = `${words(tool)} ${chosen.reason}`;
    return [
      {
        key: tool.key,
        bytes: tool.bytes,
        deed: { deed: 'stop-tool', culprit: culpritOf(tool, grewBytes), message, reason },
      },
    ];
  }

  /** Whoever was killed and is gone: what did it free? Whoever is not gone in time is told, once. */
  #measure(looks: readonly ToolsLook[], sumBytes: number, nowMs: number): ToolDeed[] {
    const isThere = ({ pid, startTicks }: Killed): boolean =>
      looks.some(({ processes }) =>
        processes.some((process) => process.pid === pid && process.startTicks === startTicks),
      );
    const there = this.#killed.filter(isThere);
    const gone = this.#killed.filter((one) => one.sumBytes !== undefined && !there.includes(one));
    const late = there.filter(({ atMs }) => nowMs - atMs >= STUCK_MS);
    this.#killed = there.filter((one) => !late.includes(one));
    this.#stuck = [...this.#stuck.filter(isThere), ...late];
    return [
      ...gone.map((one) => {
        const lessBytes = Math.max(0, (one.sumBytes ?? 0) - sumBytes);
        return {
          note: `${one.words} of ${one.key} is gone; all tools hold ${formatBytes(sumBytes)}, ${formatBytes(lessBytes)} less`,
        };
      }),
      ...late.map((one) => ({ note: `${one.words} of ${one.key} outlives KILL and is counted no more` })),
    ];
  }

  #forget(tools: readonly Tool[]): void {
    const there = new Set(tools.map(toolName));
    for (const name of this.#levels.keys()) if (!there.has(name)) this.#levels.delete(name);
  }
}

type DeedOfTool = Extract<GuardDeed, { deed: 'tell' | 'stop-tool' }>;

function culpritOf({ pid, startTicks, bytes }: Tool, grewBytes: number): Culprit {
  return { pid, startTicks, subtreeBytes: bytes, grewBytes };
}

function words({ pid, comm }: Tool): string {
  return `process ${pid}${comm === undefined ? '' : ` (${comm})`} below the agent`;
}
