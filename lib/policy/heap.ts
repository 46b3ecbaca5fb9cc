/** How much heap and how much memory may one agent take, and which NODE_OPTIONS say so without losing the user's own? */
import type { Stream } from '../model.ts';
import type { AgentKind, Settings } from '../settings-model.ts';
import { MIB } from '../units.ts';
import { nodeOptionsWord } from './quote.ts';

/**
 * What a process takes over its heap limit before V8 ends it: 1.05 to 1.32 x were measured at death with limits of
 * 512 to 2048 MB on Node 18 to 26, so a hard limit under 1.25 x the heap would mostly strike before the heap's own.
 */
export const LIMIT_PER_HEAP = 1.25;

/** Heaps that are derived go down to steps of this size, and never under it: V8 does not start on a few megabytes. */
const HEAP_STEP_MB = 64;

/** The file that makes optimize_for_size real; found by its name in NODE_OPTIONS, wherever the toolkit once lay. */
export const PRELOAD_NAME = 'claude-pm-frugal.cjs';

type OwnLimits = Pick<Stream, 'limitBytes' | 'heapMb'>;

/** The heap in MB that an agent is given: the stream's own, else the kind's, else node_options.agent_heap_size. */
export function agentHeapMb(
  settings: Settings,
  kind?: Pick<AgentKind, 'heapMb'>,
  stream?: Pick<OwnLimits, 'heapMb'>,
): number {
  return stream?.heapMb ?? kind?.heapMb ?? settings.agentHeapMb;
}

/**
 * The hard limit of one agent in bytes: the stream's own, else the kind's, else memory_per_agent_gb, and where heap
 * flags hold at least 1.25 x the heap. A limit that is written is taken as it is: rules between keys are checked when
 * settings and streams are read.
 */
export function agentLimitBytes(
  settings: Settings,
  kind: Pick<AgentKind, 'limitBytes' | 'heapMb'> | undefined,
  stream: OwnLimits | undefined,
  runtimeTakesHeap: boolean,
): number {
  const written = stream?.limitBytes ?? kind?.limitBytes;
  if (written !== undefined) return written;
  const forHeap = runtimeTakesHeap
    ? Math.ceil(agentHeapMb(settings, kind, stream) * MIB * LIMIT_PER_HEAP)
    : 0;
  return Math.max(settings.memoryPerAgentBytes, forHeap);
}

/** The heap in MB that fits under a limit smaller than usual (single-agent mode): limit / 1.25, down to 64 MB, at least 64. */
export function heapFor(limitBytes: number): number {
  const wholeMb = Math.floor(limitBytes / MIB / LIMIT_PER_HEAP);
  return Math.max(HEAP_STEP_MB, Math.floor(wholeMb / HEAP_STEP_MB) * HEAP_STEP_MB);
}

/** The words of NODE_OPTIONS as Node splits them; undefined where Node refuses to start (a quote or an escape left open). */
export function splitNodeOptions(text: string): string[] | undefined {
  const words: string[] = [];
  let quoted = false;
  let fresh = true;
  for (let at = 0; at < text.length; at += 1) {
    let char = text.charAt(at);
    if (char === '\\' && quoted) {
      at += 1;
      if (at === text.length) return undefined;
      char = text.charAt(at);
    } else if (char === ' ' && !quoted) {
      fresh = true;
      continue;
    } else if (char === '"') {
      quoted = !quoted;
      continue;
    }
    words.push(fresh ? char : `${words.pop() ?? ''}${char}`);
    fresh = false;
  }
  return quoted ? undefined : words;
}

/** The name of a flag as Node compares it: `--max_old_space_size=8` -> `--max-old-space-size`; undefined for other words. */
function flagName(word: string): string | undefined {
  if (!word.startsWith('-')) return undefined;
  const name = word.split('=', 1)[0] ?? word;
  return name.startsWith('--') ? name.replaceAll('_', '-') : name;
}

/** Flags that say the same as one of ours, and would win over it or contradict it. */
const SAME_MATTER: Readonly<Record<string, readonly string[]>> = {
  // A percentage wins over the size in any order; max-heap-size contradicts it.
  '--max-old-space-size': ['--max-old-space-size', '--max-old-space-size-percentage', '--max-heap-size'],
};

/** Whether this word loads a preload of ours, here or in another copy of the toolkit. */
function isOurPreload(path: string): boolean {
  return path.endsWith(`/${PRELOAD_NAME}`);
}

/** The user's words: all but our preload and the flags of these names (with a value that stands as a word of its own). */
function without(words: readonly string[], names: ReadonlySet<string>): string[] {
  const kept = withoutOnce(words, names);
  // What is left may have become a pair: `-r --expose-gc OURS`.
  return kept.length === words.length ? kept : without(kept, names);
}

function withoutOnce(words: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const next = words[at + 1];
    const name = flagName(word);
    const inline = word.includes('=') ? word.slice(word.indexOf('=') + 1) : undefined;
    if (name === '--require' || name === '-r') {
      const path = inline ?? next ?? '';
      if (isOurPreload(path)) {
        if (inline === undefined) at += 1;
        continue;
      }
    }
    if (name !== undefined && names.has(name)) {
      const takesNext =
        inline === undefined && name !== '--expose-gc' && next !== undefined && !next.startsWith('-');
      if (takesNext) at += 1;
      continue;
    }
    kept.push(word);
  }
  return kept;
}

/**
 * NODE_OPTIONS with our flags and what the user has in it besides; undefined where the user's text is one that Node
 * refuses. Flags of the same matter are replaced, in both spellings (`-` and `_`); merging twice is merging once.
 *
 * Ours come first: Node ignores in silence all that follows a word without a dash, so behind a stray word of the user's
 * our limits would not hold.
 */
export function mergeNodeOptions(existing: string | undefined, ours: readonly string[]): string | undefined {
  const words = splitNodeOptions(existing ?? '');
  if (words === undefined) return undefined;
  const names = new Set(
    ours.flatMap((word) => {
      const name = flagName(word);
      if (name === undefined || name === '--require') return [];
      return SAME_MATTER[name] ?? [name];
    }),
  );
  return [...ours, ...without(words, names)].map(nodeOptionsWord).join(' ');
}

const OUR_NAMES = new Set([...Object.values(SAME_MATTER).flat(), '--expose-gc']);

/** What an environment of ours left in the variables: which heap it set, and the NODE_OPTIONS before it. */
export interface OurTraces {
  readonly nodeOptions: string | undefined;
  /** CLAUDE_PM_BASE_NODE_OPTIONS */
  readonly base: string | undefined;
  /** CLAUDE_PM_HEAP_MB */
  readonly heapMb: string | undefined;
}

/**
 * The user's own NODE_OPTIONS under an environment of ours, so that setting up twice is once and a reset restores it:
 * the text from before where nobody has touched the variable since; the variable itself where our heap flag is no longer
 * in it, for then somebody has replaced it whole; else what was changed, with the flags that ours had replaced put back.
 */
export function userNodeOptions(traces: OurTraces): string {
  const current = traces.nodeOptions ?? '';
  const words = splitNodeOptions(current);
  if (words === undefined) return current;
  const { base } = traces;
  const rest = without(words, new Set());
  if (base !== undefined && base === current) return base;
  const ourHeap = `--max-old-space-size=${traces.heapMb ?? ''}`;
  if (base === undefined || !words.includes(ourHeap))
    return rest.length === words.length ? current : rest.map(nodeOptionsWord).join(' ');

  const since = rest.filter((word) => word !== ourHeap && word !== '--expose-gc');
  const baseWords = splitNodeOptions(base) ?? [];
  const unchanged = since.join('\n') === without(baseWords, OUR_NAMES).join('\n');
  if (unchanged) return base;
  const replaced = baseWords.filter((word) => {
    const name = flagName(word);
    return name !== undefined && OUR_NAMES.has(name) && !since.some((other) => flagName(other) === name);
  });
  return [...since, ...replaced].map(nodeOptionsWord).join(' ');
}

/** The heap in MB that these options set by --max-old-space-size, the last one as Node has it; undefined where they set none. */
export function heapInNodeOptions(text: string): number | undefined {
  const words = splitNodeOptions(text) ?? [];
  const values = words.flatMap((word) =>
    flagName(word) === '--max-old-space-size' ? [Number(word.split('=')[1])] : [],
  );
  const last = values.at(-1);
  return last !== undefined && Number.isSafeInteger(last) && last > 0 ? last : undefined;
}
