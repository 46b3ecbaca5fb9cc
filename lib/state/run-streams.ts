/** Which streams did the last run of an epic know, also those that it has not started? */
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';
import { readText, removeFile, replaceFile } from '../files.ts';
import type { Stream } from '../model.ts';
import { isKey } from '../names.ts';
import type { EpicPaths } from './paths.ts';

/** A stream as other commands name it. */
export type RecordedStream = Pick<Stream, 'key' | 'title'>;

const VERSION = 1;

function streamsPath(paths: EpicPaths): string {
  return join(paths.runDir, 'streams.json');
}

/** Writes down what a run works on; `keepsOthers` leaves in what an earlier run knew beside it (a run that goes on with some). */
export function recordStreams(
  paths: EpicPaths,
  streams: readonly RecordedStream[],
  keepsOthers: boolean,
): void {
  const own = new Set(streams.map(({ key }) => key));
  const others = keepsOthers ? readRecordedStreams(paths).filter(({ key }) => !own.has(key)) : [];
  if (!keepsOthers) removeFile(streamsPath(paths));
  const rows = [...others, ...streams].map(({ key, title }) => ({ key, title }));
  replaceFile(streamsPath(paths), `${JSON.stringify({ version: VERSION, streams: rows })}\n`);
}

/** The streams of the last run, none where there was none. @throws Failure (2) for a file that is damaged or newer. */
export function readRecordedStreams(paths: EpicPaths): RecordedStream[] {
  const path = streamsPath(paths);
  const text = readText(path);
  if (text === undefined) return [];
  const value = parsed(text);
  const version = value?.['version'];
  if (typeof version === 'number' && version > VERSION)
    throw new Failure(
      `${path} was written by a newer version (${version}, this one knows ${VERSION}): update this toolkit`,
      EXIT.mend,
    );
  const rows: unknown = version === VERSION ? value?.['streams'] : undefined;
  if (!Array.isArray(rows) || !rows.every(isRow))
    throw new Failure(`${path} is damaged: move it away, the next run writes it anew; nothing was changed`);
  return rows;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isRow(row: unknown): row is RecordedStream {
  if (typeof row !== 'object' || row === null || !('key' in row) || !('title' in row)) return false;
  return typeof row.key === 'string' && isKey(row.key) && typeof row.title === 'string';
}
