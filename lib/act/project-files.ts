/** Which files does an installation put into a project besides the client's settings, and what do they hold? */
import { dirname, join } from 'node:path';
import { Failure } from '../failure.ts';
import { isThere, readText } from '../files.ts';
import { HOOK_FILE } from '../policy/client-hooks.ts';
import { shellWord } from '../policy/quote.ts';
import { toolkitRoot } from '../probe/toolkit.ts';

/** One file to be put into a project. */
export interface ProjectFile {
  readonly name: string;
  /** From the project's folder. */
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** The scripts that people called by a name of their own before, in the folder where they lay. */
export const WRAPPED = [
  'memory-monitor', 'coordination-memory', 'memory-env', 'memory-retry', 'memory-feedback', 'agent-pool',
  'coordinator-setup', 'start-coordinator',
] as const; // prettier-ignore

export const WRAPPER_DIR = '.claude/scripts/pm';
const SHARED_MODE = 0o644;
const EXECUTABLE_MODE = 0o755;

/** The hook's bundle: beside the bundle that runs now, else the toolkit's own. @throws Failure where it was not built. */
export function readHookBundle(name: 'claude-hook.cjs' | 'claude-hook.mjs'): { path: string; text: string } {
  const path = join(bundleDir(), name);
  const text = readText(path);
  if (text !== undefined) return { path, text };
  throw new Failure(`${path} is missing: run \`npm run build\` in ${toolkitRoot()}`);
}

function bundleDir(): string {
  const started = process.argv[1] === undefined ? undefined : dirname(process.argv[1]);
  const isBundle = started !== undefined && isThere(join(started, 'claude-hook.cjs'));
  return isBundle ? started : join(toolkitRoot(), 'dist');
}

/** Hook, agent and wrappers; `missing` names scripts that this version of the toolkit does not have. */
export function projectFiles(projectDir: string): {
  files: readonly ProjectFile[];
  missing: readonly string[];
} {
  const root = toolkitRoot();
  const agent = readText(join(root, 'agents', 'parallel-worker.md'));
  if (agent === undefined)
    throw new Failure(`${root} has lost agents/parallel-worker.md: install the toolkit again`);
  const scripts = WRAPPED.filter((name) => isThere(join(root, 'scripts', `${name}.ts`)));
  const files: ProjectFile[] = [
    {
      name: 'hook',
      path: `.claude/hooks/${HOOK_FILE}`,
      text: readHookBundle('claude-hook.cjs').text,
      mode: SHARED_MODE,
    },
    { name: 'agent', path: '.claude/agents/parallel-worker.md', text: agent, mode: SHARED_MODE },
    ...scripts.map((name) => ({
      name: `wrapper ${name}`,
      path: `${WRAPPER_DIR}/${name}.sh`,
      text: wrapperText(name, bundleDir(), projectDir),
      mode: EXECUTABLE_MODE,
    })),
  ];
  return { files, missing: WRAPPED.filter((name) => !scripts.includes(name)) };
}

/**
 * A script under its old name, with its arguments as they are. It speaks for the project that it lies in, wherever it is
 * called from, unless the call names another one; plain Node and one file, no npx.
 */
export function wrapperText(name: string, dir: string, projectDir: string): string {
  const bundle = join(dir, `${name}.mjs`);
  return `#!/bin/sh
# ${name} of claude-pm-memory, for this project; made by coordinator-setup install
script=${shellWord(bundle, 'sh')}
if [ ! -f "$script" ]; then
  echo "${name}: $script is gone: run coordinator-setup install again, or npm run build in the toolkit" >&2
  exit 2
fi
project=$(CDPATH= cd -- "$(dirname -- "$0")/../../.." 2>/dev/null && pwd) || project=${shellWord(projectDir, 'sh')}
for word in "$@"; do
  case $word in
    --) break ;;
    --project | --project=*) exec node "$script" "$@" ;;
  esac
done
exec node "$script" --project "$project" "$@"
`;
}
