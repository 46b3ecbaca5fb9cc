/** Are our hooks put into a client's settings without touching anything else, and taken out again to the byte? */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parse } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { putHooks, takeHooks } from '../../lib/commands/coordinator-setup/client-hooks.ts';
import { ourHooks } from '../../lib/act/client-settings.ts';
import type { InstallRecord } from '../../lib/state/install-record.ts';
import { someSettings } from '../support/nouns.ts';
import { tempDir } from '../support/scripts.ts';

const HOOK = '${CLAUDE_PROJECT_DIR}/.claude/hooks/claude-pm-hook.cjs';

const FILES: Readonly<Record<string, string>> = {
  'an empty object': '{}',
  'an empty object over two lines': '{\n}\n',
  'plain settings': '{\n  "model": "opus",\n  "permissions": { "allow": ["Bash(npm test:*)"] }\n}\n',
  'four blanks and no newline at the end': '{\n    "env": {\n        "A": "1"\n    }\n}',
  'tabs, comments and trailing commas':
    '// ours\n{\n\t/* why */ "hooks": {\n\t\t"Stop": [\n\t\t\t// a bell\n\t\t\t{ "hooks": [{ "type": "command", "command": "bell" }] },\n\t\t],\n\t},\n}\n',
  'a byte order mark and CRLF': '\uFEFF{\r\n  "model": "opus",\r\n  "env": {}\r\n}\r\n',
  'hooks of others for the same events':
    '{"hooks":{"PreToolUse":[{"matcher":"Agent","hooks":[{"type":"command","command":"x"}]},{"matcher":"Bash","hooks":[]}],"SessionEnd":[]},"z":1,"a":2}',
  'empty lists and objects that somebody keeps': '{ "hooks": {}, "env": { "NODE_OPTIONS": "--enable-source-maps" } }',
  'letters of all kinds': '{\n "größe": "\\u00fc \u{1F600} \\"hooks\\": {",\n "path": "C:\\\\x\\/y"\n}\n',
  'one line without blanks': '{"permissions":{"deny":[]},"hooks":{"Notification":[{"hooks":[{"type":"command","command":"say"}]}]}}\n',
  'nothing but blanks': ' \n',
}; // prettier-ignore

interface Place {
  readonly project: string;
  readonly path: string;
  readonly text: () => string | undefined;
  readonly put: (
    record?: InstallRecord,
    change?: Parameters<typeof someSettings>[0],
  ) => InstallRecord & { state: string };
  readonly take: (record?: InstallRecord) => string | undefined;
}

function place(text?: string): Place {
  const project = tempDir();
  const path = join(project, '.claude', 'settings.json');
  mkdirSync(join(project, '.claude'));
  if (text !== undefined) writeFileSync(path, text);
  return {
    project,
    path,
    text: () => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
    put: (record, change) => {
      const facts = { projectDir: project, env: {}, settings: someSettings(change), record, hook: HOOK };
      const { settings, env, item } = putHooks(facts);
      return { files: {}, settings, env, state: item.state };
    },
    take: (record) => takeHooks(project, record)?.state,
  };
}

/** The settings without what is ours, by value. */
function others(text: string): unknown {
  const value = parse(text.replace(/^\uFEFF/, '')) as { hooks?: Record<string, { hooks: { args?: string[] }[] }[]>; env?: Record<string, string> } | undefined; // prettier-ignore
  const hooks = Object.entries(value?.hooks ?? {}).map(([event, groups]): [string, unknown[]] => [
    event,
    groups.filter((group) => !group.hooks.some(({ args }) => args?.[0] === HOOK)),
  ]);
  const env = { ...value?.env, NODE_OPTIONS: undefined };
  return { ...value, hooks: Object.fromEntries(hooks.filter(([, groups]) => groups.length > 0)), env };
}

describe.each(Object.entries(FILES))('%s', (_name, text) => {
  it('gets every hook once and is itself again afterwards, also after a second and a changed installation', () => {
    const { put, take, text: now, path } = place(text);
    const first = put();
    const installed = now() ?? '';
    expect(ourHooks(installed, path).map(({ event }) => event)).toEqual(
      expect.arrayContaining(['SessionStart', 'PreToolUse', 'PostToolUse', 'PostToolUseFailure', 'SubagentStart', 'SubagentStop', 'Stop', 'SessionEnd']), // prettier-ignore
    );
    expect(ourHooks(installed, path)).toHaveLength(8);
    expect(others(installed)).toEqual(others(text));

    const second = put(first);
    expect([second.state, now()]).toEqual(['kept', installed]);
    const third = put(second, { gate: { ...someSettings().gate, bash: 'refuse', onFailure: 'block' } });
    expect(ourHooks(now() ?? '', path)).toHaveLength(9);
    expect(now()).toContain('"onFailure": "block"');

    expect(take(third)).toBe('restored');
    expect(now()).toBe(text);
  });

  it('keeps what was changed meanwhile, and loses ours all the same', () => {
    const { put, take, text: now, path } = place(text);
    const record = put();
    const changed = (now() ?? '').replace(/\{/, '{ "added": [1, 2],');
    writeFileSync(path, changed);
    expect(put(record).state).toBe('kept');
    expect(take(record)).toBe('updated');
    expect(ourHooks(now() ?? '', path)).toEqual([]);
    const before = others(changed) as object;
    expect(others(now() ?? '')).toEqual(before);
  });
});

it('settings that were not there are there no more', () => {
  const { put, take, text } = place();
  const record = put();
  expect(record.state).toBe('created');
  expect([take(record), text()]).toEqual(['removed', undefined]);
});

it('a link stays a link, and the rights of its file stay', () => {
  const { put, take, project, path } = place();
  const real = join(project, 'shared.json');
  writeFileSync(real, '{}\n');
  chmodSync(real, 0o640);
  symlinkSync(real, path);
  const record = put();
  expect([lstatSync(path).isSymbolicLink(), statSync(real).mode & 0o777]).toEqual([true, 0o640]);
  expect(readFileSync(real, 'utf8')).toContain(HOOK);
  take(record);
  expect(readFileSync(real, 'utf8')).toBe('{}\n');
});

it('without a record ours is known by its name, and only ours goes', () => {
  const { put, take, text, path } = place(FILES['hooks of others for the same events']);
  put();
  expect(take()).toBe('updated');
  expect(ourHooks(text() ?? '', path)).toEqual([]);
  expect(text()).toContain('"command": "x"');
});

it.each([
  ['{ "hooks": [', /settings\.json:1 is no JSON/],
  ['{\n  "a": 1,,\n}', /settings\.json:2 is no JSON/],
  ['[]', /holds no JSON object/],
  ['{ "hooks": [] }', /"hooks" is no JSON object/],
  ['{ "hooks": { "Stop": {} } }', /an event that is no list/],
  ['{ "env": 7 }', /"env" is no JSON object/],
])('%j is refused and stays as it is', (bad, message) => {
  const { put, text } = place(bad);
  expect(() => put()).toThrow(message);
  expect(text()).toBe(bad);
});
