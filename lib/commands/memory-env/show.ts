/** `memory-env show`: which environment would each role get now? */
import { targetNotes } from '../../act/prepare.ts';
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { ROLES } from '../../policy/environment.ts';
import { openContext } from '../context.ts';
import { prepareRole, readEnvFile, talkOf } from './common.ts';

/** Answers with heap, limit, NODE_OPTIONS and the state of the file of both roles. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  const prepared = [];
  for (const role of ROLES) prepared.push(await prepareRole(call, context, role));
  const files = prepared.map((one) => readEnvFile(call, context, one));
  const notes = prepared.flatMap((one) => targetNotes(one, context.settings, context.memory));

  const lines: [string, LineValue][] = [];
  const json = prepared.map(({ environment, runtimes }, at) => {
    const { role, heapMb, limitBytes, variables, leftOut } = environment;
    const limitMb = Math.floor(limitBytes / 1024 ** 2);
    const file = files[at];
    lines.push([`${role}_heap_mb`, heapMb], [`${role}_limit_mb`, limitMb]);
    lines.push([`${role}_node_options`, Object.fromEntries(variables)['NODE_OPTIONS']]);
    lines.push([`${role}_env`, file?.path], [`${role}_env_state`, file?.state]);
    return {
      role,
      heapMb,
      limitMb,
      variables: Object.fromEntries(variables),
      leftOut,
      runtimes: runtimes.map(({ path, version }) => ({ path, version })),
      file: { path: file?.path, state: file?.state },
    };
  });
  return {
    exitCode: EXIT.ok,
    json: { roles: json, notes },
    lines,
    table: () =>
      renderTable(
        ['role', 'heap', 'limit', 'NODE_OPTIONS', 'file'],
        json.map(({ role, heapMb, limitMb, variables, file }) => [
          role,
          `${heapMb} MB`,
          `${limitMb} MB`,
          variables['NODE_OPTIONS'] ?? '',
          `${file.path ?? ''} (${file.state ?? ''})`,
        ]),
      ),
    talk: talkOf(context, prepared, notes),
  };
}
