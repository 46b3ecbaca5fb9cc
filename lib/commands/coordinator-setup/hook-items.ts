/** Are the hooks of a project's coding client what its settings ask for, and do they answer? For `validate`. */
import { join } from 'node:path';
import { ourHooks, withOurHooks } from '../../act/client-settings.ts';
import { tryHooks, type TriedHook } from '../../act/hook-trial.ts';
import { readHookBundle } from '../../act/project-files.ts';
import { Failure } from '../../failure.ts';
import { readText } from '../../files.ts';
import type { Call } from '../../flags.ts';
import { HOOK_FILE, hookEntries } from '../../policy/client-hooks.ts';
import type { Item } from '../../policy/setup.ts';
import type { Context } from '../context.ts';
import { clientSettings } from './client-hooks.ts';

/** Nothing is wrong where nothing is installed. */
export function hookItems({ projectDir, env }: Call, { settings }: Context): Item[] {
  const name = 'claude_hooks';
  const path = clientSettings(projectDir);
  const text = readText(path);
  try {
    const hooks =
      text === undefined ? [] : ourHooks(text, path).map(({ event, hook }) => triedHook(event, hook));
    if (text === undefined || hooks.length === 0)
      return [{ name, state: 'ok', detail: 'not installed; `coordinator-setup install` does it' }];
    const trials = tryHooks(hooks, projectDir, env);
    const bad = trials.filter(({ problem }) => problem !== undefined);
    const slowestMs = Math.max(...trials.map(({ tookMs }) => tookMs));
    return [
      ...bad.map(({ event, problem }): Item => ({
        name: `hook ${event}`,
        state: 'fault',
        detail: problem ?? '',
        hint: '`coordinator-setup install` puts it right where it is ours',
      })),
      ...(bad.length === 0
        ? [
            {
              name,
              state: 'ok' as const,
              detail: `${trials.length} events answered, the slowest in ${slowestMs} ms`,
            },
          ]
        : []),
      ...stale(path, text, hooks, { projectDir, settings }),
    ];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [{ name, state: 'fault', detail: error.message }];
  }
}

function triedHook(event: string, hook: Record<string, unknown>): TriedHook {
  const args = Array.isArray(hook['args']) ? hook['args'].map(String) : [];
  const seconds = typeof hook['timeout'] === 'number' ? hook['timeout'] : 60;
  return { event, command: String(hook['command']), args, timeoutMs: seconds * 1000 };
}

/** Hooks that were made from other settings, and a bundle of another version. */
function stale(
  path: string,
  text: string,
  hooks: readonly TriedHook[],
  { projectDir, settings }: Pick<Context, 'projectDir' | 'settings'>,
): Item[] {
  const hint = '`coordinator-setup install` renews it';
  const items: Item[] = [];
  const file = hooks[0]?.args[0] ?? '';
  if (withOurHooks(text, path, { entries: hookEntries(settings.gate, file), env: {} }) !== text)
    items.push({
      name: 'client_settings',
      state: 'warning',
      detail: `${path}: its hooks were made from other settings`,
      hint,
    });
  const installed = readText(join(projectDir, '.claude', 'hooks', HOOK_FILE));
  if (installed !== undefined && installed !== readHookBundle('claude-hook.cjs').text)
    items.push({ name: 'hook', state: 'warning', detail: 'the installed hook is of another version', hint });
  return items;
}
