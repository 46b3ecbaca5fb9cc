/** Which streams does a YAML or JSON file describe? Every fault with its line. */
import { isAbsolute, normalize, relative, resolve } from 'node:path';
import type * as Yaml from 'yaml';
import type { Node, YAMLMap } from 'yaml';
import { cleanText, nameFault, shown } from '../names.ts';
import { COMMAND_KIND, PROMPT_KIND, readAmounts, wordFault } from './drafts.ts';
import type { Draft, Fault, Reference } from './drafts.ts';

const KEYS = [
  'id', 'stream', 'issue', 'title', 'kind', 'command', 'prompt', 'cwd', 'env', 'depends_on', 'conflicts_with',
  'memory', 'limit', 'heap', 'expected',
]; // prettier-ignore

/** The issue of streams that name none. */
const NO_ISSUE = '0';
const TITLE_CHARS = 200;

interface Reading {
  readonly yaml: Omit<typeof Yaml, 'default'>;
  readonly projectDir: string;
  readonly faults: Fault[];
  /** `file:line` of a node. */
  readonly at: (node: unknown) => string;
}

/**
 * Reads `[{id, …}]` or `{streams: […]}`; JSON is YAML. All scalars are taken as text, so `id: 001` stays `001`.
 * `file` is the name for messages; `cwd` of a stream must lie in the project.
 */
export async function parseStreamsFile(
  text: string,
  file: string,
  projectDir: string,
): Promise<{ drafts: Draft[]; faults: Fault[] }> {
  // The default: of a CommonJS package a bundle has no other names.
  const { default: yaml } = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text.replace(/^\uFEFF/, ''), {
    schema: 'failsafe',
    lineCounter: lines,
  });
  const faults: Fault[] = document.errors.map((error) => ({
    source: `${file}:${lines.linePos(error.pos[0]).line}`,
    message: cleanText(error.message.split('\n')[0] ?? '', 200),
  }));
  if (faults.length > 0) return { drafts: [], faults };
  const at = (node: unknown): string => {
    const range = yaml.isNode(node) ? node.range : undefined;
    return `${file}:${range ? lines.linePos(range[0]).line : 1}`;
  };
  const reading: Reading = { yaml, projectDir, faults, at };
  let list: unknown = document.contents;
  if (yaml.isMap(list)) {
    for (const { key } of list.items) checkKey(key, ['streams'], reading);
    list = list.get('streams', true);
  }
  if (!yaml.isSeq(list)) {
    if (faults.length === 0)
      faults.push({
        source: at(list ?? document.contents),
        message: 'no list of streams: write "- id: A" or "streams:" with such a list below',
      });
    return { drafts: [], faults };
  }
  const drafts = list.items.flatMap((node) => readStream(node, reading) ?? []);
  return { drafts, faults };
}

function checkKey(
  key: unknown,
  allowed: readonly string[],
  { yaml, faults, at }: Reading,
): string | undefined {
  const name = yaml.isScalar(key) ? String(key.value) : '';
  if (allowed.includes(name)) return name;
  faults.push({
    source: at(key),
    message: `unknown key "${shown(name)}" (there is ${allowed.join(', ')})`,
    meant: { text: name, candidates: allowed },
  });
  return undefined;
}

/** The values of one entry by key; what is empty, `~` or `null` counts as not written. */
function readEntry(node: YAMLMap, reading: Reading): Map<string, Node> {
  const entry = new Map<string, Node>();
  for (const { key, value } of node.items) {
    const name = checkKey(key, KEYS, reading);
    if (name === undefined || !reading.yaml.isNode(value)) continue;
    if (reading.yaml.isAlias(value))
      reading.faults.push({
        source: reading.at(value),
        message: `${name}: aliases are not taken here, write it out`,
      });
    else if (!isNothing(value, reading)) entry.set(name, value);
  }
  return entry;
}

function isNothing(node: unknown, { yaml }: Reading): boolean {
  return yaml.isScalar(node) && node.type === 'PLAIN' && ['', '~', 'null'].includes(String(node.value));
}

function readStream(node: unknown, reading: Reading): Draft | undefined {
  const { yaml, faults, at } = reading;
  const source = at(node);
  if (!yaml.isMap(node)) {
    faults.push({ source, message: 'a stream is a map: write "- id: A" and its other keys below' });
    return undefined;
  }
  const entry = readEntry(node, reading);
  const fault = (name: string, message: string): void => {
    faults.push({ source: at(entry.get(name) ?? node), message });
  };
  const text = (name: string): string | undefined => {
    const value = entry.get(name);
    if (value === undefined || yaml.isScalar(value)) return value && String(value.value).trim();
    fault(name, `${name}: one value is needed here`);
    return undefined;
  };

  if (entry.has('id') && entry.has('stream')) fault('stream', '"id" and "stream" are the same: write one');
  const id = text('id') ?? text('stream');
  const issue = text('issue') ?? NO_ISSUE;
  if (id === undefined) fault('id', 'this stream has no id');
  const idFault = id === undefined ? undefined : nameFault('stream', id);
  const issueFault = nameFault('issue', issue);
  if (idFault !== undefined) fault(entry.has('id') ? 'id' : 'stream', idFault);
  if (issueFault !== undefined) fault('issue', issueFault);
  const command = readCommand(entry.get('command'), reading);
  const prompt = text('prompt');
  const promptFault = prompt === undefined ? undefined : wordFault(prompt);
  if (promptFault !== undefined) fault('prompt', `prompt ${promptFault}`);
  if (!['command', 'prompt', 'kind'].some((name) => entry.has(name)))
    fault('id', `stream ${shown(id ?? '')} has neither command nor prompt nor kind`);
  const cwd = readCwd(text('cwd'), reading.projectDir, (message) => fault('cwd', message));
  const written = Object.fromEntries(
    (['memory', 'limit', 'heap', 'expected'] as const).flatMap((name) => {
      const value = text(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const draft: Draft = {
    issue,
    id: id ?? '',
    title: cleanText(text('title') ?? '', TITLE_CHARS) || titleOf(command, id ?? ''),
    kind: cleanText(text('kind') ?? '', 100) || (command === undefined ? PROMPT_KIND : COMMAND_KIND),
    command,
    prompt,
    cwd,
    env: readEnv(entry.get('env'), reading),
    dependsOn: readNames(entry.get('depends_on'), 'depends_on', reading),
    conflictsWith: readNames(entry.get('conflicts_with'), 'conflicts_with', reading),
    ...readAmounts(written, fault),
    source,
  };
  return id === undefined || idFault !== undefined || issueFault !== undefined ? undefined : draft;
}

function titleOf(command: readonly string[] | string | undefined, id: string): string {
  const line = typeof command === 'string' ? command : (command?.join(' ') ?? '');
  return cleanText(line, TITLE_CHARS) || `Stream ${id}`;
}

/** One value as text, or a list of values; anything deeper is a fault. */
function readWords(
  node: Node | undefined,
  name: string,
  reading: Reading,
): { words: string[]; nodes: unknown[]; isList: boolean } {
  const { yaml, faults, at } = reading;
  if (node === undefined) return { words: [], nodes: [], isList: false };
  const nodes: unknown[] = yaml.isSeq(node) ? node.items : [node];
  const words = nodes.map((item) => {
    if (yaml.isScalar(item)) return String(item.value);
    faults.push({ source: at(item), message: `${name}: plain values are needed here` });
    return '';
  });
  return { words, nodes, isList: yaml.isSeq(node) };
}

function readCommand(node: Node | undefined, reading: Reading): readonly string[] | string | undefined {
  if (node === undefined) return undefined;
  const { words, isList } = readWords(node, 'command', reading);
  if ((words[0] ?? '').trim() === '')
    reading.faults.push({ source: reading.at(node), message: 'command is empty' });
  for (const word of words) {
    const fault = wordFault(word);
    if (fault !== undefined) reading.faults.push({ source: reading.at(node), message: `command ${fault}` });
  }
  return isList ? words : (words[0] ?? '').trim();
}

function readNames(node: Node | undefined, name: string, reading: Reading): Reference[] {
  const { words, nodes } = readWords(node, name, reading);
  return words.flatMap((word, index) => {
    const text = word.trim();
    return text === '' ? [] : [{ text, whole: false, source: reading.at(nodes[index]) }];
  });
}

function readEnv(node: Node | undefined, reading: Reading): Record<string, string> {
  const { yaml, faults, at } = reading;
  if (node === undefined) return {};
  if (!yaml.isMap(node)) {
    faults.push({ source: at(node), message: 'env: a map is needed here (NAME: value)' });
    return {};
  }
  const variables = node.items.flatMap(({ key, value }) => {
    const name = yaml.isScalar(key) ? String(key.value) : '';
    const text = yaml.isScalar(value) ? String(value.value) : undefined;
    const message = !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
      ? 'is no variable name'
      : text === undefined
        ? 'needs one value'
        : wordFault(text);
    if (message === undefined && text !== undefined) return [[name, text] as const];
    faults.push({ source: at(key), message: `env: "${shown(name)}" ${message ?? ''}` });
    return [];
  });
  return Object.fromEntries(variables);
}

/** The folder relative to the project. */
function readCwd(
  text: string | undefined,
  projectDir: string,
  fault: (message: string) => void,
): string | undefined {
  if (text === undefined) return undefined;
  const way = relative(projectDir, resolve(projectDir, text));
  const inside = way !== '..' && !way.startsWith('../') && !isAbsolute(way);
  if (!inside || text.includes('\0')) fault(`cwd: "${shown(text)}" is no folder in the project`);
  return way === '' ? '.' : normalize(way);
}
