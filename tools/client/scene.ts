/** Where does a real client run in a test? A home, a project with our hooks and a state folder of their own, nothing but loopback before it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lease } from '../../lib/model.ts';
import { readExecutable } from '../../lib/probe/executable.ts';
import { scripted, serveMessages, type Script, type SeenRequest } from './messages-api.ts';

export const ROOT = join(import.meta.dirname, '..', '..');

/** The client of CLAUDE_BIN, else of PATH; undefined: there is none here. */
export function findClient(env: NodeJS.ProcessEnv): string | undefined {
  const found = readExecutable(env['CLAUDE_BIN'] || 'claude', env, process.cwd());
  return found.kind === 'missing' ? undefined : found.path;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly stderr: string;
}

export interface Session {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

export interface Scene {
  readonly project: string;
  readonly requests: () => readonly SeenRequest[];
  readonly leases: () => Lease[];
  /** The most shares of sub-agents that were seen at once since the last call of `watch`. */
  readonly watch: () => { readonly most: () => number };
  readonly start: (script: Script, words?: readonly string[]) => Session;
  readonly resume: (session: string, words?: readonly string[]) => Session;
  /** Answer of the client to a command that is no session. */
  readonly ask: (words: readonly string[]) => { readonly code: number | null; readonly text: string };
  /** Answer of a script of ours. */
  readonly ours: (script: string, words: readonly string[]) => string;
  /** A script of ours that starts clients itself, in their environment; answers its exit code and stdout when it has ended. */
  readonly runs: (script: string, words: readonly string[]) => Promise<{ code: number | null; text: string }>;
  readonly client: string;
  readonly close: () => void;
}

/** `rules`: the text of the project's settings file. */
export async function openScene(client: string, rules: string): Promise<Scene> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'claude-pm-client-')));
  const project = join(dir, 'project');
  const state = join(dir, 'state');
  for (const folder of ['home', 'project', 'state']) mkdirSync(join(dir, folder));
  writeFileSync(join(project, '.claude-pm.yaml'), rules);
  const base = { PATH: process.env['PATH'], HOME: join(dir, 'home'), CLAUDE_PM_STATE_DIR: state };
  const ours = (script: string, words: readonly string[]): string => {
    const run = spawnSync(process.execPath, [join(ROOT, 'dist', `${script}.mjs`), ...words], {
      cwd: project,
      env: base,
      encoding: 'utf8',
    });
    if (run.status === 1 || run.status === 2) throw new Error(`${script} ${words.join(' ')}: ${run.stderr}`);
    return run.stdout;
  };
  ours('coordinator-setup', ['install', project]);

  const api = await serveMessages();
  const env = {
    ...base,
    ANTHROPIC_API_KEY: 'no-key',
    ANTHROPIC_BASE_URL: api.url,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    // Root may skip questions only where it says that nothing can be broken.
    IS_SANDBOX: '1',
  };
  const sessions: ChildProcess[] = [];
  const run = (words: readonly string[]): Session => {
    const all = ['-p', ...words, '--output-format', 'json', '--dangerously-skip-permissions'];
    const child = spawn(client, all, { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'] });
    sessions.push(child);
    return { child, ended: endOf(child) };
  };
  const ledger = join(state, 'ledger.json');
  const leases = (): Lease[] =>
    existsSync(ledger) ? (JSON.parse(readFileSync(ledger, 'utf8')) as { leases: Lease[] }).leases : [];
  let seen = 0;
  return {
    project,
    leases,
    ours,
    requests: () => api.requests.slice(seen),
    watch: () => {
      seen = api.requests.length;
      let most = 0;
      const timer = setInterval(() => (most = Math.max(most, leases().length)), 20);
      timer.unref();
      return {
        most: () => {
          clearInterval(timer);
          return most;
        },
      };
    },
    ask: (words) => {
      const { status, stdout } = spawnSync(client, words, { cwd: project, env, encoding: 'utf8' });
      return { code: status, text: stdout };
    },
    client,
    runs: (script, words) => {
      const all = [join(ROOT, 'dist', `${script}.mjs`), ...words];
      const child = spawn(process.execPath, all, { cwd: project, env, stdio: ['ignore', 'pipe', 'inherit'] });
      sessions.push(child);
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk));
      return new Promise((resolve) => child.once('close', (code) => resolve({ code, text })));
    },
    start: (script, words = []) => run([scripted(script), ...words]),
    resume: (session, words = []) => run([...words, '--resume', session]),
    close: () => {
      for (const child of sessions) child.kill('SIGKILL');
      api.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function endOf(child: ChildProcess): Promise<Ended> {
  const text = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => void (text.stdout += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => void (text.stderr += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, result: lastResult(text.stdout), stderr: text.stderr });
    });
  });
}

/** Several results can come, the last counts. */
function lastResult(stdout: string): Ended['result'] {
  for (const line of stdout.trim().split('\n').reverse()) {
    try {
      return JSON.parse(line) as Record<string, unknown>;
    } catch {
      // Talk, or nothing.
    }
  }
  return undefined;
}
