/** What do people and agents tell each other about an epic? The files of its coordination folder. */
import { join } from 'node:path';
import { appendLine, endsInNewline, listDir, readText, removeFile, replaceFile } from '../files.ts';
import { cleanText, isKey, parseKey } from '../names.ts';
import { folderOfKey, partsOfFolder } from './paths.ts';
import type { EpicPaths } from './paths.ts';

const LOG_CHARS = 1000;
const REASON_CHARS = 500;

/** Appends `- TIME text` to memory-log.md; the text becomes one line without control characters. */
export function logLine(paths: EpicPaths, text: string, nowMs: number): void {
  const path = join(paths.coordinationDir, 'memory-log.md');
  const line = `- ${new Date(nowMs).toISOString()} ${cleanText(text, LOG_CHARS)}`;
  appendLine(path, endsInNewline(path) ? line : `\n${line}`);
}

/** The lines of memory-log.md, oldest first, as they were written. */
export function readLog(paths: EpicPaths): string[] {
  const text = readText(join(paths.coordinationDir, 'memory-log.md')) ?? '';
  return text.split(/\r?\n/).filter((line) => line.startsWith('- '));
}

function blockedPath(paths: EpicPaths, key: string): string {
  return join(paths.coordinationDir, `stream-${folderOfKey(paths.epic, key)}-blocked.md`);
}

function guidancePath(paths: EpicPaths, key: string): string {
  return join(paths.coordinationDir, `stream-${folderOfKey(paths.epic, key)}-guidance.md`);
}

/** Marks a stream as paused: it does not start until `unblockStream`. `who` and `reason` are for people. */
export function blockStream(
  paths: EpicPaths,
  key: string,
  { reason, who, nowMs }: { reason: string; who: string; nowMs: number },
): void {
  const { issue, id } = parseKey(key);
  const lines = [
    `# Stream ${issue}/${id} is paused`,
    '',
    `- key: ${key}`,
    `- reason: ${cleanText(reason, REASON_CHARS)}`,
    `- by: ${cleanText(who, 100)}`,
    `- since: ${new Date(nowMs).toISOString()}`,
  ];
  replaceFile(blockedPath(paths, key), `${lines.join('\n')}\n`);
}

/** Takes the mark away; false where there was none. */
export function unblockStream(paths: EpicPaths, key: string): boolean {
  const path = blockedPath(paths, key);
  const wasBlocked = readText(path) !== undefined;
  removeFile(path);
  return wasBlocked;
}

/**
 * The paused streams by key, each with the reason. A file that a person made counts too: its name gives the stream, its
 * first line of text the reason; one that names no issue (`stream-A-blocked.md`) stands under its letter alone.
 */
export function readBlocked(paths: EpicPaths): Map<string, string> {
  const blocked = new Map<string, string>();
  for (const name of listDir(paths.coordinationDir)) {
    const folder = /^stream-(.+)-blocked\.md$/.exec(name)?.[1];
    const text = folder === undefined ? undefined : readText(join(paths.coordinationDir, name));
    if (folder === undefined || text === undefined) continue;
    const written = /^- key: (\S+)$/m.exec(text)?.[1];
    const own = written !== undefined && isKey(written) && folder === folderOf(paths, written);
    const parts = partsOfFolder(folder);
    const key = own ? written : parts ? `${paths.epic}/${parts.issue}/${parts.id}` : folder;
    const reason = /^- reason: (.*)$/m.exec(text)?.[1] ?? firstWords(text);
    blocked.set(key, cleanText(reason, REASON_CHARS));
  }
  return blocked;
}

/** The first line that says something, without the marks of a heading or a list. */
function firstWords(text: string): string {
  const lines = text.split('\n').map((line) =>
    line
      .trimStart()
      .replace(/^[#*-]+/, '')
      .trim(),
  );
  return lines.find((line) => line !== '') ?? '';
}

function folderOf(paths: EpicPaths, key: string): string | undefined {
  return key.startsWith(`${paths.epic}/`) ? folderOfKey(paths.epic, key) : undefined;
}

/** Leaves a note for a stream's agent; an earlier one is replaced. */
export function writeGuidance(paths: EpicPaths, key: string, text: string): void {
  replaceFile(guidancePath(paths, key), text.endsWith('\n') ? text : `${text}\n`);
}

/** The note for a stream's agent, undefined where there is none. */
export function readGuidance(paths: EpicPaths, key: string): string | undefined {
  return readText(guidancePath(paths, key));
}
