/** Does a stream's text ever become more than the words that it was meant to be? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stream } from '../../lib/model.ts';
import type { AgentKind } from '../../lib/settings-model.ts';
import { agentVariables, commandOf } from '../../lib/policy/agent-command.ts';
import { hostileText } from '../support/hostile.ts';
import { someStream } from '../support/nouns.ts';

const kindOf = (...command: string[]): AgentKind => ({
  command,
  estimateBytes: undefined,
  limitBytes: undefined,
  heapMb: undefined,
  env: {},
  pool: undefined,
});
const PROGRAMS = new Set(['node', 'echo', './tool', '/bin/echo', 'if']);
const command = (change: Partial<Stream>, kind?: AgentKind) =>
  commandOf(someStream('A', change), kind, (word) => PROGRAMS.has(word));

describe('a line', () => {
  it.each([
    ['echo a b', ['echo', 'a', 'b']],
    ['  echo   a  b ', ['echo', 'a', 'b']],
    ['./tool --size=3 a,b c:d e@f 50% +x', ['./tool', '--size=3', 'a,b', 'c:d', 'e@f', '50%', '+x']],
    ['/bin/echo', ['/bin/echo']],
  ])('%j is executed without a shell', (line, words) => {
    expect(command({ command: line })).toEqual({ words });
  });

  it.each([
    'echo "a b"', "echo 'a'", 'echo $HOME', 'echo `id`', 'echo a; id', 'echo a | cat', 'echo a && id', 'echo a & id',
    'echo a > b', 'echo a < b', 'echo *', 'echo ?', 'echo [a]', 'echo ~', 'echo {a,b}', 'echo a\\ b', 'echo a # b', 'echo a!',
    'echo (a)', 'echo a\nid', 'echo a\r', 'echo\ta', 'echo ^a', 'echo é', 'A=1 echo a', 'A=1', 'cd /', 'unknown a', '', ' ',
    'echo a\0b', 'echo a\u00a0b',
  ])('%j is left to a shell, unchanged', (line) => {
    expect(command({ command: line })).toEqual({ shellLine: line });
  }); // prettier-ignore

  it('means the same without a shell: words between blanks, none of which a shell would change', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_./:=,@%+-]{1,8}$/);
    fc.assert(
      fc.property(fc.array(word), (rest) => {
        const words = ['echo', ...rest];
        expect(command({ command: words.join(' ') })).toEqual({ words });
      }),
    );
  });
});

describe('words', () => {
  const stream = { prompt: 'do it', title: 'Title' };
  it.each<[string[], string[]]>([
    [['claude', '-p', '{prompt}'], ['claude', '-p', 'do it']],
    [['{key}', '{title}', '{epic}', '{issue}', '{stream}'], ['shop/1/A', 'Title', 'shop', '1', 'A']],
    [['--x={prompt};{prompt}'], ['--x=do it;do it']],
    [['{unknown}', '{}', '{ prompt }', '${prompt}', '{toString}', '{__proto__}'], ['{unknown}', '{}', '{ prompt }', '$do it', '{toString}', '{__proto__}']],
  ])('%j become %j', (template, words) => {
    expect(command({ command: undefined, ...stream }, kindOf(...template))).toEqual({ words });
    expect(command({ command: template, ...stream })).toEqual({ words });
  }); // prettier-ignore

  it('take the title where there is no prompt', () => {
    expect(command({ command: undefined, title: 'Title' }, kindOf('x', '{prompt}'))).toEqual({
      words: ['x', 'Title'],
    });
  });

  it('of a stream come before those of its kind; without either there is no command', () => {
    expect(command({ command: ['mine'] }, kindOf('theirs'))).toEqual({ words: ['mine'] });
    expect(command({ command: undefined })).toBeUndefined();
  });

  it('stay as many as they were, whatever a prompt holds, and no prompt is filled in twice', () => {
    const hostile = fc.oneof(
      hostileText(),
      fc.constantFrom('{key}', '$&', "$'", '$1', '{prompt}', '"; rm -rf /', '\n', ''),
    );
    fc.assert(
      fc.property(hostile, (prompt) => {
        const words = ['a', prompt, `<${prompt}>`];
        expect(command({ command: ['a', '{prompt}', '<{prompt}>'], prompt })).toEqual({ words });
      }),
    );
  });
});

describe('agentVariables', () => {
  it('say who the agent is, as text, and leave out what is unknown', () => {
    const facts = { tag: 'tag', attempt: 2, limitMb: undefined, heapMb: 512 };
    expect(agentVariables(someStream('A'), facts)).toEqual({
      CLAUDE_PM_LEASE: 'tag',
      CLAUDE_PM_EPIC: 'shop',
      CLAUDE_PM_ISSUE: '1',
      CLAUDE_PM_STREAM: 'A',
      CLAUDE_PM_KEY: 'shop/1/A',
      CLAUDE_PM_ATTEMPT: '2',
      CLAUDE_PM_HEAP_MB: '512',
    });
  });
});
