/** What do the sub-commands of coordinator-setup share? The files of a project's setup, and how items are told. */
import { compareEnvFile, sealedEnvFile, type FileOnDisk } from '../../act/env-text.ts';
import { envDir, envFile, prepareEnvironment, type Prepared } from '../../act/prepare.ts';
import type { ExitCode } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import type { Role } from '../../policy/environment.ts';
import type { Context } from '../context.ts';

export interface Prepare {
  readonly prepared: Prepared;
  readonly file: FileOnDisk;
}

/** The environment of a role for all programs of the project, and its file on disk. */
export async function prepareFile(call: Call, context: Context, role: Role): Promise<Prepare> {
  const { settings, projectDir, memory } = context;
  const prepared = await prepareEnvironment({
    role,
    settings,
    kind: undefined,
    program: undefined,
    env: call.env,
    cwd: projectDir,
  });
  const text = sealedEnvFile(prepared, { settings, kind: undefined }, memory);
  return { prepared, file: compareEnvFile(envFile(envDir(projectDir, undefined), role), text) };
}

/** One line of an answer: a thing, what it is or became, and more about it. */
export interface ItemLine {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly hint?: string;
}

/** `NAME:STATE DETAIL` a line; hints are talk. */
export function answerItems(items: readonly ItemLine[], exitCode: ExitCode, talk: readonly string[]): Answer {
  const hints = items.flatMap(({ name, hint }) => (hint === undefined ? [] : [`${name}: ${hint}`]));
  return {
    exitCode,
    json: { items },
    lines: items.map(({ name, state, detail }) => [name, `${state} ${detail}`]),
    table: () =>
      renderTable(
        ['item', 'state', 'detail'],
        items.map(({ name, state, detail }) => [name, state, detail]),
      ),
    talk: [...talk, ...hints],
  };
}
