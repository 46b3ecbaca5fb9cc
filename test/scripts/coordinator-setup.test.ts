/** Does coordinator-setup make a project ready, change nothing the second time, and take back only what it made? */
import { appendFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callSource, hasShell, makeWorld, type World } from '../support/call-script.ts';

let world: World;
beforeEach(() => {
  world = makeWorld("it's a $project");
});
afterEach(() => world.remove());

const setup = (...args: string[]) => world.call('coordinator-setup', args);
const at = (path: string): string => join(world.project, path);

/** Every file of the project with its text, and every folder. */
function tree(): Record<string, string> {
  const entries = readdirSync(world.project, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    entries.map((path) => [path, statSync(at(path)).isDirectory() ? '/' : readFileSync(at(path), 'utf8')]),
  );
}

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: apply, check, validate, install, uninstall, reset, create-startup/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['aply'], 2, /^$/, /did you mean apply\?/],
    [['apply', '--force'], 2, /^$/, /no flag `--force`/],
    [['reset', 'x'], 2, /^$/, /no use for `x`/],
    [['check', '--project', '/no/such'], 2, /^$/, /is no folder/],
    [['--help'], 0, /create-startup/, /^$/],
    [['check', '--json'], 0, /^\{"verdict":"fits"/, /^$/],
    [['check'], 0, /^verdict:fits$/m, /^$/],
    [
      ['check', '--set', 'memory_management.max_concurrent_agents=1000'],
      20,
      /^verdict:fewer$/m,
      /leaves room for \d+ at once/,
    ],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const run = setup(...args);
    expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
    expect(run.stdout).toMatch(stdout);
  });

  it('answers the same from its sources', () => {
    const keys = (text: string): string[] => text.split('\n').map((line) => line.split(':')[0] ?? '');
    expect(keys(callSource(world, 'coordinator-setup', ['check']).stdout)).toEqual(
      keys(setup('check').stdout),
    );
  });

  it('says 30 where not one agent fits', () => {
    const sizes = ['memory_per_agent_gb=64', 'total_memory_limit_gb=65', 'coordinator_memory_gb=1'];
    const run = setup(
      'check',
      ...sizes.flatMap((word) => ['--set', `memory_management.${word}`]),
      '--set',
      'node_options.coordinator_heap_size=512',
    );
    expect([run.status, run.stdout]).toEqual([30, expect.stringMatching(/^verdict:none$/m)]);
  });
});

describe('apply', () => {
  it('makes everything, then changes nothing, and reset gives back the project as it was', () => {
    writeFileSync(at('mine.txt'), 'mine');
    const before = tree();

    const first = setup('apply');
    expect([first.status, first.stdout.match(/:created /g)?.length]).toEqual([0, 5]);
    const applied = tree();
    expect(Object.keys(applied)).toEqual(
      expect.arrayContaining([
        '.claude-pm.yaml',
        '.claude/env/agent.env',
        '.claude/env/coordinator.env',
        '.claude-pm/logs/memory',
      ]),
    );

    const second = setup('apply');
    expect([second.status, second.stdout.match(/:kept /g)?.length]).toEqual([0, 5]);
    expect(tree()).toEqual(applied);

    expect(setup('create-startup').status).toBe(0);
    expect(setup('reset').status).toBe(0);
    expect(tree()).toEqual(before);
  });

  it('keeps a settings file of the user’s and an environment file that was edited, and names it', () => {
    writeFileSync(at('.claude-pm.yaml'), 'node_options:\n  agent_heap_size: 512\n');
    mkdirSync(at('.claude/env'), { recursive: true });
    writeFileSync(at('.claude/env/coordinator.env'), 'export MINE=1\n');
    const run = setup('apply');
    expect(run.status).toBe(2);
    expect(run.stdout).toMatch(/^settings_file:kept /m);
    expect(run.stdout).toMatch(/^coordinator_env:not-ours /m);
    expect(run.stderr).toMatch(/^coordinator_env: edited or made by somebody else/m);
    expect(readFileSync(at('.claude-pm.yaml'), 'utf8')).toContain('512');
    expect(readFileSync(at('.claude/env/coordinator.env'), 'utf8')).toBe('export MINE=1\n');
    expect(readFileSync(at('.claude/env/agent.env'), 'utf8')).toContain('--max-old-space-size=512');
  });

  it('renews its own environment files after the settings changed', () => {
    setup('apply');
    writeFileSync(at('.claude-pm.yaml'), 'node_options:\n  agent_heap_size: 512\n');
    expect(setup('validate').stdout).toMatch(/^agent_env:warning .*other settings/m);
    expect(setup('apply').stdout).toMatch(/^agent_env:updated /m);
  });

  it('says what a repository should ignore and does not write it', () => {
    mkdirSync(at('.git'));
    writeFileSync(at('.gitignore'), 'node_modules/\n.claude-pm/\n');
    expect(setup('apply').stderr).toMatch(/add to \.gitignore: \.claude\/env\/ \.claude\/logs\/$/m);
    expect(readFileSync(at('.gitignore'), 'utf8')).toBe('node_modules/\n.claude-pm/\n');
  });
});

describe('reset', () => {
  it('keeps and names what was changed since, and folders with something in them', () => {
    setup('apply');
    setup('create-startup');
    appendFileSync(at('.claude-pm.yaml'), '# mine\n');
    appendFileSync(at('.claude/env/agent.env'), 'export MORE=1\n');
    appendFileSync(at('start-coordinator.sh'), 'echo more\n');
    writeFileSync(at('.claude-pm/logs/memory/memory-alerts.log'), 'x\n');
    const run = setup('reset');
    expect(run.stdout.match(/^\w+(?=:kept )/gm)?.sort()).toEqual([
      'agent_env',
      'claude_dir',
      'env_dir',
      'logs_dir',
      'logs_root',
      'project_dir',
      'settings_file',
      'startup_script',
      'state_dir',
    ]);
    expect(Object.keys(tree())).toEqual(
      expect.arrayContaining([
        '.claude-pm.yaml',
        '.claude/env/agent.env',
        'start-coordinator.sh',
        '.claude-pm/logs/memory/memory-alerts.log',
      ]),
    );
  });

  it('works where the settings are damaged', () => {
    setup('apply');
    writeFileSync(at('.claude-pm.yaml'), 'node_options: [\n');
    expect(setup('reset').status).toBe(0);
    expect(Object.keys(tree())).toEqual(['.claude-pm.yaml']);
  });
});

describe('validate', () => {
  it('warns before apply, finds no fault after it, and leaves nothing behind', () => {
    const before = setup('validate');
    expect([before.status, before.stdout.match(/:warning .* is missing$/gm)?.length]).toEqual([20, 4]);
    expect(tree()).toEqual({});
    setup('apply');
    const applied = tree();
    const after = setup('validate');
    expect(after.stdout).not.toMatch(/:fault /);
    expect(after.stdout).toMatch(/^agent_env:ok .*heap limit \d+ MB in force$/m);
    expect(tree()).toEqual(applied);
  });

  it.each([
    ['a state folder that is a file', () => writeFileSync(world.state, ''), /^state_dir:fault /m],
    [
      'an agent whose program is missing',
      () => writeFileSync(at('.claude-pm.yaml'), 'agents:\n  worker:\n    command: [no-such-program]\n'),
      /^agent worker:fault no-such-program: /m,
    ],
  ])('says 2 for %s', (_, damage, line) => {
    damage();
    const run = setup('validate');
    expect([run.status, run.stdout]).toEqual([2, expect.stringMatching(line)]);
  });
});

describe('create-startup', () => {
  it('writes a script that hands over to the coordinator, without npx, twice the same', () => {
    const first = setup('create-startup');
    expect(first.stdout).toMatch(/^startup_script_state:created$/m);
    expect(statSync(at('start-coordinator.sh')).mode & 0o700).toBe(0o700);
    expect(first.stdout + readFileSync(at('start-coordinator.sh'), 'utf8')).not.toMatch(/\bnpx\b/);
    expect(setup('create-startup').stdout).toMatch(/^startup_script_state:kept$/m);
    const run = world.shell(
      'sh',
      './start-coordinator.sh -- sh -c \'echo "$CLAUDE_PM_ENV $1"; exit 7\' x "a  b"',
    );
    expect([run.status, run.stdout]).toEqual([7, 'coordinator a  b\n']);
    expect(world.shell('sh', 'sh start-coordinator.sh -- sh -c "exit 3"').status).toBe(3);
  });

  it.for(['dash', 'bash', 'zsh'])(
    'sourced by %s it sets that shell up and does not end it',
    (shell, context) => {
      if (!hasShell(shell)) context.skip(`${shell} is not installed here`);
      setup('create-startup');
      const run = world.shell(shell, '. ./start-coordinator.sh; echo "$CLAUDE_PM_ENV"');
      expect([run.status, run.stdout]).toEqual([0, 'coordinator\n']);
    },
  );

  it('prints a profile line that a shell evaluates, and a cron line whose % are escaped', () => {
    const lines = new Map(
      setup('create-startup', '--dir', world.project)
        .stdout.split('\n')
        .map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1)]),
    );
    const run = world.shell('sh', `${lines.get('profile_line') ?? 'false'}; echo "$CLAUDE_PM_ENV"`);
    expect(run.stdout).toBe('coordinator\n');
    expect(lines.get('cron_line')).toMatch(
      /^17 \* \* \* \* CLAUDE_PM_STATE_DIR='.*memory-monitor.* 'cleanup' /,
    );
    world.remove();
    world = makeWorld('100% sure');
    expect(setup('create-startup').stdout).toMatch(/^cron_line:.*100\\% sure/m);
  });

  it('does not write over somebody’s own script', () => {
    writeFileSync(at('start-coordinator.sh'), '#!/bin/sh\necho mine\n');
    expect(setup('create-startup').status).toBe(2);
    expect(readFileSync(at('start-coordinator.sh'), 'utf8')).toContain('mine');
    expect(setup('create-startup', '--force').status).toBe(0);
  });
});
