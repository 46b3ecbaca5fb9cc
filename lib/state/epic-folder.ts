/** Which streams does an epic's folder hold? Its analyses, and the front matter of its task files. */
import { join, relative } from 'node:path';
import { Failure } from '../failure.ts';
import { listDir, readText } from '../files.ts';
import { nameFault, nearest, shown } from '../names.ts';
import type { Draft, Fault, Gathered, Reference } from './drafts.ts';
import { parseAnalysis } from './parse-analysis.ts';
import type { EpicPaths } from './paths.ts';

/** What a task file's front matter says about its issue. */
interface Task {
  readonly file: string;
  readonly closed: boolean;
  readonly parallel: boolean;
  readonly dependsOn: readonly string[];
  readonly conflictsWith: readonly string[];
}

/** Words for "this issue is over" that are found in task files; ccpm writes `closed`. */
const CLOSED = new Set(['closed', 'completed', 'done', 'cancelled']);

/** Front matter longer than this is none. */
const FRONT_MATTER_CHARS = 20_000;

/** Reads all of an epic's folder. @throws Failure (2) where there is no such epic: names the path and epics of near names. */
export async function readEpicFolder(paths: EpicPaths): Promise<Gathered> {
  const names = listDir(paths.epicDir);
  if (names.length === 0 && !listDir(paths.epicsDir).includes(paths.epic)) throw await noEpic(paths);
  const notes: string[] = [];
  const faults: Fault[] = [];
  const show = (name: string): string => relative(paths.projectDir, join(paths.epicDir, name));

  const analyses = new Map<string, string>();
  for (const name of names.sort(byNumber)) {
    const issue = /^(.+)-analysis\.md$/.exec(name)?.[1];
    const fault = issue === undefined ? undefined : nameFault('issue', issue);
    if (fault !== undefined) faults.push({ source: shown(show(name)), message: fault });
    else if (issue !== undefined) analyses.set(issue, name);
  }
  const tasks = readTasks(paths, names, analyses, show);
  const closedIssues = new Set([...tasks].filter(([, task]) => task.closed).map(([issue]) => issue));
  const issues = new Set([...analyses.keys(), ...tasks.keys()]);

  const drafts: Draft[] = [];
  for (const [issue, name] of analyses) {
    if (closedIssues.has(issue)) continue;
    const text = readText(join(paths.epicDir, name)) ?? '';
    const taskFile = tasks.get(issue)?.file;
    const parsed = parseAnalysis(text, { epic: paths.epic, issue, file: show(name), taskFile, issues });
    if (parsed.drafts.length === 0 && parsed.faults.length === 0)
      notes.push(
        `${show(name)}: no stream in it (a heading "### Stream A: Name" with **Scope**: below begins one)`,
      );
    const task = tasks.get(issue);
    drafts.push(...(task ? parsed.drafts.map((draft) => withTask(draft, task, issue)) : parsed.drafts));
    notes.push(...parsed.notes);
    faults.push(...parsed.faults);
  }
  for (const [issue, task] of tasks)
    if (task.closed) notes.push(`${task.file}: issue ${issue} is closed: its streams are left out`);
    else if (!analyses.has(issue))
      notes.push(`${task.file}: issue ${issue} has no ${issue}-analysis.md: no streams`);
  return { drafts, closedIssues, notes, faults };
}

const collator = new Intl.Collator('en', { numeric: true });

function byNumber(one: string, other: string): number {
  return collator.compare(one, other) || (one < other ? -1 : 1);
}

async function noEpic(paths: EpicPaths): Promise<Failure> {
  const epics = listDir(paths.epicsDir).filter((name) => nameFault('epic', name) === undefined);
  const near = await nearest(paths.epic, epics);
  const hint =
    near === undefined
      ? epics.length > 0
        ? `; there is ${epics.slice(0, 5).join(', ')}${epics.length > 5 ? ' and more' : ''}`
        : ''
      : `; did you mean ${near}?`;
  return new Failure(`no epic ${paths.epic}: there is no folder ${paths.epicDir}${hint}`);
}

function readTasks(
  paths: EpicPaths,
  names: readonly string[],
  analyses: ReadonlyMap<string, string>,
  show: (name: string) => string,
): Map<string, Task> {
  const tasks = new Map<string, Task>();
  for (const name of names) {
    const issue = /^(.+)\.md$/.exec(name)?.[1];
    if (issue === undefined || issue === 'epic' || name.endsWith('-analysis.md')) continue;
    if (nameFault('issue', issue) !== undefined) continue;
    const isNumber = /^\d+$/.test(issue);
    const front = frontMatter(readText(join(paths.epicDir, name)) ?? '') ?? '';
    const dependsOn = fieldWords(front, 'depends_on');
    const parallel = fieldWords(front, 'parallel');
    const isTask = isNumber || analyses.has(issue) || dependsOn !== undefined || parallel !== undefined;
    if (!isTask) continue;
    tasks.set(issue, {
      file: show(name),
      closed: CLOSED.has((fieldWords(front, 'status')?.[0] ?? '').toLowerCase()),
      parallel: parallel?.[0]?.toLowerCase() !== 'false',
      dependsOn: dependsOn ?? [],
      conflictsWith: fieldWords(front, 'conflicts_with') ?? [],
    });
  }
  return tasks;
}

/** The text between a first line `---` and the next one. */
function frontMatter(text: string): string | undefined {
  const head = text
    .slice(0, FRONT_MATTER_CHARS)
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n');
  if (!head.startsWith('---\n')) return undefined;
  const end = head.indexOf('\n---', 3);
  return end < 0 ? undefined : head.slice(4, end + 1);
}

/**
 * A field as a list of its words, read by line: names and titles in these files are often no YAML (`name: Fix: the login`),
 * and must not hide the fields that matter. Takes `x`, `[a, b]` and lists below; `001` stays `001`.
 */
function fieldWords(front: string, name: string): string[] | undefined {
  const lines = front.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`${name}:`));
  if (start < 0) return undefined;
  const below = lines.slice(start + 1);
  const end = below.findIndex((line) => !/^(?:[ \t]|-[ \t]|\])/.test(line));
  const value = [lines[start]?.slice(name.length + 1) ?? '', ...below.slice(0, end < 0 ? undefined : end)];
  return value
    .flatMap((line) => line.replace(/(?:^|\s)#(?:\s.*)?$/, '').split(','))
    .map((word) =>
      word
        .replace(/^\s*-\s/, '')
        .replace(/[[\]"']/g, '')
        .trim(),
    )
    .filter((word) => word !== '' && word !== '~' && word !== 'null');
}

/** What the issue's task file says holds for each of its streams. */
function withTask(draft: Draft, task: Task, issue: string): Draft {
  const whole = (text: string): Reference => ({
    text: text.replace(/^#/, ''),
    whole: true,
    source: task.file,
  });
  const exclusive = task.parallel ? [] : [whole(issue)];
  return {
    ...draft,
    dependsOn: [...draft.dependsOn, ...task.dependsOn.map(whole)],
    conflictsWith: [...draft.conflictsWith, ...task.conflictsWith.map(whole), ...exclusive],
  };
}
