/** Are the shipped settings file, the README's settings table and the plugin's hooks what the code says? Writes them, or with --check only looks. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultFile, withSettingsSection } from '../lib/config/document.ts';
import { SETTINGS_FILE, loadSettings } from '../lib/config/load.ts';
import { readText, replaceFile } from '../lib/files.ts';
import { pluginHooks } from '../lib/policy/client-hooks.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const onlyCheck = process.argv.includes('--check');

const settingsFile = join(root, SETTINGS_FILE);
const readmeFile = join(root, 'README.md');
const readme = readText(readmeFile);
const { settings } = await loadSettings({
  homeDir: undefined,
  projectDir: '/nowhere',
  env: {},
  overrides: {},
  machineTotalBytes: 2 ** 34,
});
const wanted = [
  {
    path: join(root, 'hooks', 'hooks.json'),
    text: `${JSON.stringify(pluginHooks(settings.gate), undefined, 2)}\n`,
  },
  { path: settingsFile, text: defaultFile() },
  ...(readme === undefined ? [] : [{ path: readmeFile, text: withSettingsSection(readme) }]),
];

for (const { path, text } of wanted) {
  if (text === undefined) {
    process.stderr.write(`${path}: has no markers for the settings section\n`);
    process.exitCode = 1;
  } else if (readText(path) !== text && onlyCheck) {
    process.stderr.write(`${path}: is stale; run npx tsx tools/generate.ts\n`);
    process.exitCode = 1;
  } else if (readText(path) !== text) {
    replaceFile(path, text, { mode: 0o644 });
    process.stdout.write(`${path}: written\n`);
  }
}
