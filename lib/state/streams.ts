/** Which streams shall a run work on? From an epic's folder, a file or lines; whole and consistent, or every fault at once. */
import { isAbsolute, relative, resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { readText } from '../files.ts';
import type { Stream } from '../model.ts';
import { checkName, nearest, shown } from '../names.ts';
import type { Draft, Fault, Gathered } from './drafts.ts';
import { linkStreams } from './link-streams.ts';
import { projectPaths } from './paths.ts';

/** Where streams are written. */
export type StreamSource =
  /** `.claude/epics/EPIC/N-analysis.md` and `N.md`. */
  | { readonly from: 'epic' }
  /** A YAML or JSON file, its path relative to the project or absolute. */
  | { readonly from: 'file'; readonly path: string }
  /** One shell command a line, as read from stdin. */
  | { readonly from: 'lines'; readonly text: string }
  /** Made by the caller. */
  | { readonly from: 'memory'; readonly drafts: readonly Draft[] };

/** The issue of streams that came as lines. */
const LINES_ISSUE = 'stdin';

/** More are counted, not listed; looking for near names costs time. */
const MOST_FAULTS = 30;

/**
 * The streams of a run in the order in which they were written, and notes on what was left out or not understood.
 * @throws Failure (2) with every fault, each with file and line; for a missing epic, with the near names.
 */
export async function loadStreams(request: {
  readonly projectDir: string;
  readonly epic: string;
  readonly source: StreamSource;
}): Promise<{ streams: Stream[]; notes: string[] }> {
  const epic = checkName('epic', request.epic);
  const gathered = await gather(request.projectDir, epic, request.source);
  const linked = linkStreams(epic, gathered);
  const faults = [...gathered.faults, ...linked.faults];
  if (faults.length > 0) throw await faultsFailure(epic, faults);
  return { streams: linked.streams, notes: [...gathered.notes, ...linked.notes] };
}

async function gather(projectDir: string, epic: string, source: StreamSource): Promise<Gathered> {
  const nothing = { closedIssues: new Set<string>(), notes: [], faults: [] };
  if (source.from === 'epic') {
    const { readEpicFolder } = await import('./epic-folder.ts');
    const paths = projectPaths(projectDir, epic);
    const gathered = await readEpicFolder(paths);
    if (gathered.drafts.length === 0 && gathered.closedIssues.size === 0 && gathered.faults.length === 0)
      throw new Failure(
        `nothing to run: ${paths.epicDir} has no N-analysis.md with streams${gathered.notes.map((note) => `\n  ${note}`).join('')}`,
      );
    return gathered;
  }

  if (source.from === 'memory') return { ...nothing, drafts: source.drafts };
  if (source.from === 'lines') {
    const { parseLines } = await import('./stream-lines.ts');
    return { ...nothing, ...parseLines(source.text, LINES_ISSUE) };
  }
  if (source.path.includes('\0')) throw new Failure(`"${shown(source.path)}" is no path of a streams file`);
  const { parseStreamsFile } = await import('./streams-file.ts');
  const path = resolve(projectDir, source.path);
  // A shell's `<(…)` is a pipe.
  const text = readText(path, { pipes: true });
  if (text === undefined) throw new Failure(`there is no streams file ${path}`);
  const way = relative(projectDir, path);
  const file = way.startsWith('..') || isAbsolute(way) ? path : way;
  return { ...nothing, ...(await parseStreamsFile(text, file, resolve(projectDir))) };
}

async function faultsFailure(epic: string, faults: readonly Fault[]): Promise<Failure> {
  const lines = new Set<string>();
  for (const { source, message, meant } of faults) {
    if (lines.size === MOST_FAULTS) break;
    const near = meant && (await nearest(meant.text, meant.candidates));
    lines.add(`${source}: ${message}${near === undefined ? '' : `: did you mean ${near}?`}`);
  }
  const distinct = new Set(faults.map(({ source, message }) => `${source}\0${message}`)).size;
  if (distinct === 1) return new Failure([...lines].join(''));
  const more = distinct > lines.size ? [`and ${distinct - lines.size} more`] : [];
  return new Failure([`${distinct} faults in the streams of epic ${epic}:`, ...lines, ...more].join('\n  '));
}
