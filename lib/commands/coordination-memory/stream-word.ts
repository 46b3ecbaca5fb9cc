/** Which stream does a word on the command line mean, where no list of streams is at hand? */
import { checkName } from '../../names.ts';

/** `ISSUE/STREAM`, or a letter alone, which gets the issue `-`… as `0`. @throws Failure (2) for anything else. */
export function readStreamWord(word: string): { issue: string; id: string } {
  const parts = word.split('/');
  const [first = '', second] = parts.length > 2 ? parts.slice(-2) : parts;
  return second === undefined
    ? { issue: '0', id: checkName('stream', first) }
    : { issue: checkName('issue', first), id: checkName('stream', second) };
}
