/** `coordinator-setup validate`: is everything there, and does it hold? */
import { join } from 'node:path';
import { checkPrepared, preloadPath, toolsNode } from '../../act/prepare.ts';
import { EXIT, Failure, type ExitCode } from '../../failure.ts';
import { createFile, isThere, removeFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { ROLES, heapNote } from '../../policy/environment.ts';
import { worstState, type Item, type ItemState } from '../../policy/setup.ts';
import { leanCommand } from '../../probe/toolkit.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext, type Context } from '../context.ts';
import { answerItems, prepareFile, type Prepare } from './common.ts';
import { hookItems } from './hook-items.ts';

const CODES = { ok: EXIT.ok, warning: EXIT.warning, fault: EXIT.mend } satisfies Record<ItemState, ExitCode>;

/** Answers item by item with what to do; nothing is left behind. @throws Failure (2) with every fault of the settings. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  const files = [];
  for (const role of ROLES) files.push(await prepareFile(call, context, role));
  const items = [
    settingsItem(context),
    folderItem('state_dir', context.stateDir()),
    folderItem('logs_dir', projectPaths(context.projectDir).logsDir),
    ...files.map((one) => fileItem(one, call)),
    ...(files.at(-1)?.prepared.targets ?? []).map((target): Item => {
      const note = heapNote(target.executable);
      const missing = target.executable.kind === 'missing';
      return {
        name: `agent ${target.name}`,
        state: missing ? 'fault' : 'ok',
        detail: `${target.command}: ${note ?? `node ${target.executable.path}`}`,
        ...(missing && { hint: 'install it or mend its command in the settings' }),
      };
    }),
    ...hookItems(call, context),
    preloadItem(context),
    leanItem(),
    {
      name: 'node',
      state: 'ok',
      detail: `${process.version}, tools find ${toolsNode(call.env, call.projectDir)}`,
    },
  ] satisfies Item[];

  return answerItems(items, CODES[worstState(items)], context.warnings);
}

function settingsItem({ files, values, settings }: Context): Item {
  const found = files.filter((file) => file.found).map(({ path }) => path);
  return {
    name: 'settings',
    state: 'ok',
    detail: `${values.length} values, profile ${settings.profile}, from ${found.length === 0 ? 'defaults alone' : found.join(', ')}`,
  };
}

/** Writes a file and removes it: rights alone do not tell of a read-only or full disk. */
function folderItem(name: string, path: string): Item {
  if (!isThere(path))
    return {
      name,
      state: 'warning',
      detail: `${path} is missing`,
      hint: '`coordinator-setup apply` makes it',
    };
  const trial = join(path, `.writable-${process.pid}.tmp`);
  try {
    createFile(trial, '');
    removeFile(trial);
    return { name, state: 'ok', detail: `${path} is writable` };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { name, state: 'fault', detail: `${path} is not writable`, hint: error.message };
  }
}

function fileItem({ prepared, file }: Prepare, call: Call): Item {
  const name = `${prepared.environment.role}_env`;
  const { path, state } = file;
  if (state === 'missing')
    return {
      name,
      state: 'warning',
      detail: `${path} is missing`,
      hint: '`coordinator-setup apply` makes it',
    };
  if (state === 'changed' || state === 'foreign')
    return {
      name,
      state: 'warning',
      detail: `${path} was edited or made by somebody else`,
      hint: 'nothing is known of it; `memory-env create-files --force` makes it ours',
    };
  if (state === 'stale')
    return {
      name,
      state: 'warning',
      detail: `${path} was made from other settings or another NODE_OPTIONS`,
      hint: '`coordinator-setup apply` renews it',
    };
  const { fault, readings } = checkPrepared(prepared, call.env, path);
  if (fault !== undefined) return { name, state: 'fault', detail: path, hint: fault };
  const limitMb = Math.round((readings[0]?.heapLimitBytes ?? 0) / 1024 ** 2);
  return { name, state: 'ok', detail: `${path}, heap limit ${limitMb} MB in force` };
}

function preloadItem({ settings }: Context): Item {
  const path = preloadPath();
  if (!settings.optimizeForSize) return { name: 'optimize_for_size', state: 'ok', detail: 'off' };
  if (path !== undefined) return { name: 'optimize_for_size', state: 'ok', detail: path };
  return {
    name: 'optimize_for_size',
    state: 'fault',
    detail: 'its preload is missing',
    hint: 'install the toolkit again, or set node_options.optimize_for_size to false',
  };
}

function leanItem(): Item {
  const words = leanCommand('start-coordinator');
  if (!words.includes('--import')) return { name: 'lean_start', state: 'ok', detail: words.join(' ') };
  return {
    name: 'lean_start',
    state: 'warning',
    detail: `${words.join(' ')}: tsx as a loader`,
    hint: '`npm run build` in the toolkit makes the bundle, which takes half the memory',
  };
}
