import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  blockStream,
  logLine,
  readBlocked,
  readGuidance,
  readLog,
  unblockStream,
  writeGuidance,
} from '../../lib/state/epic.ts';
import { projectPaths } from '../../lib/state/paths.ts';
import type { EpicPaths } from '../../lib/state/paths.ts'; // prettier-ignore

let dir: string;
let paths: EpicPaths;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'epic-'));
  paths = projectPaths(dir, 'login');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the log', () => {
  it('has one line for each entry, whatever the text', () => {
    logLine(paths, 'started 12/A', 0);
    logLine(paths, 'two\nlines\x1b[31m and\0 more', 1000);
    expect(readFileSync(join(paths.coordinationDir, 'memory-log.md'), 'utf8')).toBe(
      '- 1970-01-01T00:00:00.000Z started 12/A\n- 1970-01-01T00:00:01.000Z two lines and more\n',
    );
    expect(readLog(paths)).toHaveLength(2);
  });

  it('does not glue an entry to a line that a killed writer left', () => {
    logLine(paths, 'one', 0);
    appendFileSync(join(paths.coordinationDir, 'memory-log.md'), '- 1970-01-01T00');
    logLine(paths, 'two', 0);
    expect(readLog(paths).at(-1)).toBe('- 1970-01-01T00:00:00.000Z two');
  });
});

describe('paused streams', () => {
  const pause = { reason: 'waits for the schema', who: 'anna', nowMs: 0 };

  it('are known by key until they are resumed', () => {
    blockStream(paths, 'login/12/A', pause);
    blockStream(paths, 'login/a-b/C-d', { ...pause, reason: 'two\nlines' });
    expect(readBlocked(paths)).toEqual(
      new Map([['login/12/A', 'waits for the schema'], ['login/a-b/C-d', 'two lines']]),
    ); // prettier-ignore
    expect(unblockStream(paths, 'login/12/A')).toBe(true);
    expect(unblockStream(paths, 'login/12/A')).toBe(false);
    expect([...readBlocked(paths).keys()]).toEqual(['login/a-b/C-d']);
  });

  it('say in their file why, who and since when', () => {
    blockStream(paths, 'login/12/A', pause);
    expect(readFileSync(join(paths.coordinationDir, 'stream-12-A-blocked.md'), 'utf8')).toBe(
      '# Stream 12/A is paused\n\n- key: login/12/A\n- reason: waits for the schema\n- by: anna\n- since: 1970-01-01T00:00:00.000Z\n',
    );
  });

  it('are not confused by a pause of a stream whose name begins alike', () => {
    blockStream(paths, 'login/1/10', pause);
    expect(unblockStream(paths, 'login/1/1')).toBe(false);
    expect([...readBlocked(paths).keys()]).toEqual(['login/1/10']);
  });

  it('keep their key when the file name had to be shortened', () => {
    const key = `login/${'a-'.repeat(50)}/${'b'.repeat(100)}`;
    blockStream(paths, key, pause);
    expect([...readBlocked(paths).keys()]).toEqual([key]);
    expect(unblockStream(paths, key)).toBe(true);
  });

  it.each([
    ['stream-12-A-blocked.md', '\n# Waits for Anna\n', 'login/12/A', 'Waits for Anna'],
    ['stream-12-A-blocked.md', '', 'login/12/A', ''],
    ['stream-A-blocked.md', 'not yet', 'A', 'not yet'],
    ['stream-12-A-blocked.md', '- key: login/12/B\n- reason: copied\n', 'login/12/A', 'copied'],
    ['stream-12-A-blocked.md', '- key: ../../x\n', 'login/12/A', 'key: ../../x'],
  ])('may be made by hand: %s with %j', (name, text, key, reason) => {
    mkdirSync(paths.coordinationDir, { recursive: true });
    writeFileSync(join(paths.coordinationDir, name), text);
    expect(readBlocked(paths)).toEqual(new Map([[key, reason]]));
  });

  it('are none where the folder is missing, and other files pause nothing', () => {
    expect(readBlocked(paths).size).toBe(0);
    writeGuidance(paths, 'login/12/A', 'x');
    logLine(paths, 'x', 0);
    expect(readBlocked(paths).size).toBe(0);
  });

  it.each(['login/../A', 'other/12/A', '12/A'])('cannot be called %s', (key) => {
    expect(() => blockStream(paths, key, pause)).toThrow(/name|key|none of epic/);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('guidance', () => {
  it('comes back as it was written, the newest alone', () => {
    expect(readGuidance(paths, 'login/12/A')).toBeUndefined();
    writeGuidance(paths, 'login/12/A', 'first');
    writeGuidance(paths, 'login/12/A', 'use the cache\nand less memory');
    expect(readGuidance(paths, 'login/12/A')).toBe('use the cache\nand less memory\n');
    expect(readGuidance(paths, 'login/12/B')).toBeUndefined();
  });
});
