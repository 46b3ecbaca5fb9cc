/** Where does a path really lead? */
import { realpathSync } from 'node:fs';
import { errorCode } from '../failure.ts';

/** The path as a process that works there sees it, links resolved; unchanged where it leads nowhere. */
export function readRealPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return path;
  }
}
