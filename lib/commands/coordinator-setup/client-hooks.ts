/** How do our hooks get into the settings of a project's coding client, and out of them again to the byte? */
import { join } from 'node:path';
import { settingsEnv, withOurHooks, withoutOurHooks } from '../../act/client-settings.ts';
import { ensureDir, fileMode, readText, realPath, removeFile, replaceFile } from '../../files.ts';
import { hookEntries } from '../../policy/client-hooks.ts';
import type { Settings } from '../../settings-model.ts';
import type { InstallRecord } from '../../state/install-record.ts';
import type { ItemLine } from './common.ts';

const SHARED_MODE = 0o644;

/** The client's settings of a project; behind a link the file that it leads to. */
export function clientSettings(projectDir: string): string {
  const path = join(projectDir, '.claude', 'settings.json');
  return realPath(path) ?? path;
}

/** What became of the client's settings, and what must be remembered to take it back. */
export interface ChangedSettings {
  readonly item: ItemLine;
  readonly settings: InstallRecord['settings'];
  readonly env: Readonly<Record<string, string>>;
  readonly talk: readonly string[];
}

/** What the hooks of a project are made from. */
export interface HookFacts {
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly settings: Pick<Settings, 'gate' | 'agentHeapMb'>;
  readonly record: InstallRecord | undefined;
  /** What `node` shall start, as the client expands it. */
  readonly hook: string;
}

/** Puts the hooks into the client's settings, with the heap of the tools that sub-agents start. */
export function putHooks({ projectDir, env: own, settings, record, hook }: HookFacts): ChangedSettings {
  const path = clientSettings(projectDir);
  const before = readText(path);
  // Where nothing but ours was changed since, ours is made anew from what was there before it.
  const isUntouched = record?.settings !== undefined && record.settings.after === before;
  const base = isUntouched ? record.settings.before : before;
  const { env, talk } = toolVariables(own, settings.agentHeapMb, base);
  const text = withOurHooks(base ?? '', path, { entries: hookEntries(settings.gate, hook), env });
  const item: ItemLine = {
    name: 'client_settings',
    state: before === text ? 'kept' : before === undefined ? 'created' : 'updated',
    detail: path,
  };
  if (before !== text) {
    ensureDir(join(projectDir, '.claude'));
    replaceFile(path, text, { mode: fileMode(path) ?? SHARED_MODE, durable: true });
  }
  // A text that had our hooks before the first record of ours is no state to go back to.
  const known = isUntouched ? record.settings : { before: base, after: text };
  return { item, settings: { ...known, after: text }, env, talk };
}

/** Programs below the client read NODE_OPTIONS, the client itself does not; somebody's own are not ours to change. */
function toolVariables(
  own: NodeJS.ProcessEnv,
  heapMb: number,
  base: string | undefined,
): Pick<ChangedSettings, 'env' | 'talk'> {
  const wanted = `--max-old-space-size=${heapMb}`;
  const set = base === undefined ? undefined : settingsEnv(base)['NODE_OPTIONS'];
  const others =
    typeof set === 'string' ? set : own['CLAUDE_PM_ENV'] === undefined ? own['NODE_OPTIONS'] : undefined;
  if (others === undefined || others === '' || others === wanted)
    return { env: { NODE_OPTIONS: wanted }, talk: [] };
  return {
    env: {},
    talk: [
      `NODE_OPTIONS is set already: add ${wanted} to it, so that no tool of a sub-agent takes more heap than that`,
    ],
  };
}

/** Takes our hooks out again; undefined where there are no settings. */
export function takeHooks(projectDir: string, record: InstallRecord | undefined): ItemLine | undefined {
  const path = clientSettings(projectDir);
  const text = readText(path);
  if (text === undefined) return undefined;
  const item = { name: 'client_settings', detail: path };
  const saved = record?.settings;
  if (saved?.after === text) {
    if (saved.before === undefined) {
      removeFile(path);
      return { ...item, state: 'removed' };
    }
    replaceFile(path, saved.before, { mode: fileMode(path) ?? SHARED_MODE, durable: true });
    return { ...item, state: 'restored' };
  }
  const without = withoutOurHooks(text, path, record?.env ?? {});
  if (without === text) return { ...item, state: 'kept', detail: `${path}: nothing of ours is in it` };
  replaceFile(path, without, { mode: fileMode(path) ?? SHARED_MODE, durable: true });
  return {
    ...item,
    state: 'updated',
    detail: `${path}: ours is out of it, what else was changed since stays`,
  };
}
