/** Is this generated file still as we made it? Its last line holds a digest of the lines above, so no list of files is kept. */
import { createHash } from 'node:crypto';

const SEAL = /^# made by claude-pm, unchanged while this fits: ([0-9a-f]{16})\n$/;

export type SealState = 'unchanged' | 'changed' | 'foreign';

function digest(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 16);
}

/** The text with its seal as the last line. A file whose comments begin with `#`. */
export function sealText(body: string): string {
  return `${body}# made by claude-pm, unchanged while this fits: ${digest(body)}\n`;
}

/** `changed`: made by us, then edited; `foreign`: made by somebody else. Only what is unchanged may be replaced or removed unasked. */
export function judgeSeal(text: string): SealState {
  const start = text.lastIndexOf('\n# made by claude-pm, ') + 1;
  const found = SEAL.exec(text.slice(start));
  if (found?.[1] === undefined || start === 0)
    return text.includes('# made by claude-pm, unchanged while') ? 'changed' : 'foreign';
  return found[1] === digest(text.slice(0, start)) ? 'unchanged' : 'changed';
}
