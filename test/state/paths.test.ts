import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { folderOfKey, partsOfFolder, projectPaths, stateDir } from '../../lib/state/paths.ts';

describe('stateDir', () => {
  it.each([
    [{ CLAUDE_PM_STATE_DIR: '/s', XDG_STATE_HOME: '/x' }, '/home/u', '/s'],
    [{ CLAUDE_PM_STATE_DIR: '~/s' }, '/home/u', '/home/u/s'],
    [{ CLAUDE_PM_STATE_DIR: '~' }, '/home/u', '/home/u'],
    [{ CLAUDE_PM_STATE_DIR: '/a/../s/' }, undefined, '/s'],
    [{ CLAUDE_PM_STATE_DIR: '', XDG_STATE_HOME: '/x' }, '/home/u', '/x/claude-pm'],
    [{ XDG_STATE_HOME: '~/x' }, '/home/u', '/home/u/x/claude-pm'],
    [{}, '/home/u', '/home/u/.local/state/claude-pm'],
  ])('for %j and home %s is %s', (env, home, expected) => {
    expect(stateDir(env, home)).toBe(expected);
  });

  it.each([
    [{}, undefined, /set HOME or CLAUDE_PM_STATE_DIR/],
    [{}, '', /set HOME or CLAUDE_PM_STATE_DIR/],
    [{ CLAUDE_PM_STATE_DIR: 'state' }, '/home/u', /CLAUDE_PM_STATE_DIR="state" is a relative path/],
    [{ CLAUDE_PM_STATE_DIR: '~other/s' }, '/home/u', /relative path/],
    [{ CLAUDE_PM_STATE_DIR: '~/s' }, undefined, /HOME is not set/],
    [{ XDG_STATE_HOME: './x' }, '/home/u', /XDG_STATE_HOME="\.\/x" is a relative path/],
    [{ CLAUDE_PM_STATE_DIR: '/a\0b' }, '/home/u', /NUL/],
  ])('refuses %j with home %s', (env, home, message) => {
    expect(() => stateDir(env, home)).toThrow(message);
  });
});

describe('projectPaths', () => {
  it('puts everything of an epic into its own folders of the project', () => {
    const paths = projectPaths('/p', 'login');
    expect({ ...paths, streamDir: paths.streamDir('login/12/A') }).toEqual({
      projectDir: '/p',
      epicsDir: '/p/.claude/epics',
      runsDir: '/p/.claude-pm/runs',
      logsDir: '/p/.claude-pm/logs/memory',
      checkpointsDir: '/p/.claude/logs/checkpoints',
      envDir: '/p/.claude/env',
      epic: 'login',
      epicDir: '/p/.claude/epics/login',
      coordinationDir: '/p/.claude/epics/login/coordination',
      runDir: '/p/.claude-pm/runs/login',
      joblogPath: '/p/.claude-pm/runs/login/joblog.tsv',
      streamDir: '/p/.claude-pm/runs/login/12-A',
    });
  });

  it.each(['..', '../../etc', 'a/b', '', 'a\nb'])('takes no epic %j', (epic) => {
    expect(() => projectPaths('/p', epic)).toThrow('is no epic name');
  });

  it('gives no folder for a stream of another epic', () => {
    expect(() => projectPaths('/p', 'login').streamDir('other/1/A')).toThrow('is none of epic login');
  });
});

describe('folders of streams', () => {
  // Few letters and many dashes, so that two different keys come close often.
  const close = fc.stringMatching(/^[a1][a1.-]{0,4}$/);
  const long = fc.stringMatching(/^[a1][a-]{90,99}$/);
  const name = fc.oneof({ weight: 4, arbitrary: close }, { weight: 1, arbitrary: long });

  it.each([
    ['a-b', 'c', 'a--b-c'],
    ['a', 'b-c', 'a-b-c'],
    ['a-', 'b', 'a---b'],
    ['a', 'b', 'a-b'],
  ])('of issue %s, stream %s is %s', (issue, id, folder) => {
    expect(folderOfKey('e', `e/${issue}/${id}`)).toBe(folder);
  });

  it('are different for different streams, fit a file system and stay where they belong', () => {
    fc.assert(
      fc.property(fc.tuple(name, name), fc.tuple(name, name), ([issue, id], [issue2, id2]) => {
        const one = folderOfKey('e', `e/${issue}/${id}`);
        const other = folderOfKey('e', `e/${issue2}/${id2}`);
        expect(one === other).toBe(issue === issue2 && id === id2);
        expect(`stream-${one}-guidance.md`.length).toBeLessThanOrEqual(255);
        expect(join('/r', one)).toBe(`/r/${one}`);
      }),
      { numRuns: 2000 },
    );
  });

  it('tell the stream that they belong to unless they were shortened', () => {
    fc.assert(
      fc.property(close, close, (issue, id) => {
        expect(partsOfFolder(folderOfKey('e', `e/${issue}/${id}`))).toEqual({ issue, id });
      }),
    );
    expect(
      partsOfFolder(folderOfKey('e', `e/${'-'.repeat(99).padStart(100, 'a')}/${'b'.repeat(100)}`)),
    ).toBeUndefined();
    expect(partsOfFolder('A')).toBeUndefined();
  });
});
