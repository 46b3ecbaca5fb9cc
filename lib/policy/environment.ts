/** Which variables does a coordinator or an agent get, and which limit really holds for its program? */
import type { Executable } from '../model.ts';
import type { AgentKind, Settings } from '../settings-model.ts';
import { MIB, formatBytes } from '../units.ts';
import { ceilingBytes, type CeilingKind } from './ceiling.ts';
import { PRELOAD_NAME, agentHeapMb, agentLimitBytes, mergeNodeOptions } from './heap.ts';
import { envFileValue, setLine, unsetLine, type Shell } from './quote.ts';

export type Role = 'coordinator' | 'agent';

export const ROLES = ['coordinator', 'agent'] as const satisfies readonly Role[];

/** Something that was asked for and is not in the environment, or holds less than one would think. */
export interface Omission {
  readonly what: string;
  readonly reason: string;
}

/** What each runtime answered that has to live under this environment. */
export interface RuntimeAnswer {
  readonly path: string;
  readonly version: string | undefined;
  readonly refused: readonly { readonly flag: string; readonly message: string }[];
}

export interface EnvironmentFacts {
  readonly role: Role;
  readonly settings: Settings;
  /** The kind whose own figures count; undefined: those of the settings. */
  readonly kind: AgentKind | undefined;
  /** Whether a program that it is for takes heap flags: then the hard limit leaves room for the heap. */
  readonly takesHeap: boolean;
  /** Absolute path of the preload behind optimize_for_size; undefined: it is not there. */
  readonly preloadPath: string | undefined;
  readonly runtimes: readonly RuntimeAnswer[];
  /** NODE_OPTIONS of the user, without anything of ours. */
  readonly userOptions: string;
  /** CLAUDE_PM_STATE_DIR where it is set: who works under this environment must keep the same ledger. */
  readonly stateDir: string | undefined;
}

export interface Environment {
  readonly role: Role;
  readonly heapMb: number;
  readonly limitBytes: number;
  /** Our words of NODE_OPTIONS. */
  readonly flags: readonly string[];
  readonly variables: readonly (readonly [name: string, value: string])[];
  readonly leftOut: readonly Omission[];
}

/** Heap in MB and hard limit in bytes of one role. The coordinator's limit is its share of the machine. */
export function roleFigures(
  role: Role,
  settings: Settings,
  kind: AgentKind | undefined,
  takesHeap: boolean,
): { heapMb: number; limitBytes: number } {
  return role === 'coordinator'
    ? { heapMb: settings.coordinatorHeapMb, limitBytes: settings.coordinatorMemoryBytes }
    : {
        heapMb: agentHeapMb(settings, kind),
        limitBytes: agentLimitBytes(settings, kind, undefined, takesHeap),
      };
}

/** The words of NODE_OPTIONS that the settings ask for, before any runtime was asked, and what has no form in it. */
export function wantedFlags(facts: {
  readonly heapMb: number;
  readonly settings: Pick<Settings, 'gcExposure' | 'optimizeForSize'>;
  readonly preloadPath: string | undefined;
}): { flags: string[]; leftOut: Omission[] } {
  const flags = [`--max-old-space-size=${facts.heapMb}`];
  const leftOut: Omission[] = [];
  if (facts.settings.gcExposure) flags.push('--expose-gc');
  if (facts.settings.optimizeForSize) {
    const fault = preloadFault(facts.preloadPath);
    if (fault === undefined) flags.push(`--require=${facts.preloadPath ?? ''}`);
    else leftOut.push({ what: 'optimize_for_size', reason: fault });
  }
  return { flags, leftOut };
}

function preloadFault(path: string | undefined): string | undefined {
  if (path === undefined)
    return `its preload, env/${PRELOAD_NAME} of the toolkit, is missing: install the toolkit again`;
  const quoted = mergeNodeOptions('', [`--require=${path}`]);
  if (quoted === undefined || envFileValue(quoted) === undefined)
    return 'the path of the toolkit holds characters that an environment file cannot hold: move the toolkit';
  return undefined;
}

/** The environment of one role; undefined where the user's NODE_OPTIONS is one that Node itself refuses to split. */
export function planEnvironment(facts: EnvironmentFacts): Environment | undefined {
  const { role, settings, kind } = facts;
  const { heapMb, limitBytes } = roleFigures(role, settings, kind, facts.takesHeap);
  const wanted = wantedFlags({ heapMb, settings, preloadPath: facts.preloadPath });
  const refused = facts.runtimes.flatMap((runtime) =>
    runtime.refused.map(({ flag, message }) => ({ flag, message, runtime })),
  );
  const flags = wanted.flags.filter((flag) => !refused.some((other) => other.flag === flag));
  const nodeOptions = mergeNodeOptions(facts.userOptions, flags);
  if (nodeOptions === undefined) return undefined;

  const variables: [string, string][] = [
    ['CLAUDE_PM_ENV', role],
    ['CLAUDE_PM_HEAP_MB', String(heapMb)],
    ['CLAUDE_PM_LIMIT_MB', String(Math.floor(limitBytes / MIB))],
    ['CLAUDE_PM_BASE_NODE_OPTIONS', facts.userOptions],
    ['NODE_OPTIONS', nodeOptions],
  ];
  if (facts.stateDir !== undefined) variables.push(['CLAUDE_PM_STATE_DIR', facts.stateDir]);
  return {
    role,
    heapMb,
    limitBytes,
    flags,
    variables,
    leftOut: [
      ...wanted.leftOut,
      ...refused.map(({ flag, message, runtime }) => ({
        what: flag,
        reason: `${runtime.path} ${runtime.version ?? ''} refuses it: ${message}`,
      })),
    ],
  };
}

/** Whether the program at the end of a command takes V8's heap flags from NODE_OPTIONS. */
export function takesHeapFlags(executable: Pick<Executable, 'kind'>): boolean {
  return executable.kind === 'node';
}

/** A limit that holds for a program, or the want of one. */
export interface HoldingLimit {
  readonly name: 'heap' | 'hard-limit' | 'kernel-ceiling' | 'cgroup' | 'none';
  readonly text: string;
}

/**
 * Which limits hold for a program of this kind, the one that strikes first before the others. V8's heap holds only in
 * Node; the hard limit holds for what a run of ours started, while it watches; the kernel's ceiling for the same, also
 * when nobody watches any more; a cgroup holds for all in it together.
 */
export function judgeHolding(facts: {
  readonly role: Role;
  readonly executable: Executable;
  readonly settings: Settings;
  readonly heapMb: number;
  readonly limitBytes: number;
  readonly cgroup: { readonly name: string; readonly totalBytes: number } | undefined;
  /** What this machine gives a run's agents; absent where nobody tried. */
  readonly ceiling?: CeilingKind;
}): HoldingLimit[] {
  const limits: HoldingLimit[] = [];
  if (takesHeapFlags(facts.executable))
    limits.push({
      name: 'heap',
      text: `V8's heap of ${facts.heapMb} MB, in this program and its Node tools`,
    });
  const watched = facts.role === 'agent' && facts.settings.monitoringEnabled;
  if (watched)
    limits.push({
      name: 'hard-limit',
      text: `the hard limit of ${formatBytes(facts.limitBytes)} for its whole process tree, held by the watchdog of a run`,
    });
  if (watched && facts.ceiling !== undefined && facts.ceiling !== 'none')
    limits.push({
      name: 'kernel-ceiling',
      text: `the kernel's ceiling of ${formatBytes(ceilingBytes(facts.limitBytes))} for the same tree, a ${facts.ceiling} of its own in a run`,
    });
  if (facts.cgroup)
    limits.push({
      name: 'cgroup',
      text: `${formatBytes(facts.cgroup.totalBytes)} of cgroup ${facts.cgroup.name}, for all that runs in it together`,
    });
  return limits.length > 0
    ? limits
    : [{ name: 'none', text: 'no limit holds for this program but the machine' }];
}

/** Why heap flags do not hold for a program; undefined where they do. */
export function heapNote(executable: Executable): string | undefined {
  if (takesHeapFlags(executable)) return undefined;
  if (executable.kind === 'missing') return 'its program was not found';
  const interpreter = `a program for ${executable.detail ?? 'another interpreter'}`;
  const what =
    executable.kind === 'native'
      ? 'a native binary'
      : executable.kind === 'bun'
        ? 'a Bun program'
        : interpreter;
  return `${what}: it ignores V8's heap flags, NODE_OPTIONS still bounds the Node tools that it starts`;
}

/** One line without control characters, lest it end early, and without quotes, which not every reader skips in comments. */
function comment(text: string): string {
  return `# ${text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').replace(/['"`]/g, '’')}`;
}

/**
 * An environment file: `export NAME='value'`, one a line, which sh, bash, zsh and `node --env-file` read alike. Nothing
 * in it depends on when it was made. Values without a form that all readers share are left out and named.
 */
export function envFileText(
  environment: Environment,
  origin: string,
  notes: readonly string[],
): { text: string; leftOut: Omission[] } {
  const leftOut: Omission[] = [];
  const lines: string[] = [];
  for (const [name, value] of environment.variables) {
    const written = envFileValue(value);
    if (written === undefined)
      leftOut.push({
        what: name,
        reason: 'its value has no form that shells and node --env-file read alike',
      });
    else lines.push(`export ${name}=${written}`);
  }
  const told = [...environment.leftOut, ...leftOut].map(({ what, reason }) => `left out: ${what}: ${reason}`);
  return { text: [origin, ...notes, ...told].map(comment).concat(lines, '').join('\n'), leftOut };
}

/** Shell code that sets the environment. */
export function setupCode(environment: Environment, shell: Shell): string {
  return environment.variables.map(([name, value]) => `${setLine(name, value, shell)}\n`).join('');
}

/** Variables that only we set; CLAUDE_PM_STATE_DIR is written only where the user has set it, and so stays. */
const OURS = [
  'CLAUDE_PM_ENV',
  'CLAUDE_PM_HEAP_MB',
  'CLAUDE_PM_LIMIT_MB',
  'CLAUDE_PM_BASE_NODE_OPTIONS',
] as const;

/** Shell code that takes our environment back and restores the user's NODE_OPTIONS. */
export function resetCode(userOptions: string, shell: Shell): string {
  const restored =
    userOptions === '' ? unsetLine('NODE_OPTIONS', shell) : setLine('NODE_OPTIONS', userOptions, shell);
  return [restored, ...OURS.map((name) => unsetLine(name, shell)), ''].join('\n');
}
