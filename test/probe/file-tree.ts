/** How does a test get a file tree that stands for `/`? */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';

/** A path ending in `/` is a folder, which stands for a file that is there but can't be read, also by root. */
export type Files = Readonly<Record<string, string>>;

/** Gives the function that makes trees; after each test they are removed. */
export function useFileTrees(): (files: Files, links?: Files) => string {
  const made: string[] = [];
  afterEach(() => {
    for (const root of made.splice(0)) rmSync(root, { recursive: true, force: true });
  });
  return (files, links = {}) => {
    const root = mkdtempSync(join(tmpdir(), 'probe-'));
    made.push(root);
    writeFiles(root, files);
    for (const [path, target] of Object.entries(links)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      symlinkSync(target, join(root, path));
    }
    return root;
  };
}

export function writeFiles(root: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true });
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
}

/** /proc/PID/stat in the kernel's form; resident memory in pages. */
export function statLine(facts: {
  pid: number;
  comm?: string;
  state?: string;
  parent?: number;
  group?: number;
  session?: number;
  start?: number;
  pages?: number;
}): string {
  const {
    pid,
    comm = 'worker',
    state = 'S',
    parent = 1,
    group = pid,
    session = pid,
    start = 100,
    pages = 10,
  } = facts;
  const middle = '0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0';
  return `${pid} (${comm}) ${state} ${parent} ${group} ${session} ${middle} ${start} 999424 ${pages} 18446744073709551615 1 1 0\n`;
}
