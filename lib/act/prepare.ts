/** What is the environment of this role here, for the programs that will live in it? Asks their runtimes, then plans. */
import { join, resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { isThere } from '../files.ts';
import type { Executable, MemorySnapshot } from '../model.ts';
import type { AgentKind, Settings } from '../settings-model.ts';
import {
  heapNote,
  judgeHolding,
  planEnvironment,
  roleFigures,
  takesHeapFlags,
  wantedFlags,
  type Environment,
  type Role,
} from '../policy/environment.ts';
import { PRELOAD_NAME, userNodeOptions } from '../policy/heap.ts';
import { shellFor, type Shell } from '../policy/quote.ts';
import { askNode, type NodeAnswer } from '../probe/ask-node.ts';
import { readExecutable } from '../probe/executable.ts';
import { toolkitRoot } from '../probe/toolkit.ts';
import { checkEnvFile, checkEnvironment, type HeapCheck } from './env-files.ts';

/** A program that will live in the environment. */
export interface Target {
  /** `coordinator`, or the kind of agent. */
  readonly name: string;
  readonly command: string;
  readonly executable: Executable;
}

/** A Node that was asked, with what it answered. */
export interface Runtime extends NodeAnswer {
  readonly path: string;
}

export interface Prepared {
  readonly environment: Environment;
  readonly runtimes: readonly Runtime[];
  readonly targets: readonly Target[];
}

export interface Request {
  readonly role: Role;
  readonly settings: Settings;
  /** The one kind of agent that it is for; undefined: for all kinds in the settings. */
  readonly kind: string | undefined;
  /** The coordinator's program, where it is known. */
  readonly program: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** The programs of a role. A kind without a command only bounds streams that bring their own. @throws Failure for an unknown kind. */
export function readTargets(request: Request): Target[] {
  const { role, settings, kind, program, env, cwd } = request;
  const target = (name: string, command: string): Target => ({
    name,
    command,
    executable: readExecutable(command, env, cwd),
  });
  if (role === 'coordinator') return program === undefined ? [] : [target('coordinator', program)];
  const kinds = kind === undefined ? [...settings.agents] : [[kind, findKind(settings, kind)] as const];
  return kinds.flatMap(([name, { command }]) => (command[0] === undefined ? [] : [target(name, command[0])]));
}

function findKind(settings: Settings, name: string): AgentKind {
  const kind = settings.agents.get(name);
  if (kind !== undefined) return kind;
  const known = [...settings.agents.keys()].join(', ');
  throw new Failure(
    `no kind ${JSON.stringify(name)} in the settings; agents: has ${known === '' ? 'none' : known}`,
  );
}

/** The Node that tools find: the one in PATH, else the one that runs us. */
export function toolsNode(env: NodeJS.ProcessEnv, cwd: string): string {
  const found = readExecutable('node', env, cwd);
  return found.kind === 'node' ? found.path : process.execPath;
}

/** Where the preload behind optimize_for_size lies; undefined where this copy of the toolkit has lost it. */
export function preloadPath(): string | undefined {
  const path = join(toolkitRoot(), 'env', PRELOAD_NAME);
  return isThere(path) ? path : undefined;
}

/** Where the environment files of a project lie: `.claude/env`, and `env` in the toolkit's own folder. */
export function envDir(projectDir: string, chosen: string | undefined): string {
  if (chosen !== undefined) return resolve(chosen);
  return resolve(projectDir) === toolkitRoot()
    ? join(toolkitRoot(), 'env')
    : join(projectDir, '.claude', 'env');
}

/** The environment file of a role in that folder. */
export function envFile(dir: string, role: Role): string {
  return join(dir, `${role}.env`);
}

/** The user's NODE_OPTIONS in these variables, without what an environment of ours put there. */
export function userOptionsOf(env: NodeJS.ProcessEnv): string {
  return userNodeOptions({
    nodeOptions: env['NODE_OPTIONS'],
    base: env['CLAUDE_PM_BASE_NODE_OPTIONS'],
    heapMb: env['CLAUDE_PM_HEAP_MB'],
  });
}

/**
 * Asks every Node that will live under the environment which flags it takes, and plans with those that all of them take.
 * Where no program is Node, the Node that tools find is asked: it is what the flags are for then.
 * @throws Failure for an unknown kind, a Node that does not start, or a NODE_OPTIONS of the user's that Node refuses.
 */
export async function prepareEnvironment(request: Request): Promise<Prepared> {
  const { role, settings, env, cwd } = request;
  const targets = readTargets(request);
  const nodes = targets.filter(({ executable }) => takesHeapFlags(executable));
  const paths = new Set(nodes.map(({ executable }) => executable.path));
  if (paths.size === 0) paths.add(toolsNode(env, cwd));

  const kind = request.kind === undefined ? undefined : settings.agents.get(request.kind);
  const takesHeap = nodes.length > 0 || targets.length === 0;
  const preload = preloadPath();
  const { heapMb } = roleFigures(role, settings, kind, takesHeap);
  const { flags } = wantedFlags({ heapMb, settings, preloadPath: preload });
  const runtimes: Runtime[] = [];
  for (const path of paths) runtimes.push({ path, ...(await askNode(path, flags)) });

  const environment = planEnvironment({
    role,
    settings,
    kind,
    takesHeap,
    preloadPath: preload,
    runtimes,
    userOptions: userOptionsOf(env),
    stateDir: env['CLAUDE_PM_STATE_DIR'] || undefined,
  });
  if (environment === undefined)
    throw new Failure(
      'NODE_OPTIONS holds a quote or an escape that is left open; mend it, Node refuses it too',
    );
  return { environment, runtimes, targets };
}

/** The variables of the plan on top of the present ones. */
export function appliedTo(env: NodeJS.ProcessEnv, environment: Environment): NodeJS.ProcessEnv {
  return { ...env, ...Object.fromEntries(environment.variables) };
}

/** Starts each runtime under the environment; with a file, as that file is read. The first that does not hold, else the last. */
export function checkPrepared(prepared: Prepared, env: NodeJS.ProcessEnv, file?: string): HeapCheck {
  const { environment } = prepared;
  const applied = appliedTo(env, environment);
  let check: HeapCheck | undefined;
  for (const { path: runtime, version } of prepared.runtimes) {
    const nodeOptions = applied['NODE_OPTIONS'] ?? '';
    const question = { runtime, version, heapMb: environment.heapMb, nodeOptions, env };
    check =
      file === undefined ? checkEnvironment({ ...question, env: applied }) : checkEnvFile(file, question);
    if (!check.holds) return check;
  }
  if (check === undefined) throw new Error('an environment is always planned for at least one runtime');
  return check;
}

/** What has to be said of the programs under an environment: whose heap flags do not hold, and what does. */
export function targetNotes(prepared: Prepared, settings: Settings, memory: MemorySnapshot): string[] {
  const { role, heapMb } = prepared.environment;
  return prepared.targets.flatMap(({ name, command, executable }) => {
    const note = heapNote(executable);
    if (note === undefined) return [];
    const who = role === 'coordinator' ? `coordinator ${command}` : `kind ${name}, ${command}`;
    if (executable.kind === 'missing') return [`${who}: ${note}`];
    const { limitBytes } = roleFigures(role, settings, settings.agents.get(name), false);
    const holding = judgeHolding({
      role,
      executable,
      settings,
      heapMb,
      limitBytes,
      cgroup: cgroupOf(memory),
    });
    const held = holding.some(({ name }) => name === 'none') ? '' : 'what holds: ';
    return [`${who}, is ${note}; ${held}${holding.map(({ text }) => text).join('; ')}`];
  });
}

/** The innermost cgroup that bounds us. */
export function cgroupOf(memory: MemorySnapshot): { name: string; totalBytes: number } | undefined {
  return memory.bounds.find(({ kind }) => kind === 'cgroup');
}

const SHELLS = ['sh', 'bash', 'zsh', 'fish'] as const satisfies readonly Shell[];

/** The shell to print for: the one that was named, else the login shell. @throws Failure for one that we have no words for. */
export function chooseShell(named: string | undefined, env: NodeJS.ProcessEnv): Shell {
  if (named === undefined) return shellFor(env['SHELL']);
  const shell = SHELLS.find((name) => name === named);
  if (shell === undefined) throw new Failure(`--shell ${JSON.stringify(named)}: one of ${SHELLS.join(', ')}`);
  return shell;
}
