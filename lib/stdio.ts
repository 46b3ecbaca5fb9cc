/** How does a program that ends as soon as it has answered read its stdin and write its stdout? By plain calls: the streams of Node take longer to load than such a program may live. */
import { readSync, writeSync } from 'node:fs';
import { errorCode } from './failure.ts';
import { fileFailure } from './files.ts';

/**
 * All that stands on stdin, up to `mostBytes`; undefined where there is more. For programs that get one document and end.
 * @throws Failure where it cannot be read.
 */
export function readInput(mostBytes: number): string | undefined {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    const read = readSome(chunk);
    if (read === 0) return Buffer.concat(chunks).toString('utf8');
    bytes += read;
    if (bytes > mostBytes) return undefined;
    chunks.push(chunk.subarray(0, read));
  }
}

function readSome(into: Buffer): number {
  for (;;) {
    try {
      return readSync(0, into, 0, into.length, null);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw fileFailure('read', 'stdin', error);
      // The writer made its end of a socket non-blocking: it will come.
      pause();
    }
  }
}

/** Writes to stdout, all of it, without the machinery of process.stdout, which takes as long to load as a hook may take in all. */
export function writeOutput(text: string): void {
  const data = Buffer.from(text);
  for (let written = 0; written < data.length;) {
    try {
      written += writeSync(1, data, written);
    } catch (error) {
      if (errorCode(error) === 'EPIPE') return;
      if (errorCode(error) !== 'EAGAIN') throw fileFailure('write', 'stdout', error);
      pause();
    }
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
