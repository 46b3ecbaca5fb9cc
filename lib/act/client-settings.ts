/** How are a client's settings changed so that every other byte of them stays? Edits in the text: comments, order and form remain. */
import {
  applyEdits,
  modify,
  parseTree,
  getNodeValue,
  findNodeAtLocation,
  type Node,
  type ParseError,
} from 'jsonc-parser';
import { Failure } from '../failure.ts';
import { hookGroup, isOurHook, type HookEntry } from '../policy/client-hooks.ts';

/** What shall stand in the settings. */
export interface ClientWants {
  readonly entries: readonly HookEntry[];
  /** Variables for the session and all its tools; one that is there already stays as it is. */
  readonly env: Readonly<Record<string, string>>;
}

const MARK = '\uFEFF';
type Path = (string | number)[];

/** The text with our hooks and variables in it, each once. @throws Failure where it is no settings file of a client. */
export function withOurHooks(text: string, file: string, wants: ClientWants): string {
  if (text.trim() !== '' && isRight(text, file, wants)) return text;
  let next = text.trim() === '' ? '{}\n' : withoutOurHooks(text, file, {});
  for (const entry of wants.entries) {
    const at = ['hooks', entry.event];
    next =
      valueAt(next, at) === undefined
        ? edit(next, at, [hookGroup(entry)])
        : edit(next, [...at, -1], hookGroup(entry), true);
  }
  for (const [name, value] of Object.entries(wants.env))
    if (valueAt(next, ['env', name]) === undefined) next = edit(next, ['env', name], value);
  return next;
}

/** Whether our hooks are there as they shall be, wherever among the others, and every variable has a value. */
function isRight(text: string, file: string, { entries, env }: ClientWants): boolean {
  const lines = (all: readonly { event: string; group: unknown }[]): string =>
    all
      .map(({ event, group }) => `${event} ${JSON.stringify(group)}`)
      .sort()
      .join('\n');
  const found = groupsOf(text, check(text, file)).filter(({ group }) => hooksOf(group).some(isOurHook));
  const wanted = entries.map((entry) => ({ event: entry.event, group: hookGroup(entry) }));
  return (
    lines(found) === lines(wanted) &&
    Object.keys(env).every((name) => valueAt(text, ['env', name]) !== undefined)
  );
}

function groupsOf(text: string, root: Node): { readonly event: string; readonly group: unknown }[] {
  return keysOf(root, ['hooks']).flatMap((event) => {
    const groups = valueAt(text, ['hooks', event]);
    return Array.isArray(groups) ? groups.map((group: unknown) => ({ event, group })) : [];
  });
}

function hooksOf(group: unknown): readonly unknown[] {
  return isRecord(group) && Array.isArray(group['hooks']) ? group['hooks'] : [];
}

/** The text without our hooks, and without the variables that still have the values we gave them; what is empty then goes, too. */
export function withoutOurHooks(text: string, file: string, env: Readonly<Record<string, string>>): string {
  const root = check(text, file);
  let next = text;
  let took = false;
  for (const event of keysOf(root, ['hooks'])) {
    const groups = valueAt(text, ['hooks', event]);
    if (!Array.isArray(groups)) continue;
    // From the end, so that the places before stay what they are.
    for (let at = groups.length - 1; at >= 0; at -= 1) {
      const hooks = hooksOf(groups[at]);
      const ours = hooks.map(isOurHook);
      if (!ours.includes(true)) continue;
      took = true;
      if (ours.every(Boolean)) next = edit(next, ['hooks', event, at], undefined);
      else
        for (let inner = hooks.length - 1; inner >= 0; inner -= 1)
          if (ours[inner] === true) next = edit(next, ['hooks', event, at, 'hooks', inner], undefined);
    }
    if (took && isEmpty(valueAt(next, ['hooks', event]))) next = edit(next, ['hooks', event], undefined);
  }
  if (took && isEmpty(valueAt(next, ['hooks']))) next = edit(next, ['hooks'], undefined);
  let tookVariable = false;
  for (const [name, value] of Object.entries(env)) {
    if (valueAt(next, ['env', name]) !== value) continue;
    tookVariable = true;
    next = edit(next, ['env', name], undefined);
  }
  return tookVariable && isEmpty(valueAt(next, ['env'])) ? edit(next, ['env'], undefined) : next;
}

/** Our hooks as they stand there: the event and what the client would start. */
export function ourHooks(
  text: string,
  file: string,
): { readonly event: string; readonly hook: Record<string, unknown> }[] {
  return groupsOf(text, check(text, file)).flatMap(({ event, group }) =>
    hooksOf(group).flatMap((hook) => (isOurHook(hook) && isRecord(hook) ? [{ event, hook }] : [])),
  );
}

/** The variables that the settings hold. */
export function settingsEnv(text: string): Readonly<Record<string, unknown>> {
  const env = valueAt(text, ['env']);
  return isRecord(env) ? env : {};
}

function check(text: string, file: string): Node {
  const faults: ParseError[] = [];
  const root = parseTree(bare(text), faults, { allowTrailingComma: true, disallowComments: false });
  const first = faults[0];
  if (root === undefined || first !== undefined) {
    const line = bare(text)
      .slice(0, first?.offset ?? 0)
      .split('\n').length;
    throw new Failure(`${file}:${line} is no JSON: mend it first, nothing was changed`);
  }
  if (root.type !== 'object') throw new Failure(`${file} holds no JSON object: nothing was changed`);
  for (const key of ['hooks', 'env']) {
    const node = findNodeAtLocation(root, [key]);
    if (node !== undefined && node.type !== 'object')
      throw new Failure(
        `${file}: "${key}" is no JSON object, as the client would have it: nothing was changed`,
      );
  }
  for (const event of keysOf(root, ['hooks']))
    if (findNodeAtLocation(root, ['hooks', event])?.type !== 'array')
      throw new Failure(`${file}: "hooks" has an event that is no list: nothing was changed`);
  return root;
}

function edit(text: string, path: Path, value: unknown, isArrayInsertion = false): string {
  const body = bare(text);
  const formattingOptions = formOf(body);
  const edited = applyEdits(body, modify(body, path, value, { formattingOptions, isArrayInsertion }));
  return text.startsWith(MARK) ? MARK + edited : edited;
}

/** Indented as the file is: by its first indented line. */
function formOf(text: string): { tabSize: number; insertSpaces: boolean; eol: string } {
  const indent = /^([ \t]+)["[{]/m.exec(text)?.[1] ?? '  ';
  return {
    tabSize: indent.startsWith('\t') ? 4 : indent.length,
    insertSpaces: !indent.startsWith('\t'),
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

function valueAt(text: string, path: Path): unknown {
  const root = parseTree(bare(text), [], { allowTrailingComma: true });
  const node = root && findNodeAtLocation(root, path);
  return node && (getNodeValue(node) as unknown);
}

function keysOf(root: Node, path: Path): string[] {
  const node = findNodeAtLocation(root, path);
  const names = node?.type === 'object' ? (node.children ?? []).map((child) => child.children?.[0]) : [];
  return names.flatMap((name) => (name === undefined ? [] : [String(getNodeValue(name))]));
}

function bare(text: string): string {
  return text.startsWith(MARK) ? text.slice(1) : text;
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
