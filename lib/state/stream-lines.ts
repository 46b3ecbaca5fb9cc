/** Which streams do lines on stdin describe? */
import { createHash } from 'node:crypto';
import { cleanText } from '../names.ts';
import { COMMAND_KIND, readAmounts, wordFault } from './drafts.ts';
import type { Draft, Fault } from './drafts.ts';

const TITLE_CHARS = 200;

/**
 * One stream per line that is not blank: a command for the shell. Its id is a digest of the line's text (`3f2a…`, for
 * repeats `3f2a…-2`, `-3`), so a resumed run knows it in whatever order the lines come.
 */
export function parseLines(text: string, name: string): { drafts: Draft[]; faults: Fault[] } {
  const drafts: Draft[] = [];
  const faults: Fault[] = [];
  const seen = new Map<string, number>();
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const command = raw.trim();
    if (command === '') continue;
    const source = `${name}:${index + 1}`;
    const fault = wordFault(command);
    if (fault !== undefined) faults.push({ source, message: `this line ${fault}` });
    const digest = createHash('sha256').update(command).digest('hex').slice(0, 12);
    const count = (seen.get(digest) ?? 0) + 1;
    seen.set(digest, count);
    drafts.push({
      issue: name,
      id: count === 1 ? digest : `${digest}-${count}`,
      title: cleanText(command, TITLE_CHARS) || digest,
      kind: COMMAND_KIND,
      command,
      prompt: undefined,
      cwd: undefined,
      env: {},
      dependsOn: [],
      conflictsWith: [],
      ...readAmounts({}, () => undefined),
      source,
    });
  }
  return { drafts, faults };
}
