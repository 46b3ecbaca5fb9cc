import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptResult } from '../../lib/model.ts';
import {
  attemptPaths,
  isOutcome,
  prepareAttempt,
  readResult,
  readStarted,
  writeResult,
  writeSpec,
  type AttemptPaths,
} from '../../lib/state/attempts.ts';

const RESULT: AttemptResult = {
  key: 'login/12/A', attempt: 2, outcome: 'killed-limit', exitCode: undefined, signal: 'SIGKILL', startedMs: 1000,
  endedMs: 3500, estimateBytes: 5, limitBytes: 7, heapMb: undefined, peakBytes: 8, peakKind: 'pss', averageBytes: 6,
  samples: 3, reason: 'over its limit',
}; // prettier-ignore

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'attempts-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function begin(attempt: number, spec: object, streamDir = dir): AttemptPaths {
  const paths = prepareAttempt(streamDir);
  writeSpec(paths.spec, attempt, spec);
  return paths;
}

/** What an attempt leaves when it has run to its end. */
function run(attempt: number, output: string): void {
  const paths = begin(attempt, { command: ['true'] });
  writeFileSync(paths.stdout, output);
  writeFileSync(paths.stderr, '');
  writeResult(paths.result, { ...RESULT, attempt });
}

describe('prepareAttempt', () => {
  it('makes a folder in which what ran is written', () => {
    const paths = begin(1, { key: 'login/12/A', command: 'npm test' }, join(dir, 'new', 'stream'));
    expect(JSON.parse(readFileSync(paths.spec, 'utf8'))).toEqual({
      version: 1, attempt: 1, key: 'login/12/A', command: 'npm test',
    }); // prettier-ignore
    expect(readdirSync(paths.dir)).toEqual(['spec.json']);
  });

  it('keeps what the three attempts before have left, each under its number', () => {
    for (const attempt of [1, 2, 3, 4, 5]) run(attempt, `output ${attempt}`);
    expect(readdirSync(dir).sort()).toEqual([
      'attempt-2', 'attempt-3', 'attempt-4', 'result.json', 'spec.json', 'stderr.log', 'stdout.log',
    ]); // prettier-ignore
    for (const attempt of [2, 3, 4]) {
      const old = attemptPaths(join(dir, `attempt-${attempt}`));
      expect(readFileSync(old.stdout, 'utf8')).toBe(`output ${attempt}`);
      expect(readResult(old.result, 0, fail)?.attempt).toBe(attempt);
    }
    expect(readFileSync(attemptPaths(dir).stdout, 'utf8')).toBe('output 5');
  });

  it('gives a new attempt no output of an earlier run, even under the same number', () => {
    run(1, 'first run');
    run(1, 'second run');
    begin(1, {});
    expect(readdirSync(dir).sort()).toEqual(['attempt-1', 'spec.json']);
    expect(readFileSync(join(dir, 'attempt-1', 'stdout.log'), 'utf8')).toBe('second run');
  });

  it('loses nothing of an attempt that was being moved when its mover was killed', () => {
    run(1, 'output 1');
    // The moves go from result.json to spec.json: a kill after the first one leaves this.
    const moved = attemptPaths(join(dir, 'attempt-1'));
    mkdirSync(moved.dir);
    renameSync(attemptPaths(dir).result, moved.result);
    begin(2, {});
    expect(readdirSync(moved.dir).sort()).toEqual(['result.json', 'spec.json', 'stderr.log', 'stdout.log']);
    expect(readFileSync(moved.stdout, 'utf8')).toBe('output 1');
  });

  it('moves output whose spec and result are unreadable to the next free number', () => {
    run(1, 'output 1');
    run(2, 'output 2');
    writeFileSync(join(dir, 'spec.json'), '{');
    writeFileSync(join(dir, 'result.json'), '');
    prepareAttempt(dir);
    expect(readFileSync(join(dir, 'attempt-2', 'stdout.log'), 'utf8')).toBe('output 2');
  });

  it('touches nothing that a newer version wrote', () => {
    run(1, 'output 1');
    writeFileSync(join(dir, 'spec.json'), '{"version":2,"attempt":1}');
    expect(() => prepareAttempt(dir)).toThrow(/spec\.json has version 2/);
    expect(readdirSync(dir).sort()).toEqual(['result.json', 'spec.json', 'stderr.log', 'stdout.log']);
    expect(readFileSync(join(dir, 'spec.json'), 'utf8')).toBe('{"version":2,"attempt":1}');
  });
});

describe('readStarted', () => {
  const tag = '0123456789abcdef';

  it.each([
    ['its process', { tag }, { pid: 7, startTicks: 99 }, { pid: 7, startTicks: 99 }],
    ['one that was gone before it was seen', { tag }, { pid: 7, startTicks: undefined }, { pid: 7, startTicks: undefined }],
    ['nothing of one that could not be started', { tag }, undefined, undefined],
    ['nothing of another attempt', { tag: 'fedcba9876543210' }, { pid: 7, startTicks: 99 }, undefined],
  ])('tells %s', (_what, spec, started, expected) => {
    const paths = prepareAttempt(dir);
    writeSpec(paths.spec, 1, spec, started);
    expect(readStarted(dir, tag)).toEqual(expected);
  }); // prettier-ignore

  it('knows nothing where a kill came before the file, or tore it', () => {
    expect(readStarted(dir, tag)).toBeUndefined();
    writeFileSync(attemptPaths(dir).spec, `{"tag":"${tag}","pid":`);
    expect(readStarted(dir, tag)).toBeUndefined();
  });
});

describe('results', () => {
  it.each([
    RESULT,
    {
      ...RESULT,
      outcome: 'done',
      exitCode: 0,
      signal: undefined,
      limitBytes: undefined,
      peakKind: undefined,
    },
    { ...RESULT, outcome: 'failed', exitCode: 3, peakBytes: undefined, averageBytes: undefined, samples: 0 },
  ] satisfies AttemptResult[])('come back as they were written ($outcome)', (result) => {
    const { result: path } = attemptPaths(dir);
    writeResult(path, result);
    expect(readResult(path, 0, fail)).toEqual(result);
  });

  it('are undefined where there is none yet', () => {
    expect(readResult(attemptPaths(dir).result, 0, fail)).toBeUndefined();
  });

  it.each([
    ['torn', '{"version":1,"key":"login/12'],
    ['empty', ''],
    ['a list', '[]'],
    ['without an outcome', JSON.stringify({ version: 1, ...RESULT, outcome: undefined })],
    ['with an outcome of a prototype', JSON.stringify({ version: 1, ...RESULT, outcome: 'toString' })],
    ['without a version', JSON.stringify(RESULT)],
    ['with a time that is no number', JSON.stringify({ version: 1, ...RESULT, startedMs: 'now' })],
  ])('that are %s are named and kept aside', (_what, text) => {
    const { result: path } = attemptPaths(dir);
    writeFileSync(path, text);
    const said: string[] = [];
    expect(readResult(path, 0, (line) => said.push(line))).toBeUndefined();
    const [aside = ''] = readdirSync(dir);
    expect(said).toEqual([`${path} is damaged: kept as ${join(dir, aside)}`]);
    expect(aside).toMatch(/^result\.json\.damaged-/);
    expect(readFileSync(join(dir, aside), 'utf8')).toBe(text);
  });

  it('of a newer version are neither read nor written over', () => {
    const { result: path } = attemptPaths(dir);
    writeFileSync(path, '{"version":2}');
    expect(() => readResult(path, 0, fail)).toThrow(/version 2/);
    expect(() => writeResult(path, RESULT)).toThrow(/version 2/);
    expect(readFileSync(path, 'utf8')).toBe('{"version":2}');
    expect(readdirSync(dir)).toEqual(['result.json']);
  });
});

it.each([['done', true], ['not-started', true], ['toString', false], ['', false], [undefined, false]])(
  'the word %s is an outcome: %s', (word, expected) => {
    expect(isOutcome(word)).toBe(expected);
  },
); // prettier-ignore

function fail(line: string): void {
  throw new Error(line);
}
