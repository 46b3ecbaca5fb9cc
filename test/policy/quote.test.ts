/** Does every reader read the value that was written, and does none execute it? Real shells and Node, hostile values. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  cronCommand,
  envFileValue,
  nodeOptionsWord,
  setLine,
  shellFor,
  type Shell,
} from '../../lib/policy/quote.ts';

const dir = mkdtempSync(join(tmpdir(), 'quote-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const HOSTILE = [
  '',
  ' lead and trail ',
  'a # b',
  '#',
  '$(touch executed)',
  '`touch executed`',
  '$HOME ${HOME} $$',
  '"; touch executed; "',
  "'; touch executed; '",
  "it's",
  "it's # not a comment",
  '"double"',
  'back\\slash \\n \\',
  '!history !!',
  '~/x *? [a] {a,b}',
  'a=b=c',
  'tab\tinside',
  'export X=1',
  'ünï 漢字 😀',
  '-n',
  '%d%n',
];

/** A value from pieces that matter to some reader, and from anything else. */
const value = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        '`',
        '$',
        '\\',
        '#',
        '!',
        '\n',
        '\r',
        '=',
        ' ',
        '$(touch executed)',
        '\\n',
        '\t',
      ),
      fc.string({ unit: 'grapheme', maxLength: 4 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join('').replaceAll('\0', ''));

const names = (count: number) => Array.from({ length: count }, (_, at) => `V${at}`);

/** What a shell, or Node itself, has in these variables. NUL ends a value, so any value is told apart. */
function readAs(reader: string, file: string, count: number): string[] {
  const print = `process.stdout.write(${JSON.stringify(names(count))}.map((n) => process.env[n] + '\\0').join(''))`;
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nowhere' };
  const options = {
    env,
    cwd: dir,
    encoding: 'utf8' as const,
    stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'],
  };
  const text =
    reader === 'node'
      ? execFileSync(process.execPath, [`--env-file=${file}`, '-e', print], options)
      : execFileSync(
          reader,
          ['-c', '. "$1" && exec "$2" -e "$3"', reader, file, process.execPath, print],
          options,
        );
  return text.split('\0').slice(0, -1);
}

const isThere = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0;
const READERS = ['node', 'dash', 'bash', 'zsh'] as const;

/** Writes the values that have a form and reads them back. */
function roundTrip(reader: string, values: readonly string[]): [written: string[], read: string[]] {
  const able = values.filter((text) => envFileValue(text) !== undefined);
  const file = join(dir, `${reader}.env`);
  const lines = able.map((text, at) => `export V${at}=${envFileValue(text) ?? ''}\n`);
  writeFileSync(file, `# a comment\n${lines.join('')}`);
  return [able, readAs(reader, file, able.length)];
}

describe.each(READERS)('an environment file read by %s', (reader) => {
  it('gives hostile values unchanged and executes nothing', (context) => {
    if (reader !== 'node' && !isThere(reader)) return context.skip(`${reader} is not installed here`);
    const [written, read] = roundTrip(reader, HOSTILE);
    expect(read).toEqual(written);
    expect(written).toEqual(HOSTILE);
    expect(existsSync(join(dir, 'executed'))).toBe(false);
  });

  it('gives any values unchanged', (context) => {
    if (reader !== 'node' && !isThere(reader)) return context.skip(`${reader} is not installed here`);
    fc.assert(
      fc.property(fc.array(value, { minLength: 20, maxLength: 60 }), (values) => {
        const [written, read] = roundTrip(reader, values);
        expect(read).toEqual(written);
        expect(readdirSync(dir).filter((name) => name.startsWith('executed'))).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});

describe('envFileValue', () => {
  it.each([
    'a\nb',
    'a\r',
    '\0',
    '\u001b[31m',
    '\u007f',
    "it's $HOME",
    "it's `id`",
    "it's \\",
    'it\'s "x"',
    "it's!",
  ])('has no form for %j', (text) => {
    expect(envFileValue(text)).toBeUndefined();
  });

  it('always writes one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(envFileValue(text) ?? '').not.toMatch(/[\n\r]/);
      }),
    );
  });
});

describe.each(['dash', 'bash', 'zsh', 'fish'] as const)('code for eval by %s', (binary) => {
  it('gives any value unchanged, line breaks and both quotes too', (context) => {
    if (!isThere(binary)) return context.skip(`${binary} is not installed here`);
    const shell: Shell = binary === 'dash' ? 'sh' : binary;
    fc.assert(
      fc.property(fc.array(value, { minLength: 20, maxLength: 60 }), (values) => {
        const all = [...HOSTILE, ...values, 'a\nb', "it's $HOME"];
        const code = all.map((text, at) => setLine(`V${at}`, text, shell)).join('\n');
        const print = `process.stdout.write(${JSON.stringify(names(all.length))}.map((n) => process.env[n] + '\\0').join(''))`;
        const run = execFileSync(binary, ['-c', `${code}\n"$NODE_BINARY" -e "$PRINT"`], {
          env: { PATH: process.env['PATH'] ?? '', NODE_BINARY: process.execPath, PRINT: print },
          cwd: dir,
          encoding: 'utf8',
          // A socket at stdin makes bash read its start-up file.
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        expect(run.split('\0').slice(0, -1)).toEqual(all);
        expect(existsSync(join(dir, 'executed'))).toBe(false);
      }),
      { numRuns: 15 },
    );
  });
});

describe('a word of NODE_OPTIONS', () => {
  it('reaches Node unchanged whatever it holds', () => {
    fc.assert(
      fc.property(value, (text) => {
        fc.pre(!/[\n\r]/.test(text));
        const read = execFileSync(process.execPath, ['-p', 'JSON.stringify(process.report.directory)'], {
          env: { NODE_OPTIONS: nodeOptionsWord(`--report-directory=/${text}`) },
          encoding: 'utf8',
        });
        expect(JSON.parse(read)).toBe(`/${text}`);
      }),
      { numRuns: 30 },
    );
  });
});

describe('small rules', () => {
  it.each([
    ['/bin/dash', 'sh'],
    ['/usr/bin/zsh', 'zsh'],
    ['bash', 'bash'],
    ['/opt/fish', 'fish'],
    ['/bin/tcsh', 'sh'],
    [undefined, 'sh'],
  ])('takes SHELL=%s for %s', (path, shell) => {
    expect(shellFor(path)).toBe(shell);
  });

  it('escapes what a cron table takes for a line break', () => {
    expect(cronCommand("echo '50%'")).toBe("echo '50\\%'");
  });
});
