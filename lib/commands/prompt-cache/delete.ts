/** prompt-cache delete: removes what is kept under a key. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { openContext } from '../context.ts';
import { deleteEntry } from './cache.ts';
import { neededKey } from './input.ts';

/** Exit 0, also where there was nothing: it is gone either way. */
export async function run(call: Call): Promise<Answer> {
  const key = neededKey(call);
  const context = await openContext(call);

  const deleted = deleteEntry(context, key);

  return {
    exitCode: EXIT.ok,
    json: { deleted },
    lines: [['deleted', deleted]],
    table: () => (deleted ? 'Deleted.' : 'There was no such entry.'),
    talk: context.warnings,
  };
}
