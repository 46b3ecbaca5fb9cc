/** `memory-env create-files`: writes both environment files, each only if the runtime under it has the heap that was meant. */
import { putEnvFile, type PutResult } from '../../act/env-files.ts';
import { checkPrepared, targetNotes } from '../../act/prepare.ts';
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { ROLES } from '../../policy/environment.ts';
import { MIB } from '../../units.ts';
import { openContext } from '../context.ts';
import { prepareRole, readEnvFile, talkOf } from './common.ts';

/** Answers with what became of each file; 2 where one could not be written or does not hold. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  const prepared = [];
  for (const role of ROLES) prepared.push(await prepareRole(call, context, role));
  const wanted = prepared.map((one) => ({ one, ...readEnvFile(call, context, one) }));

  const force = call.flags['force'] === true;
  const results = wanted.map(({ one, path, text }) => ({
    role: one.environment.role,
    ...putEnvFile(path, text, { force, check: (file) => checkPrepared(one, call.env, file) }),
  }));

  const lines = results.flatMap(({ role, path, state, check }): [string, LineValue][] => {
    const bytes = check?.readings[0]?.heapLimitBytes;
    return [
      [`${role}_env`, path],
      [`${role}_env_state`, state],
      [`${role}_heap_limit_mb`, bytes === undefined ? undefined : Math.round(bytes / MIB)],
    ];
  });
  const faults = results.flatMap((result) => faultOf(result));
  const notes = prepared.flatMap((one) => targetNotes(one, context.settings, context.memory));
  return {
    exitCode: faults.length === 0 ? EXIT.ok : EXIT.mend,
    json: { files: results, notes },
    lines,
    talk: [...talkOf(context, prepared, notes), ...faults],
  };
}

function faultOf({ path, state, check }: PutResult): string[] {
  if (state === 'not-ours')
    return [`${path} was edited or made by somebody else and stays as it is; --force writes over it`];
  if (state === 'not-verified') return [`${path} was not written: ${check?.fault ?? 'it does not hold'}`];
  return [];
}
