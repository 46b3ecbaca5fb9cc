/** What is written in a settings file that needs all of YAML? Loaded only for such files. */
import { LineCounter, Lexer, Parser, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, Scalar } from 'yaml';
import type { Entry, Tree } from './tree.ts';

/** Our deepest key is agents.KIND.env.NAME: three levels below its section. */
const DEEPEST = 6;
const MOST_FAULTS = 5;
/** Collections that may be open at once, of any section. */
const MOST_OPEN = 200;

/** What the file holds; with faults its entries are not to be trusted. */
export interface YamlFile {
  readonly entries: readonly Entry[];
  readonly faults: readonly { readonly line: number; readonly text: string }[];
}

/**
 * Reads YAML 1.2 without ever expanding it: aliases stay aliases, so a bomb of them stays small, and numbers keep the
 * text in which they were written (`0x10` is not 16 here).
 */
export function readYamlFile(text: string): YamlFile {
  const lines = new LineCounter();
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line || 1;
  const document = parse(text, lines);
  if (document === undefined) return { entries: [], faults: [{ line: 1, text: 'is nested too deeply' }] };
  const faults = document.errors.slice(0, MOST_FAULTS).map((error) => ({
    line: lineAt(error.pos[0]),
    text: `is no valid YAML: ${error.message.split('\n')[0] ?? error.code}`,
  }));
  if (faults.length > 0) return { entries: [], faults };

  const root = toTree(document.contents, 1, 0, lineAt);
  if (root.kind === 'map') return { entries: root.entries, faults };
  if (root.kind === 'empty') return { entries: [], faults };
  return {
    entries: [],
    faults: [{ line: root.line, text: 'must be a map of sections, as in `thresholds:`' }],
  };
}

function parse(text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  if (isTooDeep(text)) return undefined;
  // Unique keys are our own check: the package's is quadratic, and foreign sections are none of our business.
  return parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
}

/**
 * Composing recurses, and near the end of the stack V8 ends the whole process while it compiles a regular expression
 * (200 000 times `[`: "RegExpCompiler Allocation failed"), which nobody can catch. The token parser does not recurse.
 */
function isTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    Array.from(parser.next(lexeme));
    if (parser.stack.length > MOST_OPEN) return true;
  }
  return false;
}

/** A scalar as it was written; only a key that is left out has no source. */
function textOf(scalar: Scalar): string {
  return scalar.source ?? '';
}

function toTree(node: unknown, line: number, depth: number, lineAt: (offset?: number) => number): Tree {
  if (node === null || node === undefined) return { kind: 'empty', line };
  if (depth > DEEPEST) return { kind: 'other', line, what: 'something nested too deeply' };
  if (isAlias(node)) return { kind: 'other', line, what: 'a YAML alias; write the value out' };
  if (isScalar(node)) {
    const own = lineAt(node.range?.[0]);
    if (node.value === null) return { kind: 'empty', line: own };
    return { kind: 'scalar', line: own, text: textOf(node) };
  }
  if (isSeq(node)) {
    const own = lineAt(node.range?.[0]);
    return {
      kind: 'list',
      line: own,
      items: node.items.map((item) => toTree(item, own, depth + 1, lineAt)),
    };
  }
  if (!isMap(node)) return { kind: 'other', line, what: 'something that is no value' };
  const entries = node.items.map((pair): Entry => {
    const keyLine = isScalar(pair.key) ? lineAt(pair.key.range?.[0]) : line;
    const key = isScalar(pair.key) ? textOf(pair.key) : '?';
    return { key, line: keyLine, value: toTree(pair.value, keyLine, depth + 1, lineAt) };
  });
  return { kind: 'map', line: lineAt(node.range?.[0]), entries };
}
