/** What do the sub-commands of memory-env share? How a call becomes a request, and what a file on disk is worth. */
import { compareEnvFile, sealedEnvFile, type FileOnDisk } from '../../act/env-text.ts';
import { envDir, envFile, prepareEnvironment, type Prepared, type Request } from '../../act/prepare.ts';
import { Failure } from '../../failure.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import type { Role } from '../../policy/environment.ts';
import type { Context } from '../context.ts';

/** What the call asks for, for one role. */
export function requestOf(call: Call, context: Context, role: Role): Request {
  return {
    role,
    settings: context.settings,
    kind: role === 'agent' ? flagText(call, 'kind') : undefined,
    program: role === 'coordinator' ? flagText(call, 'program') : undefined,
    env: call.env,
    cwd: context.projectDir,
  };
}

/** The environment of a role as it would be now. @throws Failure also where a program that was named is not there. */
export async function prepareRole(call: Call, context: Context, role: Role): Promise<Prepared> {
  const request = requestOf(call, context, role);
  const prepared = await prepareEnvironment(request);
  const named = request.kind ?? request.program;
  const missing = prepared.targets.find(({ executable }) => executable.kind === 'missing');
  if (named !== undefined && missing !== undefined)
    throw new Failure(
      `${missing.name}: program ${shownWord(missing.command)} is missing (${missing.executable.detail ?? 'not found'})`,
    );
  return prepared;
}

/** The environment file of a role, compared with what it would be now. */
export function readEnvFile(call: Call, context: Context, prepared: Prepared): FileOnDisk {
  const { role } = prepared.environment;
  const path = envFile(envDir(context.projectDir, flagText(call, 'dir')), role);
  const text = sealedEnvFile(prepared, requestOf(call, context, role), context.memory);
  return compareEnvFile(path, text);
}

/** Warnings of the settings, and what the environment leaves out. */
export function talkOf(context: Context, prepared: readonly Prepared[], notes: readonly string[]): string[] {
  const left = prepared.flatMap(({ environment }) =>
    environment.leftOut.map(({ what, reason }) => `${environment.role}: left out ${what}: ${reason}`),
  );
  return [...new Set([...context.warnings, ...left, ...notes])];
}
