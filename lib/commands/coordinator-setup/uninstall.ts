/** `coordinator-setup uninstall [PROJECT]`: takes back what install made, the client's settings to the byte where nothing else was changed in them since. */
import { join } from 'node:path';
import { projectFiles } from '../../act/project-files.ts';
import { EXIT } from '../../failure.ts';
import { isThere, listDir, readText, removeFile, removeTree } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { SETTINGS_FILE } from '../../config/load.ts';
import { gateSettingsPath } from '../../state/gate-settings.ts';
import { digestOf, readInstallRecord, removeInstallRecord } from '../../state/install-record.ts';
import { takeHooks } from './client-hooks.ts';
import { answerItems, type ItemLine } from './common.ts';
import { ofProject } from './install.ts';
import { run as reset } from './reset.ts';

const FOLDERS = ['.claude/hooks', '.claude/agents', '.claude/scripts/pm', '.claude/scripts'] as const;

/** Answers with what was removed and what was kept, and why. Works without a record, too: then what is ours is known by its text. */
export function run(given: Call): Answer {
  const call = ofProject(given);
  const { projectDir } = call;
  const record = readInstallRecord(projectDir);

  // The settings first: hooks whose file is gone would fail at every call.
  const items: (ItemLine | undefined)[] = [takeHooks(projectDir, record)];
  const ours = new Map(Object.entries(record?.files ?? {}));
  for (const { path, text } of projectFiles(projectDir).files)
    if (!ours.has(path)) ours.set(path, digestOf(text));
  for (const [path, digest] of ours) items.push(takeFile(projectDir, path, digest));
  removeFile(gateSettingsPath(projectDir));
  removeInstallRecord(projectDir);
  for (const folder of FOLDERS) removeEmpty(join(projectDir, folder));
  const { json } = reset({ ...call, flags: {} });
  const rest = (json as { readonly items: ItemLine[] }).items;
  return answerItems([...items.filter((item) => item !== undefined), ...rest], EXIT.ok, []);
}

function takeFile(projectDir: string, path: string, digest: string): ItemLine | undefined {
  const full = join(projectDir, path);
  const text = readText(full);
  if (text === undefined) return undefined;
  const name = path === SETTINGS_FILE ? 'settings_file' : path.slice(path.lastIndexOf('/') + 1);
  if (digestOf(text) !== digest)
    return { name, state: 'kept', detail: `${full}: it was edited or made by somebody else` };
  removeFile(full);
  return { name, state: 'removed', detail: full };
}

function removeEmpty(path: string): void {
  if (isThere(path) && listDir(path).length === 0) removeTree(path);
}
