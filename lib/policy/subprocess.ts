/** Which tools do the agents run, and which of them is the one too many? A tool: what an agent started, with all below it. */
import { formatBytes } from '../units.ts';
import type { TreeProcess } from './culprit.ts';
import { pidsBelow } from './subtree.ts';

/** A tool of an agent at one instant. */
export interface Tool {
  /** The agent's. */
  readonly key: string;
  /** The top of its subtree. */
  readonly pid: number;
  readonly startTicks: number;
  readonly comm: string | undefined;
  readonly pids: ReadonlySet<number>;
  readonly bytes: number;
}

export interface ChosenTool {
  readonly tool: Tool;
  readonly grewBytes: number;
  /** Why this one: `grew by 700.0MB of 800.0MB since there was room`. */
  readonly reason: string;
}

/** Whoever has this share of all growth is who went over; the same as for a tool within one agent. */
const GROWTH_SHARE = 0.7;

/**
 * The tools of one agent: the children of its first process, and members whose parent is no member any more (they made
 * themselves independent of the tool that started them). Without the first process there is no agent, and no tool.
 */
export function toolsOf(key: string, rootPid: number, processes: readonly TreeProcess[]): Tool[] {
  const known = new Set(processes.map(({ pid }) => pid));
  if (!known.has(rootPid)) return [];
  const tops = processes.filter(
    ({ pid, parentPid }) => pid !== rootPid && (parentPid === rootPid || !known.has(parentPid)),
  );
  return tops.map(({ pid, startTicks, comm }) => {
    const pids = pidsBelow(pid, processes);
    const bytes = sum(processes.filter((one) => pids.has(one.pid)).map((one) => one.residentBytes));
    return { key, pid, startTicks, comm, pids, bytes };
  });
}

/** One text per tool, for maps: a pid alone is reused. */
export function toolName({ key, pid, startTicks }: Tool): string {
  return `${key} ${pid} ${startTicks}`;
}

/**
 * Who goes when all tools together hold too much: the one that has most of the growth since they last held little
 * (`before`: bytes by name; one that was not there has grown by all that it holds), else the largest one, which is over its
 * share of what all may hold. undefined: there is no tool.
 */
export function chooseTool(
  tools: readonly Tool[],
  before: ReadonlyMap<string, number>,
  aggregateBytes: number,
): ChosenTool | undefined {
  const grown = tools.map((tool) => ({
    tool,
    grewBytes: Math.max(0, tool.bytes - (before.get(toolName(tool)) ?? 0)),
  }));
  const totalBytes = sum(grown.map(({ grewBytes }) => grewBytes));
  const grower = grown.find(({ grewBytes }) => grewBytes > 0 && grewBytes >= totalBytes * GROWTH_SHARE);
  if (grower)
    return {
      ...grower,
      reason: `grew by ${formatBytes(grower.grewBytes)} of ${formatBytes(totalBytes)} since there was room`,
    };
  const largest = [...grown].sort((a, b) => b.tool.bytes - a.tool.bytes)[0];
  if (largest === undefined) return undefined;
  const shareBytes = aggregateBytes / tools.length;
  return {
    ...largest,
    reason: `is ${formatBytes(largest.tool.bytes - shareBytes)} over its share of ${formatBytes(shareBytes)}`,
  };
}

/** What tools hold together. */
export function sumTools(tools: readonly Tool[]): number {
  return sum(tools.map(({ bytes }) => bytes));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
