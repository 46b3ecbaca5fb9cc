/** prompt-cache set: keeps a value under a key, or under its own digest. */
import { EXIT, Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { setAnswer } from '../../output/prompt-cache.ts';
import { contentKey } from '../../state/cache-entries.ts';
import { openContext } from '../context.ts';
import { setEntry } from './cache.ts';
import { keyOf, valueOf } from './input.ts';

/** Exit 0; 30 where it is larger than the whole cache, which then stays as it is. */
export async function run(call: Call): Promise<Answer> {
  const named = keyOf(call);
  const context = await openContext(call);
  const value = await valueOf(call, context.settings.promptCache.maxBytes);
  if (named === undefined && value === undefined) throw new Failure('set --undefined needs a KEY');

  const key = named ?? contentKey(value ?? new Uint8Array());
  const stored = setEntry(context, key, value);

  const shownKey = typeof key === 'string' ? key : undefined;
  return setAnswer(stored, shownKey, stored.stored ? EXIT.ok : EXIT.critical, context.warnings);
}
