/** prompt-cache get: the value that is kept under a key, byte for byte. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { missSentence, valueJson } from '../../output/prompt-cache.ts';
import { openContext } from '../context.ts';
import { getEntry } from './cache.ts';
import { neededKey } from './input.ts';

/** Exit 0 with the value on stdout, also for an empty one and for `undefined` (which stderr says); 20: there is no entry. */
export async function run(call: Call): Promise<Answer | number> {
  const key = neededKey(call);
  const context = await openContext(call);

  const found = getEntry(context, key);

  const exitCode = found.found ? EXIT.ok : EXIT.warning;
  if (call.json) return { exitCode, json: valueJson(found, Date.now()), lines: [], talk: context.warnings };
  for (const line of context.warnings) call.err(line);
  if (!found.found) call.err(`${call.program}: ${missSentence(found.why)}`);
  else if (found.value === undefined)
    call.err(`${call.program}: there is an entry, and its value is undefined`);
  else process.stdout.write(found.value);
  return exitCode;
}
