/** Is everything that is wrong told at once, each with file, line, key, allowed range and what was probably meant? */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nearSection, nearest } from '../../lib/config/faults.ts';
import { loadSettings } from '../../lib/config/load.ts';
import { EXIT, Failure } from '../../lib/failure.ts';
import { GIB } from '../../lib/units.ts';
import { faultsOf, inWorld } from './world.ts';

test('all faults of all layers come at once, one line each, lowest layer first', async () => {
  const home = 'profile: laptp\nmemory_managment:\n  enabled: true\n';
  const project = [
    'memory_management:',
    '  memory_per_agnt_gb: 2',
    '  total_memory_limit_gb: 0x10',
    '  max_concurrent_agents: 0',
    '  agent_heap_size: 1',
    'thresholds: [1]',
    'admission:',
    '  floor_mb:',
    '  lookahead: [1]',
    'pressure:',
    '  warning: 90%',
    'agents:',
    '  x:',
    '    limit: 1',
  ].join('\n');
  const env = { CLAUDE_PM_ADMISSION_LEASE: 'soon', CLAUDE_PM_DISABLE_MEMORY_MONITOR: 'perhaps' };
  expect(await faultsOf({ home, project, env, overrides: { 'pressure.critical': '101' } })).toEqual([
    'U:1 profile: "laptp" is no profile; allowed: auto, workstation, laptop, strict; did you mean laptop?',
    'U:2 memory_managment: is no section of ours and would have no effect; did you mean memory_management?',
    'P:2 memory_management.memory_per_agnt_gb: is no setting; did you mean memory_per_agent_gb?',
    'P:3 memory_management.total_memory_limit_gb: "0x10" is no number of GB; allowed: 0.25 to 65536 (GB)',
    'P:4 memory_management.max_concurrent_agents: 0 is too little; allowed: 1 to 1000 (whole)',
    'P:5 memory_management.agent_heap_size: is no setting; did you mean node_options.agent_heap_size?',
    'P:6 thresholds: must be a map of keys',
    'P:8 admission.floor_mb: has no value; allowed: 0 to 1048576 (MB)',
    'P:9 admission.lookahead: must be one value, no list; allowed: 0 to 1000 (whole)',
    'CLAUDE_PM_DISABLE_MEMORY_MONITOR memory_management.monitoring_enabled: "perhaps" is neither true nor false; allowed: true or false',
    'CLAUDE_PM_ADMISSION_LEASE admission.lease: "soon" is no number of seconds; allowed: 1 to 604800 (s)',
    '--set pressure.critical: 101 is too much; allowed: 1% to 100%',
    'P:14 agents.x.limit: 1 is too little (bytes: write a unit, as in 2GB); allowed: 16MB to 1024GB',
    'P:11 pressure.warning: 90% must be below pressure.critical 85% (default); allowed: below 85%',
  ]);
});

const DEEP = 200_000;

/** What is wrong with the file: one line that matches. */
const HOSTILE: readonly [string, string, RegExp][] = [
  ['a torn flow map', 'thresholds: {abort: true\n', /^P:\d+: is no valid YAML: /],
  ['a tab', 'thresholds:\n\tabort: true\n', /^P:2: is no valid YAML: .*Tabs/],
  ['two documents', 'profile: auto\n---\nprofile: strict\n', /^P:2: is no valid YAML: /],
  ['a list', '- thresholds\n', /^P:1: must be a map of sections/],
  ['a word', 'thresholds\n', /^P:1: must be a map of sections/],
  ['bytes', '\u0000\u0001\u0002', /^P:1: (must be a map|is no valid YAML)/],
  [
    'a key twice',
    'thresholds:\n  abort: true\n  abort: false\n',
    /^P:3 thresholds\.abort: is written twice, first in line 2$/,
  ],
  [
    'a section twice',
    'pressure:\n  warning: 1\npressure:\n  warning: 2\n',
    /^P:3 pressure: is written twice, first in line 1$/,
  ],
  ['a profile twice', 'profile: auto\nprofile: auto\n', /^P:2 profile: is written twice, first in line 1$/],
  [
    '__proto__ in a section',
    'thresholds:\n  __proto__: { abort: false }\n',
    /^P:2 thresholds\.__proto__: is no setting$/,
  ],
  [
    'constructor in a section',
    'thresholds:\n  constructor: 1\n',
    /^P:2 thresholds\.constructor: is no setting$/,
  ],
  [
    'an alias as a value',
    'x: &x 5\nadmission:\n  lookahead: *x\n',
    /^P:3 admission\.lookahead: is a YAML alias; write the value out; allowed/,
  ],
  [
    'an alias as a section',
    'x: &x { abort: no }\nthresholds: *x\n',
    /^P:2 thresholds: is a YAML alias; write the value out$/,
  ],
  ['a merge key', 'x: &x { abort: no }\nthresholds:\n  <<: *x\n', /^P:3 thresholds\.<<: is no setting$/],
  ['a section as a number', 'thresholds: 5\n', /^P:1 thresholds: must be a map of keys$/],
  [
    'a map as a value',
    'thresholds:\n  abort: { a: 1 }\n',
    /^P:2 thresholds\.abort: must be one value, no map/,
  ],
  ['a map as the profile', 'profile:\n  a: 1\n', /^P:1 profile: must be one value, no map/],
  ['a list as the profile', 'profile: [auto]\n', /^P:1 profile: must be one value, no list/],
  [
    'control characters',
    'thresholds:\n  abort: "\\e[2J\\n\\u202E"\n',
    /^P:2 thresholds\.abort: "\?\[2J\?\?" is neither true nor false/,
  ],
  ['a long key', `thresholds:\n  ${'k'.repeat(10_000)}: 1\n`, /^P:2 thresholds\.k+…: is no setting$/],
  ['deep flow lists', `a: ${'['.repeat(DEEP)}`, /^P:1: /],
  ['a singular', 'agent:\n  x: 1\n', /^P:1 agent: is no section .* did you mean agents\?$/],
  ['another case', 'memoryManagement:\n  enabled: false\n', /did you mean memory_management\?$/],
  ['dashes', 'node-options: {}\n', /did you mean node_options\?$/],
];

test.each(HOSTILE)('%s is one clear line', async (_, text, line) => {
  const faults = await faultsOf({ project: text });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(line);
  expect(faults[0]?.length).toBeLessThan(300);
}); // prettier-ignore

test('an alias bomb costs no more than its text', async () => {
  const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
  const bomb = ['l0: &l0 x', ...levels].join('\n');
  expect(await faultsOf({ project: `${bomb}\nadmission:\n  lookahead: *l30\n` })).toEqual([
    'P:33 admission.lookahead: is a YAML alias; write the value out; allowed: 0 to 1000 (whole)',
  ]);
});

test('a file of noise gives a handful of lines, not thousands', async () => {
  const faults = await faultsOf({ project: '}{\n'.repeat(5000) });
  expect(faults.length).toBeGreaterThan(0);
  expect(faults.length).toBeLessThanOrEqual(5);
});

test('of thousands of faults a hundred are told and the rest counted', async () => {
  const faults = await faultsOf({ project: `thresholds:\n${'  x: 1\n'.repeat(1000)}` });
  expect(faults).toHaveLength(101);
  expect(faults.at(-1)).toBe('… and 900 faults more');
});

test('a file beyond 256 KB is refused unread', async () => {
  expect(await faultsOf({ project: `# ${'x'.repeat(256 * 1024)}\n` })).toEqual([
    'P: is larger than a settings file may be; allowed: up to 256 KB',
  ]);
});

test('a broken user file does not hide the faults of the project', async () => {
  expect(await faultsOf({ home: 'a: [', project: 'profile: x\n' })).toHaveLength(2);
});

test('a folder in the place of the file is one line', async () => {
  await inWorld({}, async ({ homeDir, projectDir }) => {
    mkdirSync(join(projectDir, '.claude-pm.yaml'));
    const loading = loadSettings({ homeDir, projectDir, env: {}, overrides: {}, machineTotalBytes: GIB });
    const error: unknown = await loading.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Failure);
    expect(error).toMatchObject({
      exitCode: EXIT.mend,
      message: expect.stringMatching(/^[^\n]*EISDIR[^\n]*$/) as string,
    });
  });
});

test.each([
  ['a pipe', (path: string) => void execFileSync('mkfifo', [path]), 'a named pipe'],
  ['a device', (path: string) => symlinkSync('/dev/zero', path), 'a device'],
])('%s in the place of the file is one line, and is not waited for', async (_what, make, kind) => {
  await inWorld({}, async ({ homeDir, projectDir }) => {
    const path = join(projectDir, '.claude-pm.yaml');
    make(path);
    const loading = loadSettings({ homeDir, projectDir, env: {}, overrides: {}, machineTotalBytes: GIB });
    const message = `${path}: cannot read: it is ${kind}, a file is needed: move it away`;
    await expect(loading).rejects.toMatchObject({ exitCode: EXIT.mend, message });
  });
});

test.skipIf(process.getuid?.() === 0)('a file that may not be read is one line', async () => {
  await inWorld({ project: 'profile: auto\n' }, async ({ homeDir, projectDir }) => {
    chmodSync(join(projectDir, '.claude-pm.yaml'), 0);
    const loading = loadSettings({ homeDir, projectDir, env: {}, overrides: {}, machineTotalBytes: GIB });
    await expect(loading).rejects.toThrow(/^[^\n]*EACCES[^\n]*$/);
  });
});

test.each([
  ['memory_per_agnt_gb', 'memory_per_agent_gb'],
  ['memoryPerAgentGB', 'memory_per_agent_gb'],
  ['MEMORY-PER-AGENT-GB', 'memory_per_agent_gb'],
  ['enabld', 'enabled'],
  ['xyz', undefined],
  ['', undefined],
  ['__proto__', undefined],
])('%s is nearest to %s', (written, expected) => {
  expect(nearest(written, ['enabled', 'memory_per_agent_gb', 'cleanup_timeout'])).toBe(expected);
});

test.each([
  ['memory_managment', 'memory_management'],
  ['memory_mangmnt', undefined],
  ['memory_mangment', 'memory_management'],
  ['threshold', 'thresholds'],
  ['agent', 'agents'],
  ['agnets', 'agents'],
  ['events', undefined],
  ['assets', undefined],
  ['profiles', 'profile'],
  ['files', undefined],
  ['admissions', 'admission'],
  ['node', undefined],
])('the foreign section %s is a slip of %s', (written, expected) => {
  const sections = [
    'profile',
    'memory_management',
    'node_options',
    'thresholds',
    'admission',
    'pressure',
    'agents',
  ];
  expect(nearSection(written, sections)).toBe(expected);
});
