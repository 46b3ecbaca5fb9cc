/** Does every command line end in the right exit code, with the answer on stdout and the talk on stderr? */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../lib/cli.ts';
import type { Program } from '../lib/flags.ts';
import { toolkitVersion } from '../lib/probe/toolkit.ts';
import { program, withFallback, withSubject } from './fixtures/small-program.ts';
import { bundleFixture } from './support/fixture.ts';
import { waitFor } from './support/scripts.ts';

interface Said {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in this process, as it would run in its own. */
async function call(argv: readonly string[], which: Program = program): Promise<Said> {
  const text = { stdout: '', stderr: '' };
  const listeners = [process.stdout, process.stderr].map((stream) => [stream, stream.listeners('error')] as const);
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      text[name] += String(chunk);
      return true;
    }),
  );
  const before = process.exitCode;
  try {
    await main(which, argv);
    return { code: process.exitCode, ...text };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
    for (const [stream, old] of listeners)
      for (const listener of stream.listeners('error'))
        if (!old.includes(listener)) stream.off('error', listener as (error: Error) => void);
  }
} // prettier-ignore

/** `key:value` lines, `!` before a line of stderr; a line that matters only by what it contains is given as a part. */
type Row = [argv: string[], code: number, stdout: string | RegExp, stderr: string | RegExp];
const check = async (which: Program, [argv, code, stdout, stderr]: Row): Promise<void> => {
  const said = await call(argv, which);
  const like = (text: string | RegExp): unknown => (typeof text === 'string' ? text : expect.stringMatching(text));
  expect(said).toEqual({ code, stdout: like(stdout), stderr: like(stderr) });
}; // prettier-ignore

const echoed = (args: string, flags: string, rest?: string): string =>
  `subject:\nargs:${args}\nflags:${flags}\n${rest === undefined ? '' : `rest:${rest}\n`}`;
const help = 'see `small --help`\n';
const echoHelp = 'see `small echo --help`\n';

describe('a program', () => {
  it.each<Row>([
    [['echo', 'a'], 0, echoed('a', '{}'), ''],
    [['echo', 'a', 'b', '--loud'], 0, echoed('a b', '{"loud":true}'), ''],
    [['--loud', 'echo', 'a'], 0, echoed('a', '{"loud":true}'), ''],
    [['echo', '--size', '3GB', 'a'], 0, echoed('a', '{"size":"3GB"}'), ''],
    [['echo', '--size=3GB', 'a'], 0, echoed('a', '{"size":"3GB"}'), ''],
    [['echo', '--size=-3', 'a'], 0, echoed('a', '{"size":"-3"}'), ''],
    [['echo', '--size=', 'a'], 0, echoed('a', '{"size":""}'), ''],
    [['echo', '--size', '-', 'a'], 0, echoed('a', '{"size":"-"}'), ''],
    [['echo', '--size=a=b', 'a'], 0, echoed('a', '{"size":"a=b"}'), ''],
    [['echo', '--tag', 'x', '--tag=y', 'a'], 0, echoed('a', '{"tag":["x","y"]}'), ''],
    [['echo', '--loud', '--loud', 'a'], 0, echoed('a', '{"loud":true}'), ''],
    [['echo', 'a', '--json'], 0, '{"subject":"","args":["a"],"flags":{"json":true},"rest":[],"json":true}\n', ''],
    [['echo', 'talk'], 0, echoed('talk', '{}'), 'said on the side\n'],
    [['echo', 'a\nargs:forged'], 0, echoed('a args:forged', '{}'), ''],
    [['many'], 0, echoed('', '{}'), ''],
    [['many', 'a', 'b', 'c', 'd'], 0, echoed('a b c d', '{}'), ''],
    [['--set', 'a.b=1', 'many'], 0, echoed('', '{"set":["a.b=1"]}'), ''],
    [['--project', '/', 'many'], 0, echoed('', '{"project":"/"}'), ''],
    [['wrap', '--', 'ls', '--help', '-x', '--'], 0, echoed('', '{}', 'ls --help -x --'), ''],
    [['wrap', '--'], 0, echoed('', '{}'), ''],
    [['wrap', '--json', '--', '--json'], 0, '{"subject":"","args":[],"flags":{"json":true},"rest":["--json"],"json":true}\n', ''],
    [['code'], 30, '', ''],
    [['refuse'], 75, '', 'small: not now: ask later\n'],
    [['refuse', '--json'], 75, '{"error":"not now: ask later","exit_code":75}\n', 'small: not now: ask later\n'],
    [['wrap', 'x', '--', '--json'], 2, '', /has no use for `x`/],
    [['bug'], 1, '', /^small: this is a bug of ours; .*\nTypeError: undefined is not a function\n {4}at .*small-program/],
    [['odd'], 1, '', /^small: this is a bug of ours; .*\na text\n$/],
    [['full'], 2, '', 'small: cannot use /x: the disk is full: free some space and call again (ENOSPC)\n'],

    [[], 2, '', `small: needs a sub-command: echo, many, wrap, code, refuse, bug, odd, full, drip; ${help}`],
    [['--json'], 2, /^\{"error":"needs a sub-command: .*","exit_code":2\}\n$/, /needs a sub-command/],
    [['--'], 2, '', /needs a sub-command/],
    [['--', 'echo'], 2, '', /needs a sub-command/],
    [['ehco'], 2, '', `small: has no sub-command \`ehco\`; did you mean echo?; ${help}`],
    [['toString'], 2, '', `small: has no sub-command \`toString\`; ${help}`],
    [['__proto__'], 2, '', `small: has no sub-command \`__proto__\`; ${help}`],
    [['constructor'], 2, '', /^small: has no sub-command `constructor`/],
    [['hasOwnProperty', 'a'], 2, '', /^small: has no sub-command `hasOwnProperty`/],
    [[''], 2, '', `small: has no sub-command \`\`; ${help}`],
    [['a\x1b[31m\nb\x9b'], 2, '', `small: has no sub-command \`a\\u001b[31m\\nb?\`; ${help}`],
    [['x'.repeat(10_240)], 2, '', `small: has no sub-command \`${'x'.repeat(57)}...\`; ${help}`],

    [['echo'], 2, '', `small: echo needs WORD; ${echoHelp}`],
    [['echo', 'a', 'b', 'c'], 2, '', `small: echo has no use for \`c\`; ${echoHelp}`],
    [['code', 'a'], 2, '', 'small: code has no use for `a`; see `small code --help`\n'],
    [['echo', 'a', '--laud'], 2, '', `small: echo has no flag \`--laud\`; did you mean --loud?; ${echoHelp}`],
    [['echo', 'a', '-l'], 2, '', /^small: echo has no flag `-l`/],
    [['echo', 'a', '-abc'], 2, '', /^small: echo has no flag `-a`/],
    [['echo', 'a', '-5'], 2, '', /^small: echo has no flag `-5`/],
    [['echo', 'a', '--toString'], 2, '', `small: echo has no flag \`--toString\`; ${echoHelp}`],
    [['echo', 'a', '--__proto__=x'], 2, '', `small: echo has no flag \`--__proto__\`; ${echoHelp}`],
    [['echo', 'a', '--constructor'], 2, '', /^small: echo has no flag `--constructor`/],
    [['echo', 'a', '--no-loud'], 2, '', /^small: echo has no flag `--no-loud`/],
    [['code', '--loud'], 2, '', /^small: code has no flag `--loud`/],
    [['echo', 'a', '--loud=yes'], 2, '', `small: echo --loud takes no value; ${echoHelp}`],
    [['echo', 'a', '--json=true'], 2, '', `small: echo --json takes no value; ${echoHelp}`],
    [['echo', 'a', '--size'], 2, '', `small: echo --size needs a value: SIZE; ${echoHelp}`],
    [['echo', '--size', '--loud', 'a'], 2, '', `small: echo --size needs a value: SIZE; ${echoHelp}`],
    [['echo', 'a', '--size', '-3'], 2, '', `small: echo --size needs a value: SIZE; ${echoHelp}`],
    [['echo', 'a', '--size=1', '--size=1'], 2, '', `small: echo --size was given twice; ${echoHelp}`],
    [['echo', 'a', '--size=', '--size='], 2, '', `small: echo --size was given twice; ${echoHelp}`],
    [['echo', 'a', '--', 'b'], 2, '', `small: echo takes nothing behind \`--\`; ${echoHelp}`],
    [['echo', 'a', '--json', '--size'], 2, /^\{"error":"echo --size needs/, /--size needs a value/],
  ])('%j ends with %d', (...row) => check(program, row)); // prettier-ignore

  it.each<Row>([
    [['--help'], 0, /^small: a small program\n/, ''],
    [['-h'], 0, /^small: a small program\n/, ''],
    [['--help', '--json'], 0, /^small: a small program\n/, ''],
    [['echo', '--help'], 0, /^small echo WORD \[MORE\] \[FLAGS\]\n/, ''],
    [['--help', 'echo'], 0, /^small echo /, ''],
    [['echo', '-h', '--unknown'], 0, /^small echo /, ''],
    [['ehco', '--help'], 2, '', /did you mean echo\?/],
    [['wrap', '--', 'ls', '--help'], 0, /rest:ls --help/, ''],
    [['--version'], 0, `small ${toolkitVersion()}\n`, ''],
    [['echo', '--version'], 0, `small ${toolkitVersion()}\n`, ''],
    [['wrap', '--', '--version'], 0, /rest:--version/, ''],
  ])('%j ends with %d, at each level', (...row) => check(program, row)); // prettier-ignore
});

describe('a program whose first word is a name', () => {
  it.each<Row>([
    [['shop', 'echo', 'a'], 0, /^subject:shop\nargs:a\n/, ''],
    [['--project', '/', 'shop', '--json', 'echo', 'a'], 0, /"subject":"shop","args":\["a"\]/, ''],
    [['echo', 'echo', 'echo'], 0, /^subject:echo\nargs:echo\n/, ''],
    [['toString', 'echo', 'a'], 0, /^subject:toString\n/, ''],
    [[], 2, '', 'small: needs EPIC and a sub-command; see `small EPIC --help`\n'],
    [['shop'], 2, '', /^small: needs a sub-command: echo, /],
    [['shop', 'toString'], 2, '', 'small: has no sub-command `toString`; see `small EPIC --help`\n'],
    [['shop', 'echo'], 2, '', 'small: echo needs WORD; see `small EPIC echo --help`\n'],
    [['--help'], 0, /scripts\/small\.ts EPIC SUB-COMMAND/, ''],
    [['shop', '--help'], 0, /scripts\/small\.ts EPIC SUB-COMMAND/, ''],
    [['shop', 'echo', '--help'], 0, /^small EPIC echo WORD/, ''],
  ])('%j ends with %d', (...row) => check(withSubject, row)); // prettier-ignore
});

describe('a program with a sub-command that need not be named', () => {
  it.each<Row>([
    [[], 0, echoed('', '{}'), ''],
    [['--', 'ls', '-l'], 0, echoed('', '{}', 'ls -l'), ''],
    [['--', 'code'], 0, echoed('', '{}', 'code'), ''],
    [['--json'], 0, /"json":true\}\n$/, ''],
    [['wrap', '--', 'ls'], 0, echoed('', '{}', 'ls'), ''],
    [['code'], 30, '', ''],
    [['toString'], 2, '', `small: has no sub-command \`toString\`; ${help}`],
    [['x', '--', 'ls'], 2, '', /has no use for `x`/],
    [['--help'], 0, /\[SUB-COMMAND\]/, ''],
  ])('%j ends with %d', (...row) => check(withFallback, row)); // prettier-ignore
});

describe('a process', () => {
  let dir: string;
  let file: string;
  let ended: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'cli-'));
    file = bundleFixture('run-small-program', dir);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  beforeEach(() => {
    ended = join(dir, 'ended');
  });
  afterEach(() => rmSync(ended, { force: true }));

  /** Lets a process write until its reader has left; what it ends with. */
  async function leave(args: readonly string[], stream: 'stdout' | 'stderr'): Promise<Said & { signal: unknown }> {
    const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    child[stream].once('data', () => child[stream].destroy());
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => void (text[name] += chunk.toString()));
    const end: { code?: unknown; signal?: unknown } = {};
    child.once('exit', (code, signal) => Object.assign(end, { code, signal }));
    await waitFor(() => 'code' in end, 'the end of the process');
    return { code: end.code, signal: end.signal, ...text };
  } // prettier-ignore

  it('ends by itself, in order, with its own code, when the reader of stdout leaves', async () => {
    const end = await leave(['drip', ended], 'stdout');
    expect(end).toMatchObject({ code: 20, signal: null, stderr: '' });
    expect(readFileSync(ended, 'utf8')).toBe('ended by itself after some lines');
  });

  it('goes on to its end when the reader of stderr leaves', async () => {
    const end = await leave(['drip', '--aside', ended], 'stderr');
    expect(end).toMatchObject({ code: 20, signal: null, stdout: '' });
    expect(readFileSync(ended, 'utf8')).toBe('ended by itself after some lines');
  });

  it('says what is wrong with the right code even where nobody reads', () => {
    const line = '{ "$@" 2>&1 1>/dev/null; echo $? >"$0"; } | true';
    spawnSync('sh', ['-c', line, ended, process.execPath, file, 'refuse']);
    expect(readFileSync(ended, 'utf8')).toBe('75\n');
  });

  it.skipIf(!existsSync('/dev/full'))('says in one line, with code 2, that the answer could not be written', () => {
    const line = '"$@" >/dev/full';
    const { status, stderr } = spawnSync('sh', ['-c', line, 'sh', process.execPath, file, 'echo', 'a'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, 'small: cannot write the answer to stdout (ENOSPC)\n']);
  }); // prettier-ignore

  it.skipIf(!existsSync('/dev/full'))('ends with its own code where only the talk could not be written', () => {
    const line = '"$@" 2>/dev/full';
    const { status, stdout } = spawnSync('sh', ['-c', line, 'sh', process.execPath, file, 'echo', 'talk'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringContaining('args:talk\n')]);
  }); // prettier-ignore

  it('shows the stack of a bug and ends with 1', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [file, 'bug'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^small: this is a bug of ours.*\nTypeError: .*\n {4}at /);
  });
});
