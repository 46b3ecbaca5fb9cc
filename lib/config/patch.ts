/** How is one value of a settings file changed, and nothing else of it: comments, order, quotes, blanks? */
import { isAlias, isMap, isScalar, parseDocument, type Document, type Scalar, type YAMLMap } from 'yaml';
import { Failure } from '../failure.ts';

/** A value and where it belongs: `['agents', 'tester', 'memory']`. */
export interface Change {
  readonly path: readonly [string, ...string[]];
  readonly value: string;
}

/**
 * The text with the values changed. One that is there is replaced in its place; one that is missing goes before the first
 * key of its map; where a map itself is missing the document is written anew, with its comments and its order.
 * @throws Failure (2) where the text is no map of YAML, or a value stands behind an alias.
 */
export function patchSettings(text: string, changes: readonly Change[], name: string): string {
  return changes.reduce((before, change) => patchOne(before, change, name), text);
}

function patchOne(text: string, { path, value }: Change, name: string): string {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error', uniqueKeys: false });
  if (document.errors.length > 0 || (document.contents !== null && !isMap(document.contents)))
    throw new Failure(`${name} is no map of YAML: mend it first; it was left as it is`);
  const parent = document.getIn(path.slice(0, -1), true);
  const before = document.getIn(path, true);
  if (isAlias(before) || isAlias(parent))
    throw new Failure(`${name}: ${path.join('.')} stands behind a YAML alias: change it by hand`);
  if (isScalar(before) && before.range) return spliced(text, before, value);
  const added = isMap(parent) ? withKey(text, parent, path.at(-1) ?? '', value) : undefined;
  return added ?? rewritten(document, path, value);
}

function spliced(text: string, { range }: Scalar, value: string): string {
  if (!range) return text;
  return `${text.slice(0, range[0])}${value}${text.slice(range[1])}`;
}

/** In front of the first key, in its column or, between braces, before it; undefined for a map without keys. */
function withKey(text: string, map: YAMLMap, key: string, value: string): string | undefined {
  const first = map.items[0]?.key;
  if (!isScalar(first) || !first.range) return undefined;
  const at = first.range[0];
  if (map.flow === true) return `${text.slice(0, at)}${key}: ${value}, ${text.slice(at)}`;
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const indent = text.slice(lineStart, at);
  if (indent.trim() !== '') return undefined;
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  return `${text.slice(0, lineStart)}${indent}${key}: ${value}${newline}${text.slice(lineStart)}`;
}

function rewritten(document: Document, path: Change['path'], value: string): string {
  document.setIn([...path], value);
  return document.toString({ lineWidth: 0 });
}
