import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
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
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptResult } from '../../lib/model.ts';
import { appendJoblog, archiveJoblog, finishedKeys, lastEntries, numberStreams, readJoblog, startJoblog } from '../../lib/state/joblog.ts'; // prettier-ignore

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'joblog-'));
  path = join(dir, 'joblog.tsv');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const BASE: AttemptResult = {
  key: 'login/12/A', attempt: 1, outcome: 'done', exitCode: 0, signal: undefined, startedMs: 1_700_000_000_123,
  endedMs: 1_700_000_002_623, estimateBytes: 1000, limitBytes: 3000, heapMb: 512, peakBytes: 2000, peakKind: 'pss',
  averageBytes: 1500, samples: 4, reason: 'finished', cause: 'success',
}; // prettier-ignore

function result(key: string, more: Partial<AttemptResult> = {}): AttemptResult {
  return { ...BASE, key, ...more };
}

const DONE = {} as const;
const FAILED = { outcome: 'failed', exitCode: 3 } as const;
const KILLED = { outcome: 'killed-limit', exitCode: undefined, signal: 'SIGKILL' } as const;

describe('the file', () => {
  it('has the columns of GNU parallel first, then ours', () => {
    startJoblog(path);
    appendJoblog(path, 7, ['echo', "it's", 'a b'], result('login/12/A'));
    expect(readFileSync(path, 'utf8')).toBe(
      'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\t' +
        'Key\tAttempt\tOutcome\tEstimate\tLimit\tPeak\tPeakKind\tAverage\tHeap\tReason\tCause\n' +
        "7\t:\t1700000000.123\t     2.500\t0\t0\t0\t0\techo 'it'\\''s' 'a b'\t" +
        'login/12/A\t1\tdone\t1000\t3000\t2000\tpss\t1500\t512\tfinished\tsuccess\n',
    );
  });

  it.each([
    ['success', DONE, 0, 0],
    ['an exit code', FAILED, 3, 0],
    ['SIGKILL', KILLED, 0, 9],
    ['SIGTERM', { outcome: 'stopped', exitCode: undefined, signal: 'SIGTERM' }, 0, 15],
    ['a signal that this machine does not know', { ...KILLED, signal: 'SIGNEW' }, 0, -1],
    ['nothing at all', { outcome: 'not-started', exitCode: undefined }, -1, 0],
    ['an exit with 0 after we stopped it', { outcome: 'killed-limit', exitCode: 0 }, -1, 0],
  ] as const)('says of %s what GNU parallel would', (_what, more, exitval, signal) => {
    startJoblog(path);
    appendJoblog(path, 1, 'x', result('login/12/A', more));
    expect(readJoblog(path).entries[0]).toMatchObject({ exitval, signal, outcome: result('', more).outcome });
  });

  it('comes back as it was written, whatever the command and the reason', () => {
    startJoblog(path);
    const bytes = fc.option(fc.nat(), { nil: undefined });
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 600 }), fc.string({ unit: 'binary', maxLength: 600 }),
        bytes, bytes, fc.integer({ min: 1, max: 1e6 }),
        (command, reason, limitBytes, peakBytes, seq) => {
          appendJoblog(path, seq, command, result('login/12/A', { reason, limitBytes, peakBytes }));
          const { entries, torn } = readJoblog(path);
          expect(torn).toBe(0);
          expect(entries.at(-1)).toMatchObject({
            seq, key: 'login/12/A', limitBytes, peakBytes, heapMb: 512, averageBytes: 1500, startedMs: BASE.startedMs,
            runtimeMs: 2500,
          });
          const line = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? '';
          expect(Buffer.byteLength(line)).toBeLessThan(1024);
        },
      ),
      { numRuns: 60 },
    );
  }); // prettier-ignore

  it('is never begun anew by a second start', () => {
    startJoblog(path);
    appendJoblog(path, 1, 'x', result('login/12/A'));
    const before = readFileSync(path, 'utf8');
    startJoblog(path);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it.each(['', 'header'])('gets its header where it was left with "%s" alone', (what) => {
    startJoblog(path);
    const header = readFileSync(path, 'utf8');
    writeFileSync(path, what === '' ? '' : header.trimEnd());
    startJoblog(path);
    expect(readFileSync(path, 'utf8')).toBe(header);
  });

  it.each([
    ['a newer version', (header: string) => `${header}\tColour\n1\t:\n`, 'comes from a newer version'],
    [
      'GNU parallel itself',
      (header: string) => `${header.split('\tKey')[0] ?? ''}\n`,
      'is no joblog of ours',
    ],
    ['somebody else', () => 'name,age\n', 'is no joblog of ours'],
  ])('of %s is named and left as it is', (_what, text, message) => {
    startJoblog(path);
    const foreign = text(readFileSync(path, 'utf8').trimEnd());
    writeFileSync(path, foreign);
    expect(() => startJoblog(path)).toThrow(message);
    expect(() => readJoblog(path)).toThrow(path);
    expect(readFileSync(path, 'utf8')).toBe(foreign);
  });

  it('from before causes were known is read, and goes on with them', () => {
    const old = readFileSync(
      join(import.meta.dirname, '..', 'fixtures', 'joblog', 'without-causes.tsv'),
      'utf8',
    );
    writeFileSync(path, old);
    expect(readJoblog(path)).toMatchObject({
      torn: 0,
      entries: [
        { key: 'login/12/A', outcome: 'done', reason: 'exit 0', cause: undefined },
        { key: 'login/12/B', outcome: 'killed-limit', cause: undefined },
      ],
    });
    startJoblog(path);
    appendJoblog(path, 2, 'x', result('login/12/B', { attempt: 2, cause: 'our-limit', ...KILLED }));
    expect(readJoblog(path)).toMatchObject({
      torn: 0,
      entries: [{}, {}, { attempt: 2, cause: 'our-limit' }],
    });
    expect(readFileSync(path, 'utf8').startsWith(old)).toBe(true);
  });

  it('is empty where there is none', () => {
    expect(readJoblog(path)).toEqual({ entries: [], torn: 0 });
  });
});

describe('a torn line', () => {
  /** The file as a kill leaves it inside its second record. */
  function tear(bytes: number): void {
    startJoblog(path);
    appendJoblog(path, 1, 'echo 1', result('login/12/A'));
    const whole = readFileSync(path).length;
    appendJoblog(path, 2, 'echo 2', result('login/12/B'));
    writeFileSync(path, readFileSync(path).subarray(0, whole + bytes));
  }

  it('costs nothing but itself, wherever it was cut', () => {
    tear(10_000);
    const second = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1)?.length ?? 0;
    for (let bytes = 1; bytes <= second; bytes += 1) {
      rmSync(path);
      tear(bytes);
      expect(readJoblog(path), `${bytes} bytes`).toMatchObject({ torn: 1, entries: [{ key: 'login/12/A' }] });
      startJoblog(path);
      appendJoblog(path, 3, 'echo 3', result('login/12/C', FAILED));
      const { entries, torn } = readJoblog(path);
      expect(
        entries.map((entry) => entry.key),
        `${bytes} bytes`,
      ).toEqual(['login/12/A', 'login/12/C']);
      expect(torn).toBe(1);
    }
  });

  it('is no finished stream for GNU parallel before its exit code was written, and never stops it', () => {
    // The two patterns of parallel 20221122 (sub open_joblog) for "has succeeded" and "well formed".
    const succeeded = /^(\d+)(?:\t[^\t]+){5}\t0\t0\t/;
    const wellFormed = /\d+\s+[^\s]+\s+([-0-9.]+\s+){6}/;
    tear(10_000);
    const full = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    for (let bytes = 1; bytes <= full.length; bytes += 1) {
      rmSync(path);
      tear(bytes);
      startJoblog(path);
      const line = readFileSync(path, 'utf8').split('\n')[2] ?? '';
      expect(succeeded.test(line), line).toBe(succeeded.test(full.slice(0, bytes)));
      expect(succeeded.test(line) || wellFormed.test(line), line).toBe(true);
    }
  });
});

describe('finished streams', () => {
  it.each([
    ['done', [DONE], true],
    ['failed', [FAILED], false],
    ['killed', [KILLED], false],
    ['failed, then done', [FAILED, DONE], true],
    ['done, then failed', [DONE, FAILED], false],
    ['stopped by us, exit code 0', [{ outcome: 'killed-limit', exitCode: 0 }], false],
    ['refused', [{ outcome: 'refused', exitCode: undefined }], false],
  ] as const)('%s: %s', (_what, attempts, finished) => {
    startJoblog(path);
    attempts.forEach((more, index) => {
      appendJoblog(path, 1, 'x', result('login/1/1', { ...more, attempt: index + 1 }));
    });
    appendJoblog(path, 10, 'x', result('login/1/10'));
    const { entries } = readJoblog(path);
    expect(finishedKeys(entries).has('login/1/1')).toBe(finished);
    expect(finishedKeys(entries).has('login/1/10')).toBe(true);
    expect(lastEntries(entries).get('login/1/1')?.attempt).toBe(attempts.length);
  });

  it('include what GNU parallel has done since, by their numbers', () => {
    startJoblog(path);
    appendJoblog(path, 1, 'false', result('login/1/A', FAILED));
    appendJoblog(path, 2, 'false', result('login/1/B', FAILED));
    appendFileSync(path, '1\t:\t1795179488.631\t     0.010\t0\t0\t0\t0\ttrue\n9\t:\t1795179488.631\t     0.010\t0\t0\t0\t0\ttrue\n');
    const { entries, torn } = readJoblog(path);
    expect(torn).toBe(0);
    expect([...finishedKeys(entries)]).toEqual(['login/1/A']);
  }); // prettier-ignore

  it.each([
    ['a key that leaves its folder', (line: string) => line.replace('login/12/A', 'login/../A')],
    ['an outcome of a prototype', (line: string) => line.replace('\tdone\t', '\ttoString\t')],
    ['a number that is none', (line: string) => line.replace('1700000000.123', 'yesterday')],
    ['a column too many', (line: string) => line.replace('finished', 'finished\t1')],
  ])('do not come from a line with %s', (_what, spoil) => {
    startJoblog(path);
    appendJoblog(path, 1, 'x', result('login/12/A'));
    writeFileSync(path, spoil(readFileSync(path, 'utf8')));
    expect(readJoblog(path)).toEqual({ entries: [], torn: 1 });
  });
});

describe('numbers of streams', () => {
  it('are those of the joblog, whatever the order; new streams get new ones', () => {
    startJoblog(path);
    appendJoblog(path, 1, 'x', result('login/1/A'));
    appendJoblog(path, 3, 'x', result('login/1/C'));
    const { entries } = readJoblog(path);
    expect(numberStreams(['login/1/C', 'login/1/D', 'login/1/B', 'login/1/A'], entries)).toEqual(
      new Map([['login/1/C', 3], ['login/1/D', 2], ['login/1/B', 4], ['login/1/A', 1]]),
    ); // prettier-ignore
    expect([...numberStreams(['a/b/c', 'a/b/d'], []).values()]).toEqual([1, 2]);
  });
});

describe('archiveJoblog', () => {
  it('moves the file of an earlier run away and keeps the newest five', () => {
    const archives: (string | undefined)[] = [];
    for (let run = 0; run < 7; run += 1) {
      writeFileSync(path, `run ${run}`);
      // Twice at the same time: neither may replace the other.
      archives.push(archiveJoblog(path, 1000 * Math.floor(run / 2)));
    }
    expect(new Set(archives).size).toBe(7);
    expect(readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'))).toEqual(
      [2, 3, 4, 5, 6].map((run) => `run ${run}`),
    );
  });

  it('takes no stream folder and no other file for an archive', () => {
    const others = ['joblog-19700101T000000000Z.tsv', 'joblog-notes.tsv', 'joblog-A'];
    mkdirSync(join(dir, others[0] ?? ''));
    for (const name of others.slice(1)) writeFileSync(join(dir, name), '');
    for (let run = 0; run < 7; run += 1) {
      writeFileSync(path, '');
      archiveJoblog(path, 0);
    }
    expect(readdirSync(dir)).toEqual(expect.arrayContaining(others));
    expect(readdirSync(dir)).toHaveLength(others.length + 5);
  });

  it('does nothing where there is none', () => {
    expect(archiveJoblog(path, 0)).toBeUndefined();
    expect(readdirSync(dir)).toEqual([]);
  });
});

it('loses no line when eight processes start it and append to it at once', async () => {
  const module = pathToFileURL(join(import.meta.dirname, '../../lib/state/joblog.ts')).href;
  const script = join(dir, 'writer.ts');
  writeFileSync(
    script,
    `import { appendJoblog, startJoblog } from '${module}';
     const [path = '', writer = ''] = process.argv.slice(2);
     startJoblog(path);
     for (let line = 0; line < 50; line += 1)
       appendJoblog(path, line, 'x'.repeat(300), { ...${JSON.stringify(BASE)}, key: \`e/\${writer}/\${line}\`, signal: undefined });`,
  );
  const root = join(import.meta.dirname, '../..');
  const writers = Array.from({ length: 8 }, (_, writer) =>
    spawn(process.execPath, ['--import', 'tsx', script, path, String(writer)], {
      cwd: root,
      stdio: 'inherit',
    }),
  );
  const exits = await Promise.all(
    writers.map(async (writer) => (await once(writer, 'exit'))[0] as number | null),
  );
  expect(exits).toEqual(Array.from({ length: 8 }, () => 0));
  const { entries, torn } = readJoblog(path);
  expect(new Set(entries.map((entry) => entry.key)).size).toBe(400);
  expect({ lines: entries.length, torn }).toEqual({ lines: 400, torn: 0 });
});

describe('GNU parallel', () => {
  const version = spawnSync('parallel', ['--version'], { encoding: 'utf8' });
  const installed = version.error === undefined && version.stdout.startsWith('GNU parallel');

  /** Runs `echo ARG` for 1 to 6 and answers with what ran. */
  function resumeFailed(): { code: number | null; ran: string; stderr: string } {
    const home = { ...process.env, HOME: dir, PARALLEL_HOME: dir, XDG_CACHE_HOME: dir };
    writeFileSync(join(dir, 'will-cite'), '');
    const args = [
      '-k',
      '--resume-failed',
      '--joblog',
      path,
      'echo',
      '{}',
      ':::',
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
    ];
    const { status, stdout, stderr } = spawnSync('parallel', args, { encoding: 'utf8', cwd: dir, env: home });
    return { code: status, ran: stdout.trim().split('\n').join(' '), stderr };
  }

  it('accepts the file with --resume-failed, runs again what did not succeed, and nothing else', (ctx) => {
    if (!installed) return ctx.skip('GNU parallel is not installed');
    startJoblog(path);
    appendJoblog(
      path,
      1,
      'echo "a\tb"\n# two lines',
      result('e/1/1', { reason: 'tab\there; $(touch x) 0\t0\t' }),
    );
    appendJoblog(path, 2, ['false'], result('e/1/2', FAILED));
    appendJoblog(path, 3, ['hog'], result('e/1/3', KILLED));
    appendJoblog(path, 4, ['hog'], result('e/1/4', { outcome: 'killed-limit', exitCode: 0 }));
    appendJoblog(path, 5, '', result('e/1/5', { limitBytes: undefined, peakBytes: undefined, reason: '' }));
    expect(resumeFailed()).toEqual({ code: 0, ran: '2 3 4 6', stderr: '' });

    const { entries, torn } = readJoblog(path);
    expect(torn).toBe(0);
    expect([...finishedKeys(entries)].sort()).toEqual(['e/1/1', 'e/1/2', 'e/1/3', 'e/1/4', 'e/1/5']);
    expect(resumeFailed()).toEqual({ code: 0, ran: '', stderr: '' });
  });

  it.for([1, 2, 5, 20, 30, 33, 35, 60])('goes on after a line that was torn at byte %i', (bytes, ctx) => {
    if (!installed) return ctx.skip('GNU parallel is not installed');
    startJoblog(path);
    appendJoblog(path, 1, 'true', result('e/1/1'));
    const whole = readFileSync(path).length;
    appendJoblog(path, 2, 'false', result('e/1/2', FAILED));
    writeFileSync(path, readFileSync(path).subarray(0, whole + bytes));
    startJoblog(path);
    appendJoblog(path, 3, 'true', result('e/1/3'));
    expect(resumeFailed()).toEqual({ code: 0, ran: '2 4 5 6', stderr: '' });
  });
});
