/** `coordinator-setup reset`: takes back what apply made, as far as nobody changed it since. */
import { join, resolve } from 'node:path';
import { envDir, envFile } from '../../act/prepare.ts';
import { judgeSeal } from '../../act/seal.ts';
import { STARTUP_NAME } from '../../act/startup-script.ts';
import { defaultFile } from '../../config/document.ts';
import { SETTINGS_FILE } from '../../config/load.ts';
import { EXIT } from '../../failure.ts';
import { listDir, isThere, readText, removeFile, removeTree } from '../../files.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { ROLES } from '../../policy/environment.ts';
import { toolkitRoot } from '../../probe/toolkit.ts';
import { projectPaths } from '../../state/paths.ts';
import { answerItems, type ItemLine } from './common.ts';

/** Answers with what was removed and what was kept, and why. Reads no settings: it must work where they are damaged. */
export function run(call: Call): Answer {
  const { projectDir } = call;
  const paths = projectPaths(projectDir);
  const dir = envDir(projectDir, undefined);

  const isSealed = (text: string): boolean => judgeSeal(text) === 'unchanged';
  const items = [
    ...ROLES.map((role) => removeOurs(`${role}_env`, envFile(dir, role), isSealed)),
    // The toolkit's own copy came with it, not from apply.
    resolve(projectDir) === toolkitRoot()
      ? undefined
      : removeOurs('settings_file', join(projectDir, SETTINGS_FILE), (text) => text === defaultFile()),
    removeOurs('startup_script', join(resolve(flagText(call, 'dir') ?? projectDir), STARTUP_NAME), isSealed),
    removeFolder('env_dir', dir),
    removeFolder('logs_dir', paths.logsDir),
    removeFolder('logs_root', join(projectDir, '.claude-pm', 'logs')),
    removeFolder('project_dir', join(projectDir, '.claude-pm')),
    removeFolder('claude_dir', join(projectDir, '.claude')),
    { name: 'state_dir', state: 'kept', detail: 'it is shared by all projects of this user' },
  ];
  return answerItems(
    items.filter((item) => item !== undefined),
    EXIT.ok,
    [],
  );
}

function removeOurs(name: string, path: string, isOurs: (text: string) => boolean): ItemLine | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  if (!isOurs(text))
    return { name, state: 'kept', detail: `${path}: it was edited or made by somebody else` };
  removeFile(path);
  return { name, state: 'removed', detail: path };
}

function removeFolder(name: string, path: string): ItemLine | undefined {
  if (!isThere(path)) return undefined;
  if (listDir(path).length > 0) return { name, state: 'kept', detail: `${path}: it is not empty` };
  removeTree(path);
  return { name, state: 'removed', detail: path };
}
