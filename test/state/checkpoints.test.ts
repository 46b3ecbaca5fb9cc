/** Are checkpoints appended as they come, in whole lines, to the file of the agent that was named and no other? */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareCheckpoint, streamCheckpoint } from '../../lib/state/checkpoints.ts';
import { checkpointPath } from '../../lib/state/paths.ts';
import { tempDir } from '../support/scripts.ts';

const DIR = '/p/.claude/logs/checkpoints';

describe('the file of an agent', () => {
  it.each([
    ['backend', `${DIR}/backend.log`],
    ['a.b_c-1', `${DIR}/a.b_c-1.log`],
    ['shop/12/A', `${DIR}/shop~12~A.log`],
  ])('of %s is %s', (agent, path) => {
    expect(checkpointPath('/p', agent)).toBe(path);
  });

  it.each([
    '',
    '.',
    '..',
    '../x',
    '/etc/passwd',
    'a/b',
    'a/../b',
    'a/b/c/d',
    'a b',
    '-a',
    'a\nb',
    'shop~12~A',
  ])('of %j is refused', (agent) => {
    expect(() => checkpointPath('/p', agent)).toThrow(/is no (agent|stream|epic|issue)/);
  });

  it('is of a length that every file system takes, and another one for each agent', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/);
    const agent = fc.oneof(
      name,
      fc.tuple(name, name, name).map((parts) => parts.join('/')),
    );
    const long = (end: string) => ['a', 'b', end].map((part) => part.padEnd(100, 'x')).join('/');
    fc.assert(
      fc.property(agent, agent, (one, other) => {
        expect(checkpointPath('/p', one).length - DIR.length).toBeLessThanOrEqual(255);
        expect(checkpointPath('/p', one) === checkpointPath('/p', other)).toBe(one === other);
      }),
      { examples: [[long('c'), long('d')]] },
    );
  });

  it('has its folder made for agents that append by themselves', () => {
    const project = tempDir();
    const path = prepareCheckpoint(project, 'shop/1/A');
    expect(path).toBe(checkpointPath(project, 'shop/1/A'));
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(existsSync(path)).toBe(false);
  });
});

describe('appending', () => {
  it.each<[string, string[], string]>([
    ['nothing makes no file', [], ''],
    ['a piece without a line end gets one', ['one'], 'one\n'],
    ['whole lines stay as they are', ['one\ntwo\n'], 'one\ntwo\n'],
    ['an empty line stays', ['\n'], '\n'],
    ['a line in pieces is one line', ['o', 'n', 'e\ntw', 'o'], 'one\ntwo\n'],
  ])('%s', async (_, pieces, expected) => {
    const path = join(tempDir(), 'a', 'agent.log');
    expect(await streamCheckpoint(path, pieces)).toBe(expected.length);
    expect(existsSync(path) ? readFileSync(path, 'utf8') : '').toBe(expected);
  });

  it('begins on a line of its own behind what a killed writer left', async () => {
    const path = join(tempDir(), 'agent.log');
    writeFileSync(path, 'hal');
    await streamCheckpoint(path, ['next']);
    expect(readFileSync(path, 'utf8')).toBe('hal\nnext\n');
  });

  it('writes what has come before more comes', async () => {
    const path = join(tempDir(), 'agent.log');
    const seen: string[] = [];
    function* pieces(): Generator<string> {
      yield 'one\ntw';
      seen.push(readFileSync(path, 'utf8'));
      yield 'o\n';
      seen.push(readFileSync(path, 'utf8'));
    }
    await streamCheckpoint(path, pieces());
    expect(seen).toEqual(['one\n', 'one\ntwo\n']);
  });

  it('breaks a line without an end into pieces instead of holding it', async () => {
    const path = join(tempDir(), 'agent.log');
    const piece = 'é'.repeat(64 * 1024);
    const bytes = await streamCheckpoint(path, [piece, piece, piece, piece, piece]);
    expect(statSync(path).size).toBe(bytes);
    const text = readFileSync(path, 'utf8');
    expect(text.replaceAll('\n', '')).toBe(piece.repeat(5));
    expect(text.split('\n').map((line) => line.length)).toEqual([4 * piece.length, piece.length, 0]);
  });

  it('keeps every line of any text in any pieces', async () => {
    const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '語', '\n'), maxLength: 20 }));
    const dir = tempDir();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(pieces, async (list) => {
        const path = join(dir, `${(round += 1)}.log`);
        const text = list.join('');
        const expected = text === '' || text.endsWith('\n') ? text : `${text}\n`;
        expect(await streamCheckpoint(path, list)).toBe(Buffer.byteLength(expected));
        expect(existsSync(path) ? readFileSync(path, 'utf8') : '').toBe(expected);
      }),
    );
  });
});
