import { chmodSync, copyFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';

import { Failure } from '../../lib/failure.ts';
import { askNode } from '../../lib/probe/ask-node.ts';
import { parseShebang, readExecutable } from '../../lib/probe/executable.ts';
import { hardwareFromSystemInformation, readHardware } from '../../lib/probe/machine.ts';
import { MIB } from '../../lib/units.ts';
import { useFileTrees } from './file-tree.ts';
import type { Files } from './file-tree.ts';

const makeTree = useFileTrees();

/** A folder of executable files. */
function bin(files: Files): string {
  const root = realpathSync(makeTree(files));
  for (const name of Object.keys(files)) if (!name.endsWith('/')) chmodSync(`${root}/${name}`, 0o755);
  return root;
}

const padding = '\0'.repeat(200);
const ELF = `\x7fELF${padding}`;

function ask(root: string, command: string, env: Record<string, string> = { PATH: root }) {
  const { path, kind, detail } = readExecutable(command, env, root);
  return { path: path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path, kind, detail };
}

describe('readExecutable', () => {
  it.each([
    ['node', 'node'],
    ['nodejs', 'node'],
    ['node22', 'node'],
    ['node-20.11', 'node'],
    ['node_exporter', 'native'],
    ['nodemon', 'native'],
    ['bun', 'bun'],
    ['bun-profile', 'bun'],
    ['bundle', 'native'],
    ['claude', 'native'],
  ])('a machine program called %s is %s', (name, kind) => {
    expect(ask(bin({ [name]: ELF }), name)).toEqual({ path: name, kind, detail: undefined });
  });

  it('knows a program that Bun compiled by its trailer, whatever its name', () => {
    const trailer = '\n---- Bun! ----\n';
    const root = bin({
      claude: `${ELF}${trailer}12345678`,
      node: `${ELF}${trailer}`,
      early: `${ELF}${trailer}${'x'.repeat(5000)}`,
    });
    expect(ask(root, 'claude').kind).toBe('bun');
    expect(ask(root, 'node').kind).toBe('bun');
    expect(ask(root, 'early').kind).toBe('native');
  });

  it('knows one by its section, and Node under another name by what it exports', () => {
    expect(elfKind('.bun', 'malloc')).toBe('bun');
    expect(elfKind('.text', 'malloc', 'node_module_register')).toBe('node');
    expect(elfKind('.text', 'my_node_module_register2')).toBe('native');
    expect(elfKind('.bun', 'node_module_register')).toBe('bun');
  });

  it('is not led astray by a damaged section table', () => {
    const damaged = elfFile(['.text'], ['malloc']);
    damaged.writeBigUInt64LE(2n ** 63n, 0x28);
    expect(kindOf(damaged)).toBe('native');
    const short = elfFile(['.text'], ['malloc']);
    short.writeUInt16LE(60_000, 0x3c);
    expect(kindOf(short)).toBe('native');
  });

  it.each([0xfeedfacf, 0xcffaedfe, 0xcafebabe])('takes the header %i for a program of macOS', (magic) => {
    const file = Buffer.alloc(300);
    file.writeUInt32BE(magic);
    expect(kindOf(file)).toBe('native');
    file.write('__BUN\0', 120);
    expect(kindOf(file)).toBe('bun');
  });

  it.each([
    ['#!/usr/bin/env node', 'node', 'node', undefined],
    ['#!/usr/bin/env -S node --max-old-space-size=100', 'node', 'node', undefined],
    ['#!/usr/bin/env bun', 'bun', 'bun', undefined],
    ['#!BIN/node', 'node', 'node', undefined],
    ['#! BIN/python3 -u', 'python3', 'script', 'python3'],
    ['#!BIN/sh', 'sh', 'script', 'sh'],
    ['#!BIN/wrapper', 'python3', 'script', 'python3'],
    ['echo no line at all', 'sh', 'script', 'sh'],
    ['', 'sh', 'script', 'sh'],
    ['#!/no/such/thing', 'tool', 'missing', 'its interpreter /no/such/thing is missing'],
    ['#!/usr/bin/env ruby', 'tool', 'missing', 'its interpreter ruby is missing'],
    ['#!BIN/tool', 'tool', 'missing', expect.stringContaining('its interpreter') as unknown],
  ])('a file that begins with %j', (line, path, kind, detail) => {
    const root = bin({ node: ELF, bun: ELF, python3: ELF, sh: ELF, tool: '', wrapper: '' });
    writeFileSync(`${root}/tool`, line.replace('BIN', root) + (line === '' ? '' : '\nrest\n'));
    writeFileSync(`${root}/wrapper`, `#!${root}/python3\n`);
    expect(ask(root, 'tool')).toEqual({ path, kind, detail });
  });

  it('follows the links that npm makes to the file that runs', () => {
    const root = bin({ node: ELF, 'lib/cli.js': '#!/usr/bin/env node\n' });
    symlinkSync('lib/cli.js', `${root}/claude`);
    expect(ask(root, 'claude')).toEqual({ path: 'node', kind: 'node', detail: undefined });
  });

  it('searches PATH in its order, passes over what may not run, and takes an empty part for the current folder', () => {
    const root = bin({ 'a/tool': ELF, 'b/tool': ELF, 'c/tool/': '', here: ELF });
    const path = (...names: string[]) => ({ PATH: names.map((name) => `${root}/${name}`).join(':') });
    expect(ask(root, 'tool', path('c', 'none', 'b', 'a'))).toMatchObject({ path: 'b/tool' });
    chmodSync(`${root}/b/tool`, 0o644);
    expect(ask(root, 'tool', path('b', 'a'))).toMatchObject({ path: 'a/tool' });
    expect(ask(root, 'tool', path('b'))).toEqual({ path: 'tool', kind: 'missing', detail: 'not executable' });
    expect(ask(root, 'here', { PATH: '/none::' })).toMatchObject({ path: 'here' });
    expect(ask(root, 'here', { PATH: '/none' })).toEqual({
      path: 'here',
      kind: 'missing',
      detail: 'not found in PATH',
    });
  });

  it.each([
    ['', 'not found'],
    ['./none', 'not found'],
    ['./folder', 'not a file'],
    ['./file/below', 'not found'],
    ['./loop', 'ELOOP'],
    [`./${'x'.repeat(300)}`, 'ENAMETOOLONG'],
    ['./a\0b', 'ERR_INVALID_ARG_VALUE'],
  ])('%j is missing: %s', (command, detail) => {
    const root = bin({ 'folder/x': '', file: ELF });
    symlinkSync('loop', `${root}/loop`);
    expect(readExecutable(command, { PATH: root }, root)).toEqual({ path: command, kind: 'missing', detail });
  });

  it('knows this Node, and sh, without PATH as well', () => {
    expect(readExecutable(process.execPath, {}, '/')).toMatchObject({
      kind: 'node',
      path: realpathSync(process.execPath),
    });
    expect(readExecutable('sh', {}, '/').kind).toBe('native');
  });

  it.runIf(process.platform === 'linux')('knows a copy of this Node under another name', (ctx) => {
    if ('node_shared' in process.config.variables && process.config.variables.node_shared === true)
      ctx.skip('what it exports lies in a library');
    const root = bin({});
    copyFileSync(process.execPath, `${root}/agent`);
    expect(readExecutable('./agent', {}, root)).toEqual({
      path: `${root}/agent`,
      kind: 'node',
      detail: undefined,
    });
  });
});

function kindOf(file: Buffer): string {
  const root = bin({ tool: '' });
  writeFileSync(`${root}/tool`, file);
  return readExecutable('./tool', {}, root).kind;
}

/** A 64-bit little-endian file with a table of names of its sections and one of the symbols that it exports. */
function elfFile(sectionNames: readonly string[], symbols: readonly string[]): Buffer {
  const names = Buffer.from(`\0${sectionNames.join('\0')}\0`);
  const exported = Buffer.from(`\0${symbols.join('\0')}\0`);
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01', 'latin1');
  header.writeBigUInt64LE(BigInt(64 + names.length + exported.length), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(3, 0x3c);
  header.writeUInt16LE(0, 0x3e);
  const section = (type: number, offset: number, bytes: number, link: number) => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(type, 4);
    entry.writeBigUInt64LE(BigInt(offset), 0x18);
    entry.writeBigUInt64LE(BigInt(bytes), 0x20);
    entry.writeUInt32LE(link, 0x28);
    return entry;
  };
  const sections = [
    section(3, 64, names.length, 0),
    section(11, 0, 0, 2),
    section(3, 64 + names.length, exported.length, 0),
  ];
  return Buffer.concat([header, names, exported, ...sections]);
}

const elfKind = (section: string, ...symbols: string[]) => kindOf(elfFile([section], symbols));

describe('parseShebang', () => {
  it.each([
    ['#!/bin/sh\n', '/bin/sh'],
    ['#!/bin/sh', '/bin/sh'],
    ['#! \t/bin/sh -e\n', '/bin/sh'],
    ['#!/bin/sh\r\n', '/bin/sh'],
    ['#!/usr/bin/env node\n', 'node'],
    ['#!/usr/bin/env -S node --a\n', 'node'],
    ['#!/usr/bin/env -Snode --a\n', 'node'],
    ['#!/usr/bin/env --split-string=node --a\n', 'node'],
    ['#!/usr/bin/env -i A=1 -u NODE_OPTIONS node\n', 'node'],
    ['#!/usr/bin/env\n', '/usr/bin/env'],
    ['#!\n/bin/sh', undefined],
    [' #!/bin/sh', undefined],
    ['', undefined],
  ])('%j -> %s', (head, expected) => {
    expect(parseShebang(head)).toBe(expected);
  });
});

describe('askNode', () => {
  it('names the version and the heap that the flags give', async () => {
    const small = await askNode(process.execPath, ['--max-old-space-size=300']);
    const large = await askNode(process.execPath, ['--max-old-space-size=600']);
    expect(small).toMatchObject({
      version: process.version,
      accepted: ['--max-old-space-size=300'],
      refused: [],
    });
    expect(small.heapLimitBytes).toBeGreaterThanOrEqual(300 * MIB);
    expect(large.heapLimitBytes - small.heapLimitBytes).toBe(300 * MIB);
  });

  it('tells the flags that are refused from those that hold, with what was said', async () => {
    const flags = ['--optimize-for-size', '--max-old-space-size=300', '--no-such-flag'];
    const answer = await askNode(process.execPath, flags);
    expect(answer.accepted).toEqual(['--max-old-space-size=300']);
    expect(answer.refused.map(({ flag }) => flag)).toEqual(['--optimize-for-size', '--no-such-flag']);
    expect(answer.refused[0]?.message).toMatch(/--optimize-for-size.*not allowed in NODE_OPTIONS/);
    expect(answer.heapLimitBytes).toBeLessThan(700 * MIB);
  });

  it('passes a flag with a space, a quote and a backslash as one', async () => {
    const root = makeTree({ [`a "b\\c/preload.cjs`]: 'process.version' });
    const flag = `--require=${root}/a "b\\c/preload.cjs`;
    expect(await askNode(process.execPath, [flag])).toMatchObject({ accepted: [flag], refused: [] });
  });

  it('is not impressed by options that this process runs under', async () => {
    const before = process.env['NODE_OPTIONS'];
    process.env['NODE_OPTIONS'] = '--no-such-flag';
    try {
      expect(await askNode(process.execPath, [])).toMatchObject({ version: process.version, accepted: [] });
    } finally {
      if (before === undefined) delete process.env['NODE_OPTIONS'];
      else process.env['NODE_OPTIONS'] = before;
    }
  });

  it.each([
    ['is not there', undefined, /cannot start/],
    [
      'answers something else',
      '#!/bin/sh\necho hello\n',
      /does not start with no flags: no answer but "hello/,
    ],
    ['fails', '#!/bin/sh\necho sorry >&2; exit 3\n', /does not start with no flags: sorry/],
    ['never answers', '#!/bin/sh\nexec sleep 600\n', /no answer within 100 ms/],
  ])('fails on a program that %s', async (_, text, message) => {
    const root = bin(text === undefined ? {} : { program: text });
    const asked = askNode(`${root}/program`, [], { timeoutMs: text?.includes('sleep') ? 100 : 20_000 });
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.toThrow(Failure);
  });
});

describe('the hardware', () => {
  it('is undefined where systeminformation knows nothing', () => {
    expect(
      hardwareFromSystemInformation({ manufacturer: '', brand: ' ', cores: 2, physicalCores: 0 }, 5),
    ).toEqual({
      cores: 2,
      physicalCores: undefined,
      model: undefined,
      totalBytes: 5,
    });
  });

  it('is told for this machine', async () => {
    const hardware = await readHardware();
    expect(hardware.cores).toBe(cpus().length);
    expect(hardware.totalBytes).toBe(totalmem());
  });
});
