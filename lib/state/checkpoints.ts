/** How far has an agent come? Its own words, appended as they come and never held in memory. */
import { dirname } from 'node:path';
import { appendLine, endsInNewline, ensureDir, isThere } from '../files.ts';
import { checkpointPath } from './paths.ts';

/** A line longer than this is broken into several: input without a line end must not pile up. Characters. */
const LONGEST_LINE = 256 * 1024;

/** Makes the folder of an agent's checkpoint file, so that `>>` works too, and answers the file. @throws Failure for a bad name. */
export function prepareCheckpoint(projectDir: string, agent: string): string {
  const path = checkpointPath(projectDir, agent);
  if (!isThere(dirname(path))) ensureDir(dirname(path));
  return path;
}

/**
 * Appends a text as it arrives, whole lines at a time, so that lines of two writers do not mix; the last line gets an end if it
 * has none. Holds one piece and one line at most. Answers the bytes that were appended.
 */
export async function streamCheckpoint(
  path: string,
  pieces: AsyncIterable<string> | Iterable<string>,
): Promise<number> {
  let bytes = 0;
  const append = (lines: string): void => {
    if (bytes === 0 && !endsInNewline(path)) appendLine(path, '');
    appendLine(path, lines);
    bytes += Buffer.byteLength(lines) + 1;
  };
  let open = '';
  for await (const piece of pieces) {
    const text = open + piece;
    const end = text.lastIndexOf('\n');
    if (end >= 0) append(text.slice(0, end));
    open = text.slice(end + 1);
    if (open.length < LONGEST_LINE) continue;
    append(open);
    open = '';
  }
  if (open !== '') append(open);
  return bytes;
}
