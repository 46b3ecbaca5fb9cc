/** Does the plan of an environment hold what was asked for, name what it leaves out, and tell which limit holds? */
import { describe, expect, it } from 'vitest';
import {
  envFileText,
  heapNote,
  judgeHolding,
  planEnvironment,
  resetCode,
  setupCode,
  type EnvironmentFacts,
} from '../../lib/policy/environment.ts';
import type { Executable } from '../../lib/model.ts';
import type { Settings } from '../../lib/settings-model.ts';
import { GIB } from '../../lib/units.ts';

const settings = {
  agentHeapMb: 2048,
  memoryPerAgentBytes: 2 * GIB,
  coordinatorHeapMb: 4096,
  coordinatorMemoryBytes: 5 * GIB,
  gcExposure: true,
  optimizeForSize: true,
  monitoringEnabled: true,
} as Settings;

const facts: EnvironmentFacts = {
  role: 'agent',
  settings,
  kind: undefined,
  takesHeap: true,
  preloadPath: '/kit/env/claude-pm-frugal.cjs',
  runtimes: [],
  userOptions: '--no-warnings',
  stateDir: undefined,
};

function plan(changes: Partial<EnvironmentFacts> = {}) {
  const environment = planEnvironment({ ...facts, ...changes });
  if (environment === undefined) throw new Error('no environment');
  return { ...environment, values: Object.fromEntries(environment.variables) };
}

const program = (kind: Executable['kind'], detail?: string): Executable => ({ path: '/bin/x', kind, detail });

describe('planEnvironment', () => {
  it('gives an agent its heap, its limit, the way back and all flags', () => {
    expect(plan().values).toEqual({
      CLAUDE_PM_ENV: 'agent',
      CLAUDE_PM_HEAP_MB: '2048',
      CLAUDE_PM_LIMIT_MB: '2560',
      CLAUDE_PM_BASE_NODE_OPTIONS: '--no-warnings',
      NODE_OPTIONS:
        '--max-old-space-size=2048 --expose-gc --require=/kit/env/claude-pm-frugal.cjs --no-warnings',
    });
  });

  it('gives the coordinator its own figures, and the state folder where one was set', () => {
    expect(plan({ role: 'coordinator', stateDir: '/s' }).values).toMatchObject({
      CLAUDE_PM_HEAP_MB: '4096',
      CLAUDE_PM_LIMIT_MB: '5120',
      CLAUDE_PM_STATE_DIR: '/s',
    });
  });

  it('sets only what was asked for', () => {
    const bare = { ...settings, gcExposure: false, optimizeForSize: false };
    expect(plan({ settings: bare, userOptions: '' }).values['NODE_OPTIONS']).toBe(
      '--max-old-space-size=2048',
    );
  });

  it('never writes a flag that one of the runtimes refuses, and quotes what the binary said', () => {
    const runtimes = [
      { path: '/n20', version: 'v20.1.0', refused: [] },
      {
        path: '/n18',
        version: 'v18.1.0',
        refused: [{ flag: '--expose-gc', message: 'not allowed in NODE_OPTIONS' }],
      },
    ];
    const { values, leftOut } = plan({ runtimes });
    expect(values['NODE_OPTIONS']).not.toContain('expose');
    expect(leftOut).toEqual([
      { what: '--expose-gc', reason: '/n18 v18.1.0 refuses it: not allowed in NODE_OPTIONS' },
    ]);
  });

  it.each([
    ['/a b/claude-pm-frugal.cjs', '"--require=/a b/claude-pm-frugal.cjs"'],
    ["/o'brien/claude-pm-frugal.cjs", "--require=/o'brien/claude-pm-frugal.cjs"],
    ['/$HOME/claude-pm-frugal.cjs', '--require=/$HOME/claude-pm-frugal.cjs'],
  ])('expresses a preload at %s', (preloadPath, word) => {
    expect(plan({ preloadPath, userOptions: '' }).values['NODE_OPTIONS']).toContain(word);
  });

  it.each([
    undefined,
    "/o'brien/$x/claude-pm-frugal.cjs",
    "/o'brien and sons/claude-pm-frugal.cjs",
    '/a\nb/claude-pm-frugal.cjs',
  ])('leaves the preload out and says so when its path is %j', (preloadPath) => {
    const { values, leftOut } = plan({ preloadPath });
    expect(values['NODE_OPTIONS']).not.toContain('require');
    expect(leftOut.map(({ what }) => what)).toEqual(['optimize_for_size']);
  });

  it('is refused for NODE_OPTIONS that Node cannot split', () => {
    expect(planEnvironment({ ...facts, userOptions: '--a "' })).toBeUndefined();
  });
});

describe('envFileText', () => {
  it('names a value without a common form and does not write it', () => {
    const { text, leftOut } = envFileText(plan({ stateDir: "/it's/$HOME" }), 'origin', []);
    expect(leftOut.map(({ what }) => what)).toEqual(['CLAUDE_PM_STATE_DIR']);
    expect(text).not.toContain('export CLAUDE_PM_STATE_DIR');
    expect(text).toContain('# left out: CLAUDE_PM_STATE_DIR');
  });

  it('keeps every comment in its line', () => {
    const { text } = envFileText(plan(), 'a\nexport EVIL=1\r`id`', ['it\'s \u2028 "x"']);
    const lines = text.split('\n').filter((line) => line !== '');
    expect(
      lines
        .filter((line) => !line.startsWith('# '))
        .every((line) => line.startsWith('export CLAUDE_PM_') || line.startsWith('export NODE_OPTIONS=')),
    ).toBe(true);
    expect(lines.slice(0, 2).join('')).not.toMatch(/['"`\r]/);
  });
});

describe('code for shells', () => {
  it('sets in the shell’s own words', () => {
    expect(setupCode(plan({ userOptions: "it's" }), 'sh')).toContain(
      "export CLAUDE_PM_BASE_NODE_OPTIONS='it'\\''s'\n",
    );
    expect(setupCode(plan({ userOptions: "it's \\" }), 'fish')).toContain(
      "set -gx CLAUDE_PM_BASE_NODE_OPTIONS 'it\\'s \\\\'\n",
    );
  });

  it('restores the user’s NODE_OPTIONS, or removes the variable where there was none', () => {
    expect(resetCode('--a', 'sh').split('\n')[0]).toBe("export NODE_OPTIONS='--a'");
    expect(resetCode('', 'bash').split('\n')[0]).toBe('unset NODE_OPTIONS');
    expect(resetCode('', 'fish').split('\n')[0]).toBe('set -e NODE_OPTIONS');
  });
});

describe('judgeHolding', () => {
  const cgroup = { name: '/a', totalBytes: GIB };
  const base = { settings, heapMb: 64, limitBytes: GIB };
  it.each([
    ['an agent on Node', 'agent', program('node'), true, undefined, ['heap', 'hard-limit']],
    ['a native agent', 'agent', program('native'), true, undefined, ['hard-limit']],
    ['a native agent that nobody watches', 'agent', program('native'), false, undefined, ['none']],
    ['the same in a cgroup', 'agent', program('native'), false, cgroup, ['cgroup']],
    ['a native coordinator', 'coordinator', program('native'), true, undefined, ['none']],
    ['a coordinator on Node', 'coordinator', program('node'), true, cgroup, ['heap', 'cgroup']],
  ] as const)('for %s', (_, role, executable, monitoringEnabled, group, names) => {
    const limits = judgeHolding({
      ...base,
      role,
      executable,
      settings: { ...settings, monitoringEnabled },
      cgroup: group,
    });
    expect(limits.map(({ name }) => name)).toEqual(names);
  });

  it.each([
    ['an agent that is watched', 'agent', true, 'cgroup-v1', ['hard-limit', 'kernel-ceiling']],
    ['one where the machine gives none', 'agent', true, 'none', ['hard-limit']],
    ['one that is only measured', 'agent', false, 'cgroup-v2', ['none']],
    ['a coordinator', 'coordinator', true, 'systemd-scope', ['none']],
  ] as const)(
    'names the kernel’s ceiling for agents that are stopped: %s',
    (_, role, watched, ceiling, names) => {
      const executable = program('native');
      const world = { ...settings, monitoringEnabled: watched };
      const limits = judgeHolding({ ...base, role, executable, settings: world, cgroup: undefined, ceiling });
      expect(limits.map(({ name }) => name)).toEqual(names);
    },
  );

  it('tells why heap flags do not hold', () => {
    expect(heapNote(program('node'))).toBeUndefined();
    expect(heapNote(program('native'))).toMatch(/native binary: it ignores .* Node tools/);
    expect(heapNote(program('bun'))).toMatch(/Bun/);
    expect(heapNote(program('script', 'python3'))).toMatch(/python3/);
  });
});
