/** Which NODE_OPTIONS give a command its heap, with the user's own kept? */
import { preloadPath, userOptionsOf } from '../act/prepare.ts';
import type { Settings } from '../settings-model.ts';
import { wantedFlags } from '../policy/environment.ts';
import { mergeNodeOptions } from '../policy/heap.ts';
import { readExecutable } from '../probe/executable.ts';

/**
 * The options for a program in this environment; undefined where a quote of the user's is left open, which Node itself
 * refuses. --expose-gc only where the very Node that we run on is started: older ones refuse it and do not start.
 */
export function nodeOptionsFor(
  program: string,
  env: NodeJS.ProcessEnv,
  cwd: string,
  settings: Settings,
  heapMb: number,
): string | undefined {
  const isOurs = readExecutable(program, env, cwd).path === process.execPath;
  const { flags } = wantedFlags({
    heapMb,
    settings: { ...settings, gcExposure: settings.gcExposure && isOurs },
    preloadPath: preloadPath(),
  });
  return mergeNodeOptions(userOptionsOf(env), flags);
}
