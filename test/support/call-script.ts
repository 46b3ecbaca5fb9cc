/** How does a test call a script as its users do? A project, a home and a state folder of its own, and real processes. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface World {
  readonly project: string;
  readonly state: string;
  readonly env: NodeJS.ProcessEnv;
  /** The words that start a script of ours. */
  readonly words: (script: string) => string[];
  readonly call: (script: string, args: readonly string[], env?: NodeJS.ProcessEnv) => Ended;
  /** Runs a line in a shell that starts with the world's variables alone. */
  readonly shell: (shell: string, line: string, args?: readonly string[], env?: NodeJS.ProcessEnv) => Ended;
  readonly remove: () => void;
}

/** A world with a project of this name; names with quotes and blanks are welcome. */
export function makeWorld(name = 'project'): World {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'script-')));
  const project = join(dir, name);
  const home = join(dir, 'home');
  mkdirSync(project);
  mkdirSync(home);
  const state = join(dir, 'state');
  const env = { PATH: process.env['PATH'], HOME: home, CLAUDE_PM_STATE_DIR: state, SHELL: '/bin/sh' };
  const words = (script: string): string[] => [process.execPath, join(inject('bundleDir'), `${script}.mjs`)];
  const run = (all: readonly string[], extra: NodeJS.ProcessEnv = {}): Ended => {
    const [file = '', ...args] = all;
    return spawnSync(file, args, {
      cwd: project,
      env: { ...env, ...extra },
      encoding: 'utf8',
      timeout: 50_000,
      // A socket at stdin makes bash read its start-up file.
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  return {
    project,
    state,
    env,
    words,
    call: (script, args, extra) => run([...words(script), ...args], extra),
    shell: (shell, line, args = [], extra = {}) => run([shell, '-c', line, shell, ...args], extra),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** The same script from its sources, through tsx. */
export function callSource(world: World, script: string, args: readonly string[]): Ended {
  return spawnSync(
    process.execPath,
    [
      '--import',
      join(ROOT, 'node_modules', 'tsx', 'dist', 'loader.mjs'),
      join(ROOT, 'scripts', `${script}.ts`),
      ...args,
    ],
    { cwd: world.project, env: world.env, encoding: 'utf8', timeout: 50_000 },
  );
}

/** Whether this shell is installed. */
export function hasShell(shell: string): boolean {
  return spawnSync(shell, ['-c', 'exit 0'], { stdio: 'ignore' }).status === 0;
}
