/** Are the shipped settings file and the README's table what the schema says, and does the file load as the defaults? */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import {
  TABLE_BEGIN,
  TABLE_END,
  defaultFile,
  settingsSection,
  withSettingsSection,
} from '../../lib/config/document.ts';
import { PROFILES } from '../../lib/config/setting.ts';
import { SETTING_KEYS } from '../../lib/config/settings.ts';
import { readPlainFile } from '../../lib/config/tree.ts';
import { readText } from '../../lib/files.ts';
import { load } from './world.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

test('the shipped .claude-pm.yaml is what the schema gives (else run npx tsx tools/generate.ts)', () => {
  expect(readText(join(root, '.claude-pm.yaml'))).toBe(defaultFile());
});

test('the README, where there is one, has the current settings section between its markers', () => {
  const readme = readText(join(root, 'README.md'));
  if (readme !== undefined) expect(readme).toBe(withSettingsSection(readme));
});

test('the shipped file loads as exactly the defaults, in every profile and on every machine', async () => {
  for (const profile of PROFILES) {
    for (const gb of [0.3, 8, 24, 96]) {
      const world = { gb, overrides: { profile } };
      const shipped = await load({ ...world, project: defaultFile() });
      const plain = await load(world);
      expect(shipped.settings).toEqual(plain.settings);
      expect(shipped.values.map(({ key, value }) => [key, value])).toEqual(
        plain.values.map(({ key, value }) => [key, value]),
      );
      expect(shipped.warnings).toEqual([]);
    }
  }
});

test('the shipped file takes the quick reader, and writes all that no profile decides', async () => {
  expect(readPlainFile(defaultFile())).toBeDefined();
  const { values } = await load({ project: defaultFile(), overrides: { profile: 'auto' } });
  const unwritten = values.filter(({ origin }) => origin === 'default').map(({ key }) => key);
  expect(unwritten).toEqual([
    'memory_management.max_concurrent_agents',
    'thresholds.warning_mb',
    'thresholds.critical_mb',
    'thresholds.max_mb',
    'subprocess.enabled',
  ]);
});

test('with every key commented the file still shows each key, and wins over nothing', async () => {
  const home = 'memory_management:\n  monitoring_enabled: no\nadmission:\n  lookahead: 0\n';
  const project = defaultFile({ commented: true });
  for (const key of SETTING_KEYS)
    expect(project).toMatch(new RegExp(`^ *# ${key.split('.').at(-1) ?? key}: `, 'm'));
  expect((await load({ home, project })).settings).toEqual((await load({ home })).settings);
});

test("with every key uncommented the file is the workstation's, key for key", async () => {
  const text = defaultFile()
    .replace(/^( *)# ([a-z_]+: [a-z0-9]+)$/gm, '$1$2')
    .replace('profile: auto', 'profile: workstation');
  const all = await load({ project: text, gb: 24 });
  const workstation = await load({ overrides: { profile: 'workstation' }, gb: 24 });
  expect(all.values.map(({ origin }) => /:\d+$/.test(origin))).toEqual(SETTING_KEYS.map(() => true));
  expect(all.settings).toEqual(workstation.settings);
});

test('the example of a kind in the file loads when it is uncommented', async () => {
  const [, example = ''] = defaultFile().split(/^(?=# agents:)/m);
  const { settings } = await load({ project: example.replace(/^# ?/gm, '') });
  expect(settings.agents.get('general-purpose')).toMatchObject({
    command: ['claude', '-p', '{prompt}'],
    heapMb: 2048,
  });
});

test('every key stands in the file and in the table', () => {
  for (const key of SETTING_KEYS) {
    const name = key.split('.').at(-1) ?? key;
    expect(defaultFile()).toMatch(new RegExp(`^ *(?:# )?${name}: `, 'm'));
    expect(settingsSection()).toContain(`| \`${key}\` `);
  }
});

test('the section stands in a README as the formatter would write it', async () => {
  const readme = withSettingsSection(`# T\n\n${TABLE_BEGIN}\nstale words\n${TABLE_END}\n\nend\n`) ?? '';
  expect(readme).not.toContain('stale words');
  const options = JSON.parse(readFileSync(join(root, '.prettierrc.json'), 'utf8')) as object;
  expect(await format(readme, { ...options, parser: 'markdown' })).toBe(readme);
  expect(withSettingsSection(readme)).toBe(readme);
});

test.each(['', 'text', TABLE_BEGIN, `${TABLE_END} ${TABLE_BEGIN}`])(
  'without both markers in order (%j) there is no section',
  (text) => {
    expect(withSettingsSection(text)).toBeUndefined();
  },
);
