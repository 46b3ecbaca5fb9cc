/** Is an environment file put in place only if the runtime under it has the heap that was meant, and only over what is ours? */
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  copyFileSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEnvFile, checkEnvironment, putEnvFile } from '../../lib/act/env-files.ts';
import { judgeSeal, sealText } from '../../lib/act/seal.ts';
import { envFileText, planEnvironment } from '../../lib/policy/environment.ts';
import type { Settings } from '../../lib/settings-model.ts';
import { GIB } from '../../lib/units.ts';

const PRELOAD = join(import.meta.dirname, '..', '..', 'env', 'claude-pm-frugal.cjs');
const env = { PATH: process.env['PATH'] };
const question = { runtime: process.execPath, version: process.version, heapMb: 512, nodeOptions: '', env };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'env-files-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a heap check of a file', () => {
  it.each([
    ['the plain flag', "export NODE_OPTIONS='--max-old-space-size=512'", undefined],
    ['the other spelling', "export NODE_OPTIONS='--max_old_space_size=512'", undefined],
    [
      'quotes inside that Node ignores in silence',
      'export NODE_OPTIONS="\'--max-old-space-size=512\'"',
      /heap limit of \d{4} MB/,
    ],
    ['a stray word in front', "export NODE_OPTIONS='foo --max-old-space-size=512'", /heap limit of \d{4} MB/],
    [
      'a second size that wins',
      "export NODE_OPTIONS='--max-old-space-size=512 --max-old-space-size=256'",
      /heap limit of 3\d\d MB/,
    ],
    [
      'a variable that only shells expand',
      'BASE=--max-old-space-size=512\nexport NODE_OPTIONS="$BASE"',
      /node --env-file/,
    ],
    ['nothing exported', "NODE_OPTIONS='--max-old-space-size=512'", /\(sh\)/],
    [
      'a flag that no Node takes',
      "export NODE_OPTIONS='--max-old-space-size=512 --optimize-for-size'",
      /not allowed in NODE_OPTIONS/,
    ],
    ['a unit', "export NODE_OPTIONS='--max-old-space-size=512MB'", /does not start/],
    ['an open quote', "export NODE_OPTIONS='--max-old-space-size=512", /does not start/],
  ])('with %s', (_, text, fault) => {
    const path = join(dir, 'x.env');
    writeFileSync(path, `${text}\n`);
    const check = checkEnvFile(path, question);
    if (fault === undefined) expect(check.fault).toBeUndefined();
    else expect(check.fault).toMatch(fault);
    expect(check.holds).toBe(fault === undefined);
  });

  it('tells a runtime that is not there', () => {
    const check = checkEnvironment({ ...question, runtime: join(dir, 'no-node') });
    expect(check).toMatchObject({ holds: false, fault: expect.stringContaining('does not start') as string });
  });
});

describe('the preload behind optimize_for_size', () => {
  const settings = {
    agentHeapMb: 512,
    memoryPerAgentBytes: GIB,
    gcExposure: false,
    optimizeForSize: true,
  } as Settings;

  it.each(['plain', 'with blanks in it', "o'brien", '$HOME `id`', 'back\\slash "quote"'])(
    'is loaded from a folder named %j, through sh and --env-file',
    (name) => {
      const folder = join(dir, name);
      mkdirSync(folder);
      const preloadPath = join(folder, 'claude-pm-frugal.cjs');
      writeFileSync(preloadPath, 'process.env.LOADED = __filename;');
      const environment = planEnvironment({
        role: 'agent',
        settings,
        kind: undefined,
        takesHeap: true,
        preloadPath,
        runtimes: [],
        userOptions: '',
        stateDir: undefined,
      })!;
      const path = join(dir, 'agent.env');
      writeFileSync(path, envFileText(environment, 'test', []).text);
      expect(checkEnvFile(path, question).fault).toBeUndefined();
      const print = 'process.stdout.write(process.env.LOADED)';
      const bySh = spawnSync('sh', ['-c', '. "$1"; exec "$2" -e "$3"', 'sh', path, process.execPath, print], {
        env,
        encoding: 'utf8',
      });
      const byNode = spawnSync(process.execPath, [`--env-file=${path}`, '-e', print], {
        env,
        encoding: 'utf8',
      });
      expect([bySh.stdout, byNode.stdout]).toEqual([preloadPath, preloadPath]);
    },
  );

  it('prints nothing and changes no exit code, in a program and in a worker', () => {
    const program =
      "new (require('worker_threads').Worker)('process.exit(3)', { eval: true }).on('exit', (code) => process.exit(code))";
    copyFileSync(PRELOAD, join(dir, 'claude-pm-frugal.cjs'));
    const run = spawnSync(process.execPath, ['-e', program], {
      env: { ...env, NODE_OPTIONS: `--require=${join(dir, 'claude-pm-frugal.cjs')}` },
      encoding: 'utf8',
    });
    expect([run.status, run.stdout, run.stderr]).toEqual([3, '', '']);
  });

  it('makes a program that allocates much peak clearly lower', () => {
    const program = `const kept = new Array(60000);
      for (let at = 0; at < 6e5; at++) kept[at % kept.length] = { at, list: new Array(80).fill(at) };
      process.stdout.write(String(process.resourceUsage().maxRSS))`;
    const peak = (options: string): number =>
      Number(
        spawnSync(process.execPath, ['-e', program], {
          env: { ...env, NODE_OPTIONS: options },
          encoding: 'utf8',
        }).stdout,
      );
    expect(peak(`--max-old-space-size=8192 --require="${PRELOAD}"`)).toBeLessThan(
      0.9 * peak('--max-old-space-size=8192'),
    );
  });
});

describe('putEnvFile', () => {
  const text = sealText("# head\nexport NODE_OPTIONS='--max-old-space-size=512'\n");
  const check = (path: string) => checkEnvFile(path, question);
  const put = (content: string, force = false) => putEnvFile(join(dir, 'a.env'), content, { force, check });
  const onDisk = () => readFileSync(join(dir, 'a.env'), 'utf8');

  it('creates, then keeps, then updates what is its own', () => {
    expect(put(text).state).toBe('created');
    expect(put(text).state).toBe('kept');
    const other = sealText("# other\nexport NODE_OPTIONS='--max-old-space-size=512'\n");
    expect(put(other).state).toBe('updated');
    expect(onDisk()).toBe(other);
  });

  it('leaves nothing behind, and the old file in place, when the runtime does not hold what was meant', () => {
    const bad = sealText("export NODE_OPTIONS='foo --max-old-space-size=512'\n");
    expect(put(bad).state).toBe('not-verified');
    expect(readdirSync(dir)).toEqual([]);
    put(text);
    expect(put(bad).state).toBe('not-verified');
    expect(onDisk()).toBe(text);
    expect(readdirSync(dir)).toEqual(['a.env']);
  });

  it.each([
    ['edited', text.replace('512', '513')],
    ['extended', `${text}export MORE=1\n`],
    ['somebody else’s', 'export FOO=1\n'],
    ['empty', ''],
  ])('does not write over a file that is %s, unless it is told to', (_, content) => {
    writeFileSync(join(dir, 'a.env'), content);
    expect(put(text).state).toBe('not-ours');
    expect(onDisk()).toBe(content);
    expect(put(text, true).state).toBe('updated');
    expect(onDisk()).toBe(text);
  });
});

describe('judgeSeal', () => {
  const sealed = sealText('a\nb\n');
  it.each([
    ['as it was made', sealed, 'unchanged'],
    ['with a letter changed', sealed.replace('b', 'c'), 'changed'],
    ['with a line behind', `${sealed}x\n`, 'changed'],
    ['with the seal changed', sealed.replace(/[0-9a-f]{16}/, '0'.repeat(16)), 'changed'],
    ['without a seal', 'a\nb\n', 'foreign'],
    ['with an older seal above', sealText(sealed), 'unchanged'],
    ['empty', '', 'foreign'],
  ])('of a text %s', (_, text, state) => {
    expect(judgeSeal(text)).toBe(state);
  });
});

it('does not take a file that is not there for one that holds', () => {
  expect(checkEnvFile(join(dir, 'none'), question).holds).toBe(false);
});
