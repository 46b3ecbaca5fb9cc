/** Is a file ever torn, lost, left open to others, or written over without a word? */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../lib/failure.ts';
import {
  appendLine,
  createFile,
  endsInNewline,
  ensureDir,
  fileFacts,
  isThere,
  keepNewest,
  listDir,
  moveFile,
  putAside,
  readText,
  removeFile,
  removeTree,
  replaceFile,
} from '../lib/files.ts';
import { bundleFixture, startFixture } from './support/fixture.ts';
import { waitFor } from './support/scripts.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'files-'));
  path = join(dir, 'file');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);
const failureOf = (deed: () => unknown): Failure => {
  try {
    deed();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing failed');
};

describe('replaceFile', () => {
  it.each([['', {}], ['text\n', {}], ['\u{1f600}'.repeat(100_000), { durable: true }]])(
    'writes what readText reads back',
    (text, options) => {
      replaceFile(path, 'before');
      replaceFile(path, text, options);
      expect(readText(path)).toBe(text);
      expect(readdirSync(dir)).toEqual(['file']);
    },
  ); // prettier-ignore

  it('makes missing folders and the file readable by this user alone, whatever it was before', () => {
    const deep = join(dir, 'a', 'b', 'file');
    replaceFile(deep, 'x');
    expect([modeOf(join(dir, 'a')), modeOf(join(dir, 'a', 'b')), modeOf(deep)]).toEqual(['700', '700', '600']);
    chmodSync(deep, 0o666);
    replaceFile(deep, 'y');
    expect(modeOf(deep)).toBe('600');
    replaceFile(deep, 'z', { mode: 0o640 });
    expect(modeOf(deep)).toBe('640');
  }); // prettier-ignore

  it('replaces a link itself, not the file that it leads to', () => {
    writeFileSync(join(dir, 'other'), 'kept');
    symlinkSync(join(dir, 'other'), path);
    replaceFile(path, 'new');
    expect([readText(join(dir, 'other')), readText(path)]).toEqual(['kept', 'new']);
  });

  it.each<[string, () => string, RegExp]>([
    ['a folder stands in the way', () => { mkdirSync(path); writeFileSync(join(path, 'kept'), ''); return path; }, /^cannot write .*file: it is a folder, a file is needed/],
    ['a file stands where a folder is needed', () => { writeFileSync(path, 'kept'); return join(path, 'x'); }, /^cannot (write|make the folder) .*file.*: a part of this path is a file/],
    ['the name is too long', () => join(dir, 'x'.repeat(250)), /: the name is too long/],
    ['links lead in a circle', () => { symlinkSync(path, path); return join(path, 'x'); }, /: too many links in this path/],
  ])('fails in one line with code 2 and leaves no temporary file where %s', (_what, make, message) => {
    const target = make();
    const before = readdirSync(dir);
    const failure = failureOf(() => replaceFile(target, 'text'));
    expect([failure.exitCode, failure.message]).toEqual([2, expect.stringMatching(message)]);
    expect(failure.message).not.toContain('\n');
    expect(readdirSync(dir)).toEqual(before);
  }); // prettier-ignore

  it('keeps the old text and leaves nothing behind where writing ends in the middle', () => {
    writeFileSync(path, 'old');
    const buildDir = mkdtempSync(join(tmpdir(), 'files-build-'));
    const program = bundleFixture('file-worker', buildDir);
    // The limit on a file's size cuts a write off as a full disk does, and needs no rights.
    const { stdout, status } = spawnSync('sh', ['-c', 'ulimit -f 16; exec "$@"', 'sh', process.execPath, program, 'write', path, '200000'], { encoding: 'utf8' });
    rmSync(buildDir, { recursive: true });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^2 cannot write .*\/file: .*\(EFBIG\)$/)]);
    expect([readText(path), readdirSync(dir)]).toEqual(['old', ['file']]);
  }); // prettier-ignore

  it.skipIf(!existsSync('/dev/full'))('says in one line that the disk is full', () => {
    symlinkSync('/dev/full', path);
    expect(failureOf(() => appendLine(path, 'x')).message).toBe(
      `cannot append to ${path}: the disk is full: free some space and call again (ENOSPC)`,
    );
  });

  it.skipIf(process.getuid?.() === 0)('fails in one line where the folder may not be written', () => {
    writeFileSync(path, 'old');
    chmodSync(dir, 0o500);
    expect(failureOf(() => replaceFile(path, 'new')).message).toMatch(/: give this user the right to it \(EACCES\)$/);
    chmodSync(dir, 0o700);
    expect([readText(path), readdirSync(dir)]).toEqual(['old', ['file']]);
  }); // prettier-ignore

  it('is seen whole by a reader in another process, at every moment, also when the writers are killed', async () => {
    const program = bundleFixture('file-worker', dir);
    writeFileSync(path, '.');
    const reader = startFixture(program, ['read', path]);
    await waitFor(() => reader.stdout() === 'going\n', 'the reader');
    for (const letter of ['a', 'b', 'a']) {
      const writer = startFixture(program, ['replace', path, '', letter]);
      await waitFor(() => writer.stdout() === 'going\n', 'the writer');
      for (let round = 0; round < 100; round += 1) replaceFile(path, `${'b'.repeat((round % 40) * 1000)}.`);
      writer.child.kill('SIGKILL');
      await writer.ended;
    }
    writeFileSync(`${path}.stop`, '');
    const seen = JSON.parse((await reader.ended).stdout.slice('going\n'.length)) as Record<string, number>;
    expect(seen['faults']).toBe(0);
    expect(seen['reads']).toBeGreaterThan(10);
  });
});

describe('createFile', () => {
  it('creates once, and never touches what is there', () => {
    expect([createFile(path, 'first'), createFile(path, 'second')]).toEqual([true, false]);
    expect([readText(path), modeOf(path), readdirSync(dir)]).toEqual(['first', '600', ['file']]);
  });

  it.each<[string, () => void]>([
    ['a folder', () => mkdirSync(path)],
    ['a link that leads nowhere', () => symlinkSync(join(dir, 'nothing'), path)],
  ])('takes %s for something that is there', (_what, make) => {
    make();
    expect([createFile(path, 'x'), readdirSync(dir)]).toEqual([false, ['file']]);
  });

  it('lets one of many win', () => {
    const names = Array.from({ length: 20 }, (_, at) => String(at));
    expect(names.filter((name) => createFile(path, name))).toEqual(['0']);
  });
});

describe('appendLine', () => {
  it('loses and mixes no line of four processes', async () => {
    const program = bundleFixture('file-worker', dir);
    const letters = ['a', 'b', 'c', 'd'];
    await Promise.all(letters.map((letter) => startFixture(program, ['append', path, '200', letter]).ended));
    const lines = (readText(path) ?? '').split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.filter((line) => !/^\d+:(a{900}|b{900}|c{900}|d{900})$/.test(line))).toEqual([]);
    for (const letter of letters) {
      const own = lines.filter((line) => line.endsWith(letter)).map((line) => parseInt(line, 10));
      expect(own).toEqual(Array.from({ length: 200 }, (_, at) => at));
    }
  });

  it('makes a missing folder, and keeps the mode of a file that is there', () => {
    appendLine(join(dir, 'a', 'log'), 'one');
    expect([modeOf(join(dir, 'a')), modeOf(join(dir, 'a', 'log'))]).toEqual(['700', '600']);
    chmodSync(join(dir, 'a', 'log'), 0o640);
    appendLine(join(dir, 'a', 'log'), 'two', { mode: 0o600 });
    expect([readText(join(dir, 'a', 'log')), modeOf(join(dir, 'a', 'log'))]).toEqual(['one\ntwo\n', '640']);
  });
});

describe('endsInNewline', () => {
  it.each([[undefined, true], ['', true], ['\n', true], ['a\n', true], ['a', false], ['a\nb', false]])(
    'of a file with %j is %s',
    (text, expected) => {
      if (text !== undefined) writeFileSync(path, text);
      expect(endsInNewline(path)).toBe(expected);
    },
  ); // prettier-ignore
});

describe('what is absent', () => {
  it.each<[string, () => unknown, unknown]>([
    ['has no text', () => readText(path), undefined],
    ['has no names in it', () => listDir(path), []],
    ['has no facts', () => fileFacts(path), undefined],
    ['has no facts below a file either', () => { writeFileSync(path, ''); return fileFacts(join(path, 'x')); }, undefined],
    ['is not there', () => isThere(path), false],
    ['is removed in silence', () => removeFile(path), undefined],
    ['is removed with all that is in it in silence', () => removeTree(path), undefined],
  ])('%s', (_what, ask, answer) => {
    expect(ask()).toEqual(answer);
  }); // prettier-ignore

  it('is nothing that can be moved', () => {
    expect(failureOf(() => moveFile(path, `${path}2`)).message).toMatch(/^cannot move .*file: .*\(ENOENT\)$/);
  });
});

describe('what cannot be read', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['a folder has no text', () => readText(dir), /^cannot read .*: it is a folder/],
    ['a file has no names in it', () => { writeFileSync(path, ''); return listDir(path); }, /^cannot list .*: a part of this path is a file/],
    ['a file has nothing below it', () => { writeFileSync(path, ''); return readText(join(path, 'x')); }, /^cannot read .*: a part of this path is a file/],
    ['a folder is not removed as a file', () => removeFile(dir), /^cannot remove /],
    ['a pipe that nobody writes to', () => { spawnSync('mkfifo', [path]); return readText(path); }, /^cannot read .*: it is a named pipe/],
    ['a device', () => readText('/dev/zero'), /^cannot read \/dev\/zero: it is a device/],
    ['a name of 10 kB', () => fileFacts('x'.repeat(10_240)), /^cannot look at x+.*: the name is too long/],
    ['links in a circle', () => { symlinkSync(path, path); return fileFacts(path); }, /^cannot look at .*: too many links/],
    ['a folder where none can be made, which Node would try for ever', () => ensureDir('/proc/x/y'), /^cannot make the folder \/proc\/x\/y: .*\((ENOENT|EPERM|EACCES)\)$/],
    ['a file is no folder', () => { writeFileSync(path, ''); ensureDir(join(path, 'x')); }, /^cannot make the folder .*: a part of this path is a file/],
  ])('%s', (_what, deed, message) => {
    const failure = failureOf(deed);
    expect([failure.exitCode, failure.message]).toEqual([2, expect.stringMatching(message)]);
  }); // prettier-ignore
});

describe('removeTree', () => {
  it('removes links and never what they lead to', () => {
    const kept = join(dir, 'kept');
    mkdirSync(kept);
    writeFileSync(join(kept, 'x'), '');
    mkdirSync(path);
    symlinkSync(kept, join(path, 'link'));
    removeTree(path);
    symlinkSync(kept, path);
    removeTree(path);
    expect([readdirSync(dir), readdirSync(kept)]).toEqual([['kept'], ['x']]);
  });
});

describe('putAside', () => {
  it('keeps the text under another name, and a second one of the same moment beside it', () => {
    writeFileSync(path, 'one');
    const first = putAside(path, 0);
    writeFileSync(path, 'two');
    const second = putAside(path, 0);
    expect(first).toBe(`${path}.damaged-1970-01-01T000000000Z`);
    expect([readText(first), readText(second), isThere(path)]).toEqual(['one', 'two', false]);
  });
});

describe('keepNewest', () => {
  it.each([
    [0, ['log.1', 'log.2', 'log.3'], ['other']],
    [1, ['log.1', 'log.2'], ['log.3', 'other']],
    [2, ['log.1'], ['log.2', 'log.3', 'other']],
    [3, [], ['log.1', 'log.2', 'log.3', 'other']],
    [4, [], ['log.1', 'log.2', 'log.3', 'other']],
  ])('%d of three keeps that many, and never what is not meant', (keep, gone, left) => {
    for (const name of ['log.3', 'log.1', 'other', 'log.2']) writeFileSync(join(dir, name), '');
    expect(keepNewest(dir, (name) => name.startsWith('log.'), keep)).toEqual(gone);
    expect(readdirSync(dir)).toEqual(left);
  });

  it('of a folder that is not there removes nothing', () => {
    expect(keepNewest(path, () => true, 0)).toEqual([]);
  });
});

it('a text survives every byte that a file can hold', () => {
  const text = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
  replaceFile(path, text);
  expect(readText(path)).toBe(text);
  expect(readFileSync(path).length).toBe(128 + 2 * 128);
});
