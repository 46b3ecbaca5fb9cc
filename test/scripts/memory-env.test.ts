/** Does memory-env, called as its users call it, set what it says in real shells, and refuse what cannot hold? */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callSource, hasShell, makeWorld, type World } from '../support/call-script.ts';

let world: World;
beforeEach(() => {
  world = makeWorld();
});
afterEach(() => world.remove());

const SET = ['--set', 'node_options.agent_heap_size=512', '--set', 'node_options.coordinator_heap_size=1024'];
const PRINT = `"$NODE" -e "process.stdout.write(JSON.stringify([process.env, require('v8').getHeapStatistics().heap_size_limit / 2 ** 20, typeof gc]))"`;

type Seen = { env: NodeJS.ProcessEnv; heapMb: number; gc: string };

function parseSeen(text: string): Seen {
  const [env, heapMb, gc] = JSON.parse(text) as [NodeJS.ProcessEnv, number, string];
  return { env, heapMb, gc };
}

/** What a program sees after a line in a shell; FILE and the words to call memory-env are variables of it. */
function see(shell: string, line: string, env: NodeJS.ProcessEnv = {}): Seen {
  const run = world.shell(shell, `${line}\n${PRINT}`, [], { NODE: process.execPath, ...env });
  if (run.status !== 0) throw new Error(`${shell}: ${run.stderr}${run.stdout}`);
  return parseSeen(run.stdout);
}

const evalOf = (words: string): string => {
  const [node = '', script = ''] = world.words('memory-env');
  return `eval "$('${node}' '${script}' ${words} ${SET.join(' ')})"`;
};

const ours = ({ env }: Pick<Seen, 'env'>): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => name === 'NODE_OPTIONS' || name.startsWith('CLAUDE_PM_')),
  );

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: show, create-files/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['__proto__'], 2, /^$/, /no sub-command/],
    [['chekc'], 2, /^$/, /did you mean check\?/],
    [['show', '--kidn', 'x'], 2, /^$/, /no flag `--kidn`; did you mean --kind\?/],
    [['reset', '--force'], 2, /^$/, /no flag `--force`/],
    [['agent', 'x'], 2, /^$/, /no use for `x`/],
    [['agent', '--shell', 'tcsh'], 2, /^$/, /--shell "tcsh": one of sh, bash, zsh, fish/],
    [['agent', '--kind', 'nobody'], 2, /^$/, /no kind "nobody" in the settings; agents: has none/],
    [['agent', '--set', 'node_options.agent_heap_size=lots'], 2, /^$/, /agent_heap_size/],
    [['coordinator', '--program', './nothing'], 2, /^$/, /`.\/nothing` is missing \(not found\)/],
    [['agent', '--project', '/no/such/folder'], 2, /^$/, /is no folder/],
    [['--help'], 0, /create-files/, /^$/],
    [['check', '--help'], 0, /20 something asked for does not/, /^$/],
    [['--version'], 0, /^memory-env \d/, /^$/],
    [['show', '--json'], 0, /^\{"roles":\[\{"role":"coordinator"/, /^$/],
    [['reset'], 0, /^unset NODE_OPTIONS\nunset CLAUDE_PM_ENV\n/, /^$/],
    [['agent', '--shell', 'fish'], 0, /^set -gx CLAUDE_PM_ENV 'agent'\n/, /^$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const run = world.call('memory-env', args);
    expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
    expect(run.stdout).toMatch(stdout);
  });

  it('answers the same from its sources', () => {
    const args = ['show', ...SET];
    expect(callSource(world, 'memory-env', args).stdout).toBe(world.call('memory-env', args).stdout);
  });
});

const SHELLS = ['dash', 'bash', 'zsh'] as const;

describe.each(SHELLS)('files that %s sources', (shell) => {
  beforeEach((context) => {
    if (!hasShell(shell)) context.skip(`${shell} is not installed here`);
  });

  it('set the heap that was meant, once or twice sourced, and agent.env wins over coordinator.env', () => {
    expect(world.call('memory-env', ['create-files', ...SET]).status).toBe(0);
    const once = see(shell, '. ./.claude/env/agent.env');
    expect(once.env['NODE_OPTIONS']).toMatch(/^--max-old-space-size=512 --expose-gc --require=/);
    expect(once.heapMb).toBeGreaterThanOrEqual(512);
    expect(once.heapMb).toBeLessThan(512 + 250);
    expect(once.gc).toBe('function');
    expect(ours(see(shell, '. ./.claude/env/agent.env; . ./.claude/env/agent.env'))).toEqual(ours(once));
    expect(ours(see(shell, '. ./.claude/env/coordinator.env; . ./.claude/env/agent.env'))).toEqual(
      ours(once),
    );
    expect(see(shell, '. ./.claude/env/coordinator.env').env['CLAUDE_PM_HEAP_MB']).toBe('1024');
  });

  it('keep the user’s NODE_OPTIONS, even when made under an environment of ours', () => {
    const NODE_OPTIONS = '--max-old-space-size=99 --no-warnings --title="two words"';
    world.call('memory-env', ['create-files', ...SET], { NODE_OPTIONS });
    const first = readFileSync(join(world.project, '.claude/env/agent.env'), 'utf8');
    expect(first).toContain('-size=512 --expose-gc --require=');
    expect(first).toMatch(/--no-warnings "--title=two words"'$/m);
    const { env } = see(shell, '. ./.claude/env/coordinator.env');
    const again = world.call('memory-env', ['create-files', ...SET], env);
    expect(again.stdout.match(/_state:kept/g)).toHaveLength(2);
    expect(readFileSync(join(world.project, '.claude/env/agent.env'), 'utf8')).toBe(first);
  });
});

it('node --env-file reads the same values as a shell, hostile ones too, and nothing is executed', () => {
  const CLAUDE_PM_STATE_DIR = `${world.state}/$(touch executed)\`touch executed\`"; touch executed; "#\\ !x`;
  const NODE_OPTIONS = "--title=it's --no-warnings";
  expect(
    world.call('memory-env', ['create-files', ...SET], { CLAUDE_PM_STATE_DIR, NODE_OPTIONS }).status,
  ).toBe(0);
  const file = join(world.project, '.claude/env/agent.env');
  const bare = { CLAUDE_PM_STATE_DIR: undefined };
  const byShell = see('sh', '. ./.claude/env/agent.env', bare);
  const byNode = parseSeen(
    world.shell('sh', PRINT.replace('"$NODE"', `"$NODE" --env-file="$FILE"`), [], {
      ...bare,
      NODE: process.execPath,
      FILE: file,
    }).stdout,
  );
  expect(ours(byNode)).toEqual(ours(byShell));
  expect(byShell.env['CLAUDE_PM_STATE_DIR']).toBe(CLAUDE_PM_STATE_DIR);
  expect(byNode.heapMb).toBe(byShell.heapMb);
  expect(readdirSync(world.project).filter((name) => name === 'executed')).toEqual([]);
});

it('a NODE_OPTIONS without a form in files is refused and no file appears; eval takes it all the same', () => {
  const NODE_OPTIONS = "--title=it's$HOME";
  const run = world.call('memory-env', ['create-files', ...SET], { NODE_OPTIONS });
  expect([run.status, run.stdout]).toEqual([2, '']);
  expect(run.stderr).toMatch(/NODE_OPTIONS holds what no environment file can/);
  expect(existsSync(join(world.project, '.claude'))).toBe(false);
  expect(see('sh', evalOf('agent'), { NODE_OPTIONS }).env['NODE_OPTIONS']).toMatch(/ --title=it's\$HOME$/);
});

it('a state folder without a form in files is left out and named', () => {
  const run = world.call('memory-env', ['create-files', ...SET], {
    CLAUDE_PM_STATE_DIR: `${world.state}/it's $HOME`,
  });
  expect(run.status).toBe(0);
  const text = readFileSync(join(world.project, '.claude/env/agent.env'), 'utf8');
  expect(text).toMatch(/^# left out: CLAUDE_PM_STATE_DIR/m);
  expect(text).not.toMatch(/^export CLAUDE_PM_STATE_DIR/m);
});

describe.each([...SHELLS, 'fish'] as const)('code that %s evaluates', (shell) => {
  beforeEach((context) => {
    if (!hasShell(shell)) context.skip(`${shell} is not installed here`);
  });
  const wordsFor = (command: string): string => `${command} --shell ${shell === 'dash' ? 'sh' : shell}`;

  // What is merged is no matter of the shell, what is quoted is: the other values need one shell only.
  const values = [undefined, '--max-old-space-size=99 --title="it\'s  $HOME"'];
  it.each(shell === 'bash' ? [...values, '--no-warnings', '--expose-gc'] : values)(
    'merges with NODE_OPTIONS=%j, is the same twice, and reset gives it back',
    (before) => {
      const given = before === undefined ? {} : { NODE_OPTIONS: before };
      const agent = evalOf(wordsFor('agent'));
      const coordinator = evalOf(wordsFor('coordinator'));
      const reset = evalOf(wordsFor('reset')).replace(` ${SET.join(' ')}`, '');
      // From the same beginning: the coordinator's before the agent's, and both taken back; then the agent's once and twice.
      const line = `( ${coordinator}; ${agent}; env -0 > both; ${reset}; env -0 > restored ); ${agent}; env -0 > once; ${agent}`;
      const twice = see(shell, line, given);
      const once = seenIn('once');
      expect(twice.heapMb).toBeGreaterThanOrEqual(512);
      expect(twice.heapMb).toBeLessThan(512 + 250);
      expect(once['CLAUDE_PM_HEAP_MB']).toBe('512');
      expect(ours(twice)).toEqual(once);
      expect(seenIn('both')).toEqual(once);
      expect(seenIn('restored')).toEqual(ours({ env: { ...world.env, ...given } }));
    },
  );

  /** Our variables as they were when a shell wrote all of them into this file. */
  const seenIn = (name: string): NodeJS.ProcessEnv => {
    const pairs = readFileSync(join(world.project, name), 'utf8').split('\0').slice(0, -1);
    return ours({
      env: Object.fromEntries(
        pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
      ),
    });
  };
});

it('a reset works where the settings are damaged by now', () => {
  writeFileSync(join(world.project, '.claude-pm.yaml'), 'node_options: [\n');
  expect(world.call('memory-env', ['agent']).status).toBe(2);
  expect(world.call('memory-env', ['reset']).status).toBe(0);
});

describe('a file that somebody edited', () => {
  it('stays, is named with exit code 2, and goes with --force', () => {
    const file = join(world.project, '.claude/env/agent.env');
    mkdirSync(join(world.project, '.claude/env'), { recursive: true });
    writeFileSync(file, 'export MINE=1\n');
    const run = world.call('memory-env', ['create-files', ...SET]);
    expect([run.status, readFileSync(file, 'utf8')]).toEqual([2, 'export MINE=1\n']);
    expect(run.stdout).toMatch(/agent_env_state:not-ours/);
    expect(run.stderr).toContain(`${file} was edited or made by somebody else`);
    expect(world.call('memory-env', ['create-files', '--force', ...SET]).status).toBe(0);
  });
});

const agents = (program: string): void =>
  writeFileSync(
    join(world.project, '.claude-pm.yaml'),
    `agents:\n  general-purpose:\n    command: ["${program}", "{prompt}"]\n`,
  );

describe('check', () => {
  it('says 0 and which limits hold for Node', () => {
    const run = world.call('memory-env', ['check', ...SET]);
    expect([run.status, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toMatch(/^target:agent\nprogram:node\nexecutable:node \//m);
    expect(run.stdout).toMatch(/^version:v\d/m);
    expect(run.stdout).toMatch(/^accepted:--max-old-space-size=512$/m);
    expect(run.stdout).toMatch(/^heap_limit_mb:(5|6|7)\d\d$/m);
    expect(run.stdout).toMatch(/^limit:hard-limit: /m);
  });

  it('names the limit that holds for a native program, in the file too', () => {
    agents('/bin/sh');
    const run = world.call('memory-env', ['check', ...SET]);
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/^executable:native /m);
    expect(run.stdout).toMatch(/^note:a native binary: it ignores V8's heap flags, .* Node tools/m);
    expect(run.stdout).not.toMatch(/^limit:heap: .*512/m);
    world.call('memory-env', ['create-files', ...SET]);
    const text = readFileSync(join(world.project, '.claude/env/agent.env'), 'utf8');
    expect(text).toMatch(
      /^# kind general-purpose, \/bin\/sh, is a native binary: .* what holds: the hard limit of /m,
    );
  });

  it('says 20 where nothing holds for a program', () => {
    agents('/bin/sh');
    const run = world.call('memory-env', [
      'check',
      '--set',
      'memory_management.monitoring_enabled=false',
      ...SET,
    ]);
    // A machine that bounds us by a cgroup has a limit all the same.
    const inGroup = /^limit:cgroup/m.test(run.stdout);
    expect(run.status).toBe(inGroup ? 0 : 20);
  });

  it('says 2 where a program is missing', () => {
    agents('no-such-program');
    const run = world.call('memory-env', ['check', ...SET]);
    expect(run.status).toBe(2);
    expect(run.stdout).toMatch(/^target:general-purpose\nprogram:no-such-program\nexecutable:missing\n/m);
  });

  it('says 20 where a file is stale or edited, and 0 again when it was renewed', () => {
    world.call('memory-env', ['create-files']);
    const stale = world.call('memory-env', ['check', ...SET]);
    expect([stale.status, stale.stdout]).toEqual([20, expect.stringMatching(/^file_state:stale$/m)]);
    expect(world.call('memory-env', ['create-files', ...SET]).stdout).toMatch(/state:updated/);
    expect(world.call('memory-env', ['check', ...SET]).status).toBe(0);
    writeFileSync(join(world.project, '.claude/env/agent.env'), 'export NODE_OPTIONS=x\n');
    const edited = world.call('memory-env', ['check', ...SET]);
    expect([edited.status, edited.stdout]).toEqual([20, expect.stringMatching(/^file_state:foreign$/m)]);
  });
});
