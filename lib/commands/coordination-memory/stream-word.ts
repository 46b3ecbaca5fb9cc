/** Which stream does a word on the command line mean, where no list of streams is at hand? */
import { Failure } from '../../failure.ts';
import { checkName, shown, streamKey } from '../../names.ts';

/**
 * The key of `EPIC/ISSUE/STREAM`, of `ISSUE/STREAM`, or of a letter alone, whose issue is `0`.
 * @throws Failure (2) for anything else, another epic's stream included.
 */
export function readStreamKey(epic: string, word: string): string {
  const parts = word.split('/');
  const id = checkName('stream', parts.pop() ?? '');
  const issue = checkName('issue', parts.pop() ?? '0');
  const [named = epic, ...more] = parts.reverse();
  if (named !== epic || more.length > 0) {
    throw new Failure(`"${shown(word)}" is no stream of epic ${epic}: write ISSUE/STREAM`);
  }
  return streamKey(epic, issue, id);
}
