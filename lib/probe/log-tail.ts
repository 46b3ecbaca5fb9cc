/** What are the last words of a log, however long it is? */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Failure, errorCode } from '../failure.ts';

/** The last `bytes` of a file as text (a character cut in half at the beginning is left out); undefined where there is none. */
export function readTail(path: string, bytes: number): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new Failure(`cannot read ${path} (${errorCode(error) ?? 'unknown error'})`, undefined, {
      cause: error,
    });
  }
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const length = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return wholeCharacters(buffer.subarray(0, length));
  } catch (error) {
    throw new Failure(`cannot read ${path} (${errorCode(error) ?? 'unknown error'})`, undefined, {
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
}

/** The text of bytes that may begin inside a UTF-8 character. */
export function wholeCharacters(bytes: Buffer): string {
  let start = 0;
  while (start < Math.min(3, bytes.length) && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.toString('utf8', start);
}
