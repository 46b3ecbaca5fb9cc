/** `coordinator-setup install [PROJECT]`: puts hooks, agent, wrappers, environment and settings into a project, once and only what is missing. */
import { join, resolve } from 'node:path';
import { withOurHooks } from '../../act/client-settings.ts';
import { projectFiles, readHookBundle, type ProjectFile } from '../../act/project-files.ts';
import { fittedFile } from '../../config/fitted.ts';
import { SETTINGS_FILE } from '../../config/load.ts';
import { EXIT, Failure } from '../../failure.ts';
import { createFile, isThere, readText, replaceFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { AGENT_PROGRAMS } from '../../policy/agent-programs.ts';
import { HOOK_FILE } from '../../policy/client-hooks.ts';
import { readExecutable } from '../../probe/executable.ts';
import {
  digestOf,
  readInstallRecord,
  writeInstallRecord,
  type InstallRecord,
} from '../../state/install-record.ts';
import { refreshGateRules } from '../claude-hook/refresh.ts';
import { openContext } from '../context.ts';
import { run as apply } from './apply.ts';
import { clientSettings, putHooks } from './client-hooks.ts';
import { answerItems, type ItemLine } from './common.ts';

const SHARED_MODE = 0o644;
/** As the client expands it, so that the settings can be shared. */
const HOOK_IN_PROJECT = `\${CLAUDE_PROJECT_DIR}/.claude/hooks/${HOOK_FILE}`;

/** Answers with what became of each item; a second call changes nothing. @throws Failure (2) before anything is changed where the client's settings cannot be read. */
export async function run(given: Call): Promise<Answer> {
  const call = ofProject(given);
  const path = clientSettings(call.projectDir);
  // Everything that could refuse does so before the first change.
  const before = readText(path);
  const record = readInstallRecord(call.projectDir);
  const { files, missing } = projectFiles(call.projectDir);
  withOurHooks(before ?? '', path, { entries: [], env: {} });

  const fitted = await makeFitted(call);
  const context = await openContext(call);
  const applied = itemsOf(await apply(call));
  const kept = files.map((file) => putFile(call.projectDir, file, record));
  // systeminformation, which stands in for /proc elsewhere, is found from the toolkit's own folder only.
  const hook = process.platform === 'linux' ? HOOK_IN_PROJECT : readHookBundle('claude-hook.mjs').path;
  const changed = putHooks({
    projectDir: call.projectDir,
    env: call.env,
    settings: context.settings,
    record,
    hook,
  });
  await refreshGateRules({ ...context, env: call.env });
  writeInstallRecord(call.projectDir, {
    files: {
      ...record?.files,
      ...Object.fromEntries(
        kept.flatMap(({ digest, path: file }) => (digest === undefined ? [] : [[file, digest]])),
      ),
      ...(fitted.digest !== undefined && { [SETTINGS_FILE]: fitted.digest }),
    },
    settings: changed.settings,
    env: { ...record?.env, ...changed.env },
  });

  const items = [
    ...applied.filter(({ name }) => name !== 'settings_file'),
    fitted.item,
    ...kept,
    changed.item,
  ];
  const isBad = items.some(({ state }) => state === 'not-ours' || state === 'not-verified');
  const talk = [
    ...context.warnings,
    ...(missing.length > 0
      ? [`no wrappers for ${missing.join(', ')}: this version of the toolkit has no such scripts`]
      : []),
    ...changed.talk,
    'a session that runs already reads its hooks when it starts again; `coordinator-setup validate` tries them now',
  ];
  return answerItems(items, isBad ? EXIT.mend : EXIT.ok, talk);
}

/** The project may be named as a word, as people do, or by --project. */
export function ofProject(call: Call): Call {
  const [word] = call.args;
  if (word === undefined) return call;
  if (call.flags['project'] !== undefined) throw new Failure(`name the project once: ${word}, or --project`);
  return { ...call, projectDir: resolve(word) };
}

function itemsOf({ json }: Answer): ItemLine[] {
  return (json as { readonly items: ItemLine[] }).items;
}

async function makeFitted(call: Call): Promise<{ item: ItemLine; digest: string | undefined }> {
  const path = join(call.projectDir, SETTINGS_FILE);
  const item = (state: string): ItemLine => ({ name: 'settings_file', state, detail: path });
  if (isThere(path)) return { item: item('kept'), digest: undefined };
  const { values, memory } = await openContext(call);
  const kinds = AGENT_PROGRAMS.map((program) => {
    const found = readExecutable(program.name, call.env, call.projectDir);
    return { ...program, path: found.kind === 'missing' ? undefined : found.path };
  });
  const text = fittedFile(values, memory.totalBytes, kinds);
  createFile(path, text, SHARED_MODE);
  return { item: item('created'), digest: digestOf(text) };
}

/** What somebody else wrote or changed stays as it is. */
function putFile(
  projectDir: string,
  { name, path, text, mode }: ProjectFile,
  record: InstallRecord | undefined,
): ItemLine & { readonly path: string; readonly digest: string | undefined } {
  const full = join(projectDir, path);
  const before = readText(full);
  const item = { name, path, detail: full };
  if (before === text) return { ...item, state: 'kept', digest: digestOf(text) };
  if (before !== undefined && record?.files[path] !== digestOf(before))
    return {
      ...item,
      state: 'not-ours',
      digest: undefined,
      hint: 'edited or made by somebody else, left as it is; move it away to have ours',
    };
  replaceFile(full, text, { mode });
  return { ...item, state: before === undefined ? 'created' : 'updated', digest: digestOf(text) };
}
