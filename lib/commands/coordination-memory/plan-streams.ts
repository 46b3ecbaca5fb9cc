/** What exactly would a run do? Streams with their needs, in order, with what earlier runs measured. */
import { resolve } from 'node:path';
import { agentHeapMb, agentLimitBytes, LIMIT_PER_HEAP } from '../../policy/heap.ts';
import { Failure } from '../../failure.ts';
import { flagBytes, flagText, type Call } from '../../flags.ts';
import type { Executable, Stream } from '../../model.ts';
import type { AgentKind, PooledKind, Settings } from '../../settings-model.ts';
import type { PlannedStream } from '../../run-model.ts';
import { mostForOne } from '../../policy/capacity.ts';
import { needsOnResume } from '../../policy/resume-needs.ts';
import type { PeakEstimate } from '../../policy/estimate.ts';
import { estimateFromHistory, historyKind, type HistoryIndex, type Like } from '../../policy/past-index.ts';
import { planOrder } from '../../policy/queue.ts';
import { toolName } from '../../policy/tool-name.ts';
import { readExecutable } from '../../probe/executable.ts';
import { COMMAND_KIND } from '../../state/drafts.ts';
import { finishedKeys, lastEntries, readJoblog, type JoblogEntry } from '../../state/joblog.ts';
import type { EpicPaths } from '../../state/paths.ts';
import { loadStreams, type StreamSource } from '../../state/streams.ts';
import { formatBytes, MIB } from '../../units.ts';
import type { Context } from '../context.ts';
import { entriesByKey, lastTryOf } from '../entry-cause.ts';
import { labelFlag, openPast } from '../past.ts';

export interface Planned {
  readonly planned: readonly PlannedStream[];
  readonly notes: readonly string[];
  readonly entries: readonly JoblogEntry[];
  readonly budgetBytes: number | undefined;
  /** What is known of past attempts. */
  readonly index: HistoryIndex;
}

/**
 * Loads and orders the streams of a call, or those that are given. `mayLackCommands`: nothing is to start, so a kind without a
 * command is a note and no fault: a client's own sub-agents need none. @throws Failure (2) with every fault at once.
 */
export async function planStreams(
  call: Call,
  context: Context,
  paths: EpicPaths,
  given?: StreamSource,
  { mayLackCommands = false } = {},
): Promise<Planned> {
  const { settings } = context;
  const budgetBytes = flagBytes(call, 'budget');
  const { streams, notes } = await loadStreams({
    projectDir: context.projectDir,
    epic: paths.epic,
    source: given ?? (await sourceOf(call)),
  });
  const { entries } = readJoblog(paths.joblogPath);
  const lastOf = lastEntries(entries);
  const done = call.flags['resume'] === true ? finishedKeys(entries) : new Set<string>();
  const budget =
    budgetBytes === undefined
      ? undefined
      : { bytes: budgetBytes, project: context.projectDir, epic: paths.epic };
  const mostBytes = mostForOne({ settings, memory: context.memory, budget });
  const tried = call.flags['resume'] === true ? entriesByKey(entries) : new Map<string, JoblogEntry[]>();
  const kinds = new KindLookup(settings, context);
  const past = openPast(context, labelFlag(call));

  const likes = new Map(streams.map((stream) => [stream.key, likeOf(stream, kindOf(stream, settings))]));
  const expectedMs = ({ key, expectedMs: written }: Stream): number | undefined => {
    const like = likes.get(key);
    return lastOf.get(key)?.runtimeMs ?? written ?? (like && past.index.expectedMs(like));
  };
  const faults: string[] = [];
  const planned = planOrder(streams, expectedMs).map((stream): PlannedStream => {
    const kind = kindOf(stream, settings);
    const isPooled = call.flags['pool'] === true && pooledKind(stream, settings) !== undefined;
    if (stream.command === undefined && !isPooled && (kind === undefined || kind.command.length === 0))
      faults.push(unknownKind(stream, settings));
    const like = likes.get(stream.key) ?? likeOf(stream, kind);
    const learn: Learn = (facts) =>
      estimateFromHistory(past.index, like, { ...facts, feedback: settings.feedback });
    const asked = needsOf(stream, kind, settings, kinds.takesHeap(stream, kind), mostBytes, learn);
    const isDone = done.has(stream.key);
    const last = isDone ? undefined : lastTryOf(tried.get(stream.key) ?? []);
    const needs =
      last === undefined ? asked : { ...asked, ...needsOnResume(asked, last, settings, mostBytes) };
    const impossible =
      isStated(asked) && settings.enabled && asked.estimateBytes > mostBytes
        ? `can never fit: it needs ${formatBytes(asked.estimateBytes)}, and at most ${formatBytes(mostBytes)} can be had here; lower its memory, or raise the budget or the limits`
        : undefined;
    return { stream, ...needs, tool: like.tool, expectedMs: expectedMs(stream), isDone, impossible };
  });
  if (faults.length > 0 && !mayLackCommands) throw new Failure([...new Set(faults)].join('\n'));
  return {
    planned,
    notes: [...notes, ...past.notes, ...lackingCommands(faults.length)],
    entries,
    budgetBytes,
    index: past.index,
  };
}

/** How its kind is pooled; undefined too for a stream with words, a folder or variables of its own, which needs a process of its own. */
export function pooledKind(stream: Stream, settings: Settings): PooledKind | undefined {
  const isPlain =
    stream.command === undefined && stream.cwd === undefined && Object.keys(stream.env).length === 0;
  return isPlain ? kindOf(stream, settings)?.pool : undefined;
}

/** By what past attempts are compared with this stream. */
function likeOf(stream: Stream, kind: AgentKind | undefined): Like {
  const tool = toolName(stream.command ?? kind?.command ?? []);
  return { key: stream.key, kind: historyKind(stream.kind, tool, COMMAND_KIND), tool };
}

/** Where `--streams` says that the streams are: a file, lines on stdin, or (not given) the epic's folder. */
export async function sourceOf(call: Call): Promise<StreamSource> {
  const file = flagText(call, 'streams');
  if (file === undefined) return { from: 'epic' };
  if (file !== '-') return { from: 'file', path: file };
  if (process.stdin.isTTY)
    throw new Failure('--streams - reads stdin, and stdin is a terminal: pipe one command a line into it');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return { from: 'lines', text: Buffer.concat(chunks).toString('utf8') };
}

/** Whether somebody said what it needs: what can never fit is refused then, and not made to fit. */
export function isStated({ estimateFrom }: Pick<PlannedStream, 'estimateFrom'>): boolean {
  return estimateFrom === 'stream' || estimateFrom === 'kind';
}

/** What past attempts say, with the figure that holds without them. */
type Learn = (facts: {
  readonly priorBytes: number;
  readonly limitBytes: number;
  readonly isWritten: boolean;
}) => Pick<PeakEstimate, 'bytes' | 'reason'> | undefined;

/**
 * Estimate, limit and heap of one stream: its own figures, else what past attempts of its like needed, else its kind's, else
 * the settings'. A limit that somebody wrote bounds the heap, an estimate that somebody wrote lifts a limit that nobody
 * wrote; a prior, and what was learned, never ask for more than there can be.
 */
export function needsOf(
  stream: Pick<Stream, 'estimateBytes' | 'limitBytes' | 'heapMb'>,
  kind: Pick<AgentKind, 'estimateBytes' | 'limitBytes' | 'heapMb'> | undefined,
  settings: Settings,
  takesHeap: boolean,
  mostBytes: number,
  learn: Learn = () => undefined,
): Pick<
  PlannedStream,
  | 'estimateBytes'
  | 'limitBytes'
  | 'heapMb'
  | 'estimateFrom'
  | 'estimateReason'
  | 'configuredBytes'
  | 'configuredFrom'
> {
  const stated = stream.estimateBytes ?? kind?.estimateBytes;
  const writtenLimit = stream.limitBytes ?? kind?.limitBytes;
  const writtenHeap = stream.heapMb ?? kind?.heapMb;
  const limitBytes =
    writtenLimit ??
    Math.max(
      agentLimitBytes(settings, kind, { limitBytes: undefined, heapMb: stream.heapMb }, takesHeap),
      Math.ceil((stated ?? 0) * LIMIT_PER_HEAP),
    );
  const heapMb =
    writtenHeap ??
    Math.max(
      64,
      Math.min(agentHeapMb(settings, kind, stream), Math.floor(limitBytes / MIB / LIMIT_PER_HEAP)),
    );
  const prior = Math.min(settings.memoryPerAgentBytes, limitBytes, mostBytes);
  const configuredBytes = Math.min(stated ?? prior, limitBytes);
  const configuredFrom =
    stream.estimateBytes !== undefined ? 'stream' : kind?.estimateBytes !== undefined ? 'kind' : 'prior';
  const needs = { limitBytes, heapMb, configuredBytes, configuredFrom } as const;
  const isWritten = configuredFrom === 'kind';
  const learned =
    settings.enabled && configuredFrom !== 'stream'
      ? learn({ priorBytes: configuredBytes, limitBytes, isWritten })
      : undefined;
  if (learned !== undefined)
    return {
      ...needs,
      estimateBytes: Math.min(learned.bytes, mostBytes),
      estimateFrom: 'history',
      estimateReason: learned.reason,
    };
  return { ...needs, estimateBytes: configuredBytes, estimateFrom: configuredFrom };
}

/** The kind's entry in the settings, else the one called `default`. A stream with a command of its own needs none. */
export function kindOf(stream: Pick<Stream, 'kind' | 'command'>, settings: Settings): AgentKind | undefined {
  const own = settings.agents.get(stream.kind);
  return own ?? (stream.command === undefined ? settings.agents.get('default') : undefined);
}

function lackingCommands(count: number): string[] {
  if (count === 0) return [];
  return [
    `no command is known for ${count} of the streams: a run needs one under agents: in .claude-pm.yaml, a client's own sub-agents do not`,
  ];
}

function unknownKind(stream: Stream, settings: Settings): string {
  const known = [...settings.agents.keys()];
  const list =
    known.length > 0
      ? `there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`
      : 'agents: in .claude-pm.yaml is empty';
  return `${stream.source}: ${stream.key} is for agents of kind ${stream.kind}, and no command is known for it (${list}); add it, or one called default, under agents: in .claude-pm.yaml, or give the stream a command`;
}

/** Which commands take a heap flag: asked once for each program. */
class KindLookup {
  readonly #settings: Settings;
  readonly #context: Context;
  readonly #found = new Map<string, Executable>();

  constructor(settings: Settings, context: Context) {
    this.#settings = settings;
    this.#context = context;
  }

  takesHeap(stream: Stream, kind: AgentKind | undefined): boolean {
    const words = stream.command ?? kind?.command;
    const program = typeof words === 'string' ? words.trim().split(/\s+/)[0] : words?.[0];
    if (program === undefined || !this.#settings.enabled) return false;
    let executable = this.#found.get(program);
    if (executable === undefined) {
      executable = readExecutable(program, process.env, resolve(this.#context.projectDir, stream.cwd ?? '.'));
      this.#found.set(program, executable);
    }
    return executable.kind === 'node';
  }
}
