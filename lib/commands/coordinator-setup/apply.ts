/** `coordinator-setup apply`: makes what a project lacks, and changes nothing that is there and somebody's own. */
import { join } from 'node:path';
import { putEnvFile } from '../../act/env-files.ts';
import { checkPrepared, targetNotes } from '../../act/prepare.ts';
import { defaultFile } from '../../config/document.ts';
import { SETTINGS_FILE } from '../../config/load.ts';
import { EXIT } from '../../failure.ts';
import { createFile, ensureDir, isThere, readText } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { ROLES } from '../../policy/environment.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { answerItems, prepareFile, type ItemLine } from './common.ts';

/** A settings file is shared with whoever works on the project, unlike our state. */
const SHARED_MODE = 0o644;

/** Answers with what became of each item: created, updated, kept, or a fault (2). */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  const files = [];
  for (const role of ROLES) files.push(await prepareFile(call, context, role));

  const items = [
    makeFolder('state_dir', context.stateDir()),
    makeFolder('logs_dir', projectPaths(context.projectDir).logsDir),
    makeSettings(join(context.projectDir, SETTINGS_FILE)),
    ...files.map(({ prepared, file }): ItemLine => {
      const { state, check } = putEnvFile(file.path, file.text, {
        force: false,
        check: (path) => checkPrepared(prepared, call.env, path),
      });
      const name = `${prepared.environment.role}_env`;
      if (state === 'not-verified')
        return { name, state, detail: file.path, hint: `not written: ${check?.fault ?? 'it does not hold'}` };
      if (state === 'not-ours')
        return {
          name,
          state,
          detail: file.path,
          hint: 'edited or made by somebody else, left as it is; `memory-env create-files --force` writes over it',
        };
      return { name, state, detail: file.path };
    }),
  ];

  const bad = items.some(({ state }) => state === 'not-verified' || state === 'not-ours');
  const notes = files.flatMap(({ prepared }) => targetNotes(prepared, context.settings, context.memory));
  const talk = [...context.warnings, ...new Set(notes), ...ignoreHint(context.projectDir)];
  return answerItems(items, bad ? EXIT.mend : EXIT.ok, talk);
}

function makeFolder(name: string, path: string): ItemLine {
  const state = isThere(path) ? 'kept' : 'created';
  ensureDir(path);
  return { name, state, detail: path };
}

function makeSettings(path: string): ItemLine {
  const state = createFile(path, defaultFile(), SHARED_MODE) ? 'created' : 'kept';
  return { name: 'settings_file', state, detail: path };
}

/** Said, not done: what a repository ignores is its people's decision. */
function ignoreHint(projectDir: string): string[] {
  if (!isThere(join(projectDir, '.git'))) return [];
  const ignored = new Set(
    (readText(join(projectDir, '.gitignore')) ?? '').split(/\r?\n/).map((line) => line.trim()),
  );
  const missing = ['.claude-pm/', '.claude/env/', '.claude/logs/'].filter(
    (line) => !ignored.has(line) && !ignored.has(`/${line}`),
  );
  return missing.length === 0
    ? []
    : [`runs, logs and environments are no sources; add to .gitignore: ${missing.join(' ')}`];
}
