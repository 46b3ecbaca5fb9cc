/** What is written where in a settings file? The neutral form of its text, and the quick reader for plain files. */

/** A piece of a settings file; `line` counts from 1. */
export type Tree =
  | { readonly kind: 'scalar'; readonly line: number; readonly text: string }
  | { readonly kind: 'empty'; readonly line: number }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly Tree[] }
  | { readonly kind: 'map'; readonly line: number; readonly entries: readonly Entry[] }
  /** Something that settings do not use; `what` says what, for people. */
  | { readonly kind: 'other'; readonly line: number; readonly what: string };

export interface Entry {
  readonly key: string;
  /** Where the key stands. */
  readonly line: number;
  readonly value: Tree;
}

const SKIPPED = /^ *(?:#.*)?$/;
const HEADER = /^([a-z_]+):(?: +#.*| *)$/;
const PAIR = /^( {2})?([a-z_]+): +([A-Za-z0-9][A-Za-z0-9.%_]*)(?: +#.*| *)$/;

/**
 * The entries of a file that holds nothing but sections, keys indented by two blanks and bare words; undefined for
 * anything else, which then takes the full reader. Loading the yaml package is 65 ms of CPU through tsx, a third of
 * what a cold call may cost; the form in which we ship the file does not need it.
 */
export function readPlainFile(text: string): readonly Entry[] | undefined {
  if (/[\r\t\uFEFF]/.test(text)) return undefined;
  const sections: { key: string; line: number; inner?: Entry[]; value?: Tree }[] = [];
  let open: Entry[] | undefined;
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1;
    if (SKIPPED.test(content)) continue;
    const header = HEADER.exec(content)?.[1];
    if (header !== undefined) {
      open = [];
      sections.push({ key: header, line, inner: open });
      continue;
    }
    const [, indent, key, word] = PAIR.exec(content) ?? [];
    if (key === undefined || word === undefined || /^null$/i.test(word)) return undefined;
    const value: Tree = { kind: 'scalar', line, text: word };
    if (indent === undefined) {
      open = undefined;
      sections.push({ key, line, value });
    } else if (open === undefined) return undefined;
    else open.push({ key, line, value });
  }
  return sections.map(({ key, line, inner, value }) => ({
    key,
    line,
    value: value ?? sectionOf(line, inner),
  }));
}

function sectionOf(line: number, entries: readonly Entry[] = []): Tree {
  return entries.length === 0 ? { kind: 'empty', line } : { kind: 'map', line, entries };
}
