/** How does a small program of a test start as quickly as it can? Bundled once into one file, run by plain Node. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

/** Bundles test/fixtures/NAME.ts into a folder; answers the file. */
export function bundleFixture(name: string, dir: string): string {
  const outfile = join(dir, `${name}.mjs`);
  buildSync({
    entryPoints: [join(import.meta.dirname, '..', 'fixtures', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    logLevel: 'warning',
  });
  return outfile;
}

/** How a program ended, with all that it wrote. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly stdout: () => string;
  readonly ended: Promise<ProgramEnd>;
}

/** Starts a bundled program with an empty environment. */
export function startFixture(file: string, args: readonly string[]): Program {
  const child = spawn(process.execPath, [file, ...args], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk: string) => void (text[name] += chunk));
  const ended = new Promise<ProgramEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { child, pid: child.pid ?? 0, stdout: () => text.stdout, ended };
}
