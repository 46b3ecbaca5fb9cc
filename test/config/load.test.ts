/** Does each layer win over the one below it, and does every value know where it comes from? */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings } from '../../lib/config/load.ts';
import { SETTING_KEYS, settingOf, variableOf } from '../../lib/config/settings.ts';
import { wordsOf } from '../../lib/config/values.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { faultsOf, inWorld, load, shorten, told } from './world.ts';

const WARNING = 'thresholds.warning_mb';
const home = 'thresholds:\n  warning_mb: 501\n';
const project = '# ours\nthresholds:\n  warning_mb: 502\n';
const env = { CLAUDE_PM_THRESHOLDS_WARNING_MB: '503' };

test.each([
  ['nothing is written', {}, '1024MB < default'],
  ['the profile says so', { overrides: { profile: 'strict' } }, '500MB < profile strict'],
  ['the user writes it', { home }, '501MB < U:2'],
  ['the user writes it and the profile too', { home: `profile: strict\n${home}` }, '501MB < U:3'],
  ['the project writes it too', { home, project }, '502MB < P:3'],
  ['a variable is set too', { home, project, env }, '503MB < CLAUDE_PM_THRESHOLDS_WARNING_MB'],
  ['a flag is given too', { home, project, env, overrides: { [WARNING]: '504' } }, '504MB < --set'],
  [
    'a named flag is given',
    { env, overrides: { [WARNING]: { text: '505', flag: '--warning' } } },
    '505MB < --warning',
  ],
])('the value is the highest layer of them: %s', async (_, world, expected) => {
  expect(await told(world, WARNING)).toBe(expected);
});

/** Far ends of a range contradict nothing where the key is alone, except for the lower ones of ordered keys. */
const LOWER: Readonly<Record<string, string>> = {
  'thresholds.warning_mb': '1',
  'thresholds.critical_mb': '1500',
  'admission.sequential_mb': '3000',
  'pressure.warning': '2',
  'circuit_breaker.recovery': '600',
  'subprocess.warn_mb': '999',
  'subprocess.limit_mb': '2000',
};

test.each(SETTING_KEYS.map((key) => [key]))('%s is set by its variable and by its flag', async (key) => {
  const { type, range, standard } = settingOf(key);
  const name = variableOf(key);
  const word =
    type === 'boolean' ? String(standard !== true) : wordsOf(type)?.find((name) => name !== standard);
  const text = word ?? LOWER[key] ?? String(range?.[1]);
  const [byVariable, origin] = (await told({ env: { [name]: text } }, key)).split(' < ');
  const [byFlag] = (await told({ overrides: { [key]: text } }, key)).split(' < ');
  expect([byVariable, byFlag].map((value) => value?.replace(/(MB|GB|s|%)$/, ''))).toEqual([text, text]);
  expect(origin).toBe(name);
});

test.each([
  ['CLAUDE_PM_MEMORY_WARNING_MB', '700', WARNING, '700MB < CLAUDE_PM_MEMORY_WARNING_MB'],
  ['CLAUDE_PM_MEMORY_CRITICAL_MB', '3GB', 'thresholds.critical_mb', '3072MB < CLAUDE_PM_MEMORY_CRITICAL_MB'],
  ['CLAUDE_PM_MEMORY_MAX_MB', '9000', 'thresholds.max_mb', '9000MB < CLAUDE_PM_MEMORY_MAX_MB'],
  ['CLAUDE_PM_DISABLE_MEMORY_MONITOR', '1', 'memory_management.monitoring_enabled', 'false < CLAUDE_PM_DISABLE_MEMORY_MONITOR'],
  ['CLAUDE_PM_DISABLE_MEMORY_MONITOR', 'yes', 'memory_management.monitoring_enabled', 'false < CLAUDE_PM_DISABLE_MEMORY_MONITOR'],
  ['CLAUDE_PM_DISABLE_MEMORY_MONITOR', '0', 'memory_management.monitoring_enabled', 'true < default'],
  ['CLAUDE_PM_DISABLE_MEMORY_MONITOR', '', 'memory_management.monitoring_enabled', 'true < default'],
  ['CLAUDE_PM_THRESHOLDS_WARNING_MB', '', WARNING, '1024MB < default'],
])('%s=%s means %s', async (name, text, key, expected) => {
  expect(await told({ env: { [name]: text } }, key)).toBe(expected);
}); // prettier-ignore

test("a key's own variable wins over the ancestors' name for it", async () => {
  const both = { CLAUDE_PM_THRESHOLDS_WARNING_MB: '2', CLAUDE_PM_MEMORY_WARNING_MB: '1' };
  expect(await told({ env: both }, WARNING)).toBe('2MB < CLAUDE_PM_THRESHOLDS_WARNING_MB');
});

test('an unknown variable warns with the nearest name; our own inner ones and others do not', async () => {
  const names = [
    'STATE_DIR',
    'LEASE',
    'STREAM',
    'EPIC',
    'ISSUE',
    'KEY',
    'ATTEMPT',
    'LIMIT_MB',
    'HEAP_MB',
    'PROMPT',
  ];
  const more = ['TITLE', 'PROJECT', 'ENV', 'BASE_NODE_OPTIONS', 'CHECKPOINT'];
  const inner = Object.fromEntries([...names, ...more].map((name) => [`CLAUDE_PM_${name}`, 'x']));
  const unknown = {
    CLAUDE_PM_MEMORY_MAXX_MB: '1',
    CLAUDE_PM_QQQQQQQQQQQQ: '1',
    CLAUDE_CODE: 'x',
    PATH: '/bin',
  };
  const { warnings } = await load({ env: { ...inner, ...unknown } });
  expect(warnings).toEqual([
    'CLAUDE_PM_MEMORY_MAXX_MB: is no variable of ours and has no effect; did you mean CLAUDE_PM_MEMORY_MAX_MB?',
    'CLAUDE_PM_QQQQQQQQQQQQ: is no variable of ours and has no effect',
  ]);
});

test("the user's file under ~ is found through HOME, so its limits hold", async () => {
  const { settings } = await load({
    home: 'memory_management:\n  total_memory_limit_gb: 3\n  max_concurrent_agents: 1\n',
  });
  expect([settings.totalMemoryLimitBytes, settings.maxConcurrentAgents]).toEqual([3 * GIB, 1]);
});

test('a project named with ~ is the folder in the home', async () => {
  const { files, settings } = await inWorld({}, async ({ homeDir }) => {
    mkdirSync(join(homeDir, 'work'));
    writeFileSync(join(homeDir, 'work', '.claude-pm.yaml'), 'admission:\n  lookahead: 9\n');
    const result = await loadSettings({
      homeDir,
      projectDir: '~/work',
      env: {},
      overrides: {},
      machineTotalBytes: GIB,
    });
    expect(result.files[1]?.path).toBe(join(homeDir, 'work', '.claude-pm.yaml'));
    return result;
  });
  expect(files.map((file) => file.found)).toEqual([false, true]);
  expect(settings.admission.lookahead).toBe(9);
});

test('~ in the words and variables of a kind is the home, elsewhere in a word it is just a character', async () => {
  const file = 'agents:\n  x:\n    command: ["~/bin/a", "~", "a~/b", "~other/c"]\n    env: { DIR: ~/d }\n';
  await inWorld({ home: file }, async (place) => {
    const { settings } = await loadSettings({ ...place, env: {}, overrides: {}, machineTotalBytes: GIB });
    const kind = settings.agents.get('x');
    expect(kind?.command).toEqual([`${place.homeDir}/bin/a`, place.homeDir, 'a~/b', '~other/c']);
    expect(kind?.env).toEqual({ DIR: `${place.homeDir}/d` });
  });
});

test.each([[undefined], ['']])('without HOME (%j) only the project counts', async (homeDir) => {
  await inWorld({ home, project: 'thresholds:\n  critical_mb: 1500\n' }, async ({ projectDir }) => {
    const { settings, files } = await loadSettings({
      homeDir,
      projectDir,
      env: {},
      overrides: {},
      machineTotalBytes: GIB,
    });
    expect(settings.thresholds).toMatchObject({ warningBytes: 1024 * MIB, criticalBytes: 1500 * MIB });
    expect(files).toEqual([{ path: join(projectDir, '.claude-pm.yaml'), found: true }]);
  });
});

test('without HOME a ~ in a command is a fault, as it cannot be expanded', async () => {
  await inWorld({ project: 'agents:\n  x:\n    command: ~/bin/a\n' }, async ({ projectDir }) => {
    const loading = loadSettings({
      homeDir: undefined,
      projectDir,
      env: {},
      overrides: {},
      machineTotalBytes: GIB,
    });
    await expect(loading).rejects.toThrow(
      /agents\.x\.command: ~\/bin\/a cannot be expanded, as HOME is not set/,
    );
  });
});

test('the project in ~/.claude itself is read once and its faults told once', async () => {
  await inWorld({ home: 'thresholds:\n  abort: maybe\n' }, async ({ homeDir }) => {
    const projectDir = join(homeDir, '.claude');
    const error: unknown = await loadSettings({
      homeDir,
      projectDir,
      env: {},
      overrides: {},
      machineTotalBytes: GIB,
    }).catch((caught: unknown) => caught);
    expect(shorten(String(error)).split('\n')).toHaveLength(1);
  });
});

test.each([
  ['empty', ''],
  ['only comments', '# nothing\n\n'],
  ['a document marker', '---\n'],
  ['empty sections', 'thresholds:\nadmission: {}\nagents:\n'],
  ['null', 'null\n'],
  ['a byte order mark', '\uFEFF'],
])('a file with nothing in it (%s) changes nothing', async (_, text) => {
  const { settings } = await load({ project: text });
  expect(settings).toEqual((await load({})).settings);
});

test('carriage returns, flow style and quotes are all read', async () => {
  const text = 'thresholds: { warning_mb: "300" }\r\nadmission:\r\n    ageing: \'90s\'\r\n';
  const { settings } = await load({ project: text });
  expect(settings.thresholds.warningBytes).toBe(300 * MIB);
  expect(settings.admission.ageingMs).toBe(90_000);
});

test.each([
  ['preserve:\n  - a\nupdate: { x: [1, 2] }\nbackup: null\npool:\n  size: 4\npermissions: 3\n'],
  ['backup: 0x10\npermission: .inf\nhooks: []\n'],
  [
    'events: 1\npermission: 2\n1: 2\n? [a]\n: b\n~: 3\n"": 4\n__proto__: { enabled: false }\nconstructor: 1\n',
  ],
  ['x: &a [1]\nx: *a\ny: *nowhere\n<<: { thresholds: 1 }\nz: !!js/function "f"\n'],
])('foreign sections pass through without effect: %j', async (text) => {
  const plain = await load({});
  const { settings, warnings } = await load({ project: text });
  expect(settings).toEqual(plain.settings);
  expect(warnings).toEqual([]);
  expect(({} as Record<string, unknown>)['enabled']).toBeUndefined();
});

test('the settings are in the units of the code', async () => {
  const { settings } = await load({
    project: [
      'memory_management:', '  enabled: no', '  memory_per_agent_gb: 1.5', '  coordinator_memory_gb: 512MB', '  cleanup_timeout: 2m', '  retry_on_memory_limit: false',
      'node_options:', '  agent_heap_size: 1GB', '  coordinator_heap_size: 256', '  gc_exposure: off', '  optimize_for_size: 0',
      'thresholds:', '  sample_interval: 250ms', '  abort: false',
      'admission:', '  floor_mb: 0', '  safety_mb: 0.1GB', '  lookahead: 0', '  lease: 1d',
      'pressure:', '  warning: 0.5', '  critical: 90',
    ].join('\n'),
  }); // prettier-ignore
  expect(settings).toMatchObject({
    enabled: false,
    memoryPerAgentBytes: 1.5 * GIB,
    coordinatorMemoryBytes: 512 * MIB,
    cleanupTimeoutMs: 120_000,
    retryOnMemoryLimit: false,
    agentHeapMb: 1024,
    coordinatorHeapMb: 256,
    gcExposure: false,
    optimizeForSize: false,
    thresholds: { sampleIntervalMs: 250, abort: false },
    admission: { floorBytes: 0, safetyBytes: Math.round(102.4 * MIB), lookahead: 0, leaseMs: 86_400_000 },
    pressure: { warningShare: 0.5, criticalShare: 0.9 },
  });
});

test('a linked settings file is read, and one whose target is gone counts as absent', async () => {
  await inWorld({}, async ({ homeDir, projectDir }) => {
    writeFileSync(join(projectDir, 'real.yaml'), home);
    symlinkSync('real.yaml', join(projectDir, '.claude-pm.yaml'));
    symlinkSync('nowhere.yaml', join(homeDir, '.claude', '.claude-pm.yaml'));
    const { settings, files } = await loadSettings({
      homeDir,
      projectDir,
      env: {},
      overrides: {},
      machineTotalBytes: GIB,
    });
    expect(settings.thresholds.warningBytes).toBe(501 * MIB);
    expect(files.map(({ found }) => found)).toEqual([false, true]);
  });
});

test('HOME=/dev/null is a home without a settings file', async () => {
  const loading = loadSettings({
    homeDir: '/dev/null',
    projectDir: '/nowhere',
    env: {},
    overrides: {},
    machineTotalBytes: GIB,
  });
  expect((await loading).settings.profile).toBe('auto');
});

test('an unknown flag key is a fault with the nearest key', async () => {
  expect(await faultsOf({ overrides: { 'thresholds.maxmb': '1', toString: '1' } })).toEqual([
    '--set thresholds.maxmb: is no setting; did you mean thresholds.max_mb?',
    '--set toString: is no setting',
  ]);
});
