/** Does a systemd manager here give a scope with a memory limit, and by which words? */
import { spawnSync } from 'node:child_process';
import { isThere } from '../files.ts';
import { ceilingBytes } from '../policy/ceiling.ts';
import { findEnclosingGroups, parseOwnGroups } from '../probe/cgroup-path.ts';
import { readWholeFile, unlessHidden } from '../probe/proc.ts';

/** A manager that was tried and gave what was asked. */
export interface ScopeMaker {
  /** The group in which the manager makes its scopes, as a folder. */
  readonly parentFolder: string;
  readonly reason: string;
  /** The words that run `words` in a scope of this name; systemd-run executes them in its own place, so the pid stays. */
  readonly wordsFor: (name: string, limitBytes: number | undefined, words: readonly string[]) => string[];
}

interface Dialect {
  /** From 254 on: else `$` in an agent's words might be expanded. Before 253 scopes had no OOMPolicy. */
  readonly expand: boolean;
  readonly oomPolicy: boolean;
}

/** Newest first; the first that systemd-run takes is it. */
const DIALECTS: readonly Dialect[] = [
  { expand: true, oomPolicy: true },
  { expand: false, oomPolicy: true },
  { expand: false, oomPolicy: false },
];

const TRY_LIMIT_BYTES = 64 * 1024 ** 2;
const TRY_TIMEOUT_MS = 2000;

/**
 * Words of systemd-run. OOMPolicy=continue: the kernel ends the largest process at the ceiling and the others go on, so that
 * an agent whose tool was killed lives to read exit 137 (`kill` ends the whole scope). Source: systemd.scope(5), systemd-run(1).
 */
export function scopeWords(
  manager: '--user' | '--system',
  { expand, oomPolicy }: Dialect,
  name: string,
  limitBytes: number | undefined,
  words: readonly string[],
): string[] {
  const properties =
    limitBytes === undefined
      ? []
      : [`MemoryHigh=${limitBytes}`, `MemoryMax=${ceilingBytes(limitBytes)}`, 'MemorySwapMax=0'];
  if (oomPolicy) properties.push('OOMPolicy=continue');
  return [
    'systemd-run',
    manager,
    '--scope',
    '--quiet',
    '--collect',
    ...(expand ? ['--expand-environment=no'] : []),
    `--unit=${name}`,
    ...properties.flatMap((property) => ['-p', property]),
    '--',
    ...words,
  ];
}

/** Asks the user's manager, for root the system's. Without its socket nothing is started: the answer costs nothing then. */
export function trySystemdScope(facts: {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly uid: number;
  readonly root: string;
}): ScopeMaker | { readonly refusal: string } {
  const { name, env, uid, root } = facts;
  const manager = uid === 0 ? '--system' : '--user';
  const runtimeDir = uid === 0 ? '/run' : (env['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`);
  const who = uid === 0 ? 'systemd is not the init system here' : 'no systemd user manager answers here';
  if (!isThere(`${root}${runtimeDir}/systemd/private`)) return { refusal: who };

  let told = '';
  for (const dialect of DIALECTS) {
    const [program = '', ...words] = scopeWords(manager, dialect, `${name}.scope`, TRY_LIMIT_BYTES, [
      '/bin/cat',
      '/proc/self/cgroup',
    ]);
    const { stdout, stderr, status, error } = spawnSync(program, words, {
      env,
      encoding: 'utf8',
      timeout: TRY_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (error !== undefined) return { refusal: `systemd-run cannot be used (${error.message})` };
    if (status !== 0) {
      told = stderr.trim().split('\n')[0] ?? '';
      continue;
    }
    const parentFolder = parentOf(stdout, `${name}.scope`, root);
    if (parentFolder === undefined)
      return { refusal: 'the manager makes scopes, but none with a memory controller' };
    return {
      parentFolder,
      reason: `scopes of the ${uid === 0 ? 'system' : "user's"} systemd manager`,
      wordsFor: (scope, limitBytes, agentWords) =>
        scopeWords(manager, dialect, scope, limitBytes, agentWords),
    };
  }
  return { refusal: `systemd-run makes no scope: ${told.slice(0, 200)}` };
}

/** The folder above the scope in which the trial said it was, if limits of memory count there. */
function parentOf(ownGroups: string, scope: string, root: string): string | undefined {
  const own = parseOwnGroups(ownGroups).find(({ version }) => version === 2)?.name;
  if (own?.endsWith(`/${scope}`) !== true) return undefined;
  const parent = own.slice(0, -scope.length - 1) || '/';
  const place = findEnclosingGroups(root, `0::${parent}\n`)[0];
  if (place?.name !== parent) return undefined;
  const controllers = unlessHidden(() => readWholeFile(`${place.folder}/cgroup.subtree_control`)) ?? '';
  return controllers.trim().split(' ').includes('memory') ? place.folder : undefined;
}
