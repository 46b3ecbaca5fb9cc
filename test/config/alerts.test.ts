/** Are the receivers of alerts read from every layer, and are their secrets never shown? */
import { expect, test } from 'vitest';
import { faultsOf, load, shorten, type World } from './world.ts';

test('without a word nobody is told: no webhook, no command, every level, five seconds', async () => {
  const { settings } = await load({});
  expect(settings.alerts).toEqual({ webhook: undefined, command: [], minLevel: 'warning', timeoutMs: 5000 });
});

test('a file says who is told, of what and for how long', async () => {
  const project = [
    'alerts:',
    '  webhook: https://hooks.example.com/services/T0/xyz?a=b',
    '  command: [~/bin/page, --quiet, "two words"]',
    '  min_level: critical',
    '  timeout: 500ms',
  ].join('\n');
  const { settings, warnings } = await load({ project });
  expect(settings.alerts).toMatchObject({
    webhook: 'https://hooks.example.com/services/T0/xyz?a=b',
    minLevel: 'critical',
    timeoutMs: 500,
  });
  expect(settings.alerts.command.slice(1)).toEqual(['--quiet', 'two words']);
  expect(settings.alerts.command[0]).toMatch(/^\/.*\/home\/bin\/page$/);
  expect(warnings).toEqual([]);
});

const HOME = 'alerts:\n  webhook: http://home/\n  command: home a\n';
const NONE = { webhook: undefined, command: [] };
test.each<[string, World, object]>([
  ['a project wins over the user', { home: HOME, project: 'alerts:\n  webhook: http://p/\n' }, { webhook: 'http://p/', command: ['home', 'a'] }],
  ['an empty text switches off', { home: HOME, project: 'alerts:\n  webhook: ""\n  command: ""\n' }, NONE],
  ['a key without a value switches off', { home: HOME, project: 'alerts:\n  webhook:\n  command:\n' }, NONE],
  ['an empty list switches off', { home: HOME, project: 'alerts:\n  command: []\n' }, { webhook: 'http://home/', command: [] }],
  ['a variable wins over files', { home: HOME, env: { CLAUDE_PM_ALERTS_WEBHOOK: 'http://v/', CLAUDE_PM_ALERTS_COMMAND: 'v b' } }, { webhook: 'http://v/', command: ['v', 'b'] }],
  ['an empty variable counts as none', { home: HOME, env: { CLAUDE_PM_ALERTS_WEBHOOK: '' } }, { webhook: 'http://home/' }],
  ['a flag wins over variables', { env: { CLAUDE_PM_ALERTS_WEBHOOK: 'http://v/' }, overrides: { 'alerts.webhook': 'http://f/' } }, { webhook: 'http://f/' }],
  ['a flag switches off', { env: { CLAUDE_PM_ALERTS_WEBHOOK: 'http://v/' }, overrides: { 'alerts.webhook': '' } }, NONE],
])('%s', async (_, world, expected) => {
  const { settings, warnings } = await load(world);
  expect(settings.alerts).toMatchObject(expected);
  expect(warnings).toEqual([]);
}); // prettier-ignore

test('shown are the host and the program, never a path, a user or a further word', async () => {
  const project =
    'alerts:\n  webhook: https://secret:secret@h.example:8443/secret?secret\n  command: [page, secret]\n';
  const { values } = await load({ project });
  const rows = values.filter(({ key }) => /^alerts\.(webhook|command)$/.test(key));
  expect(rows.map(({ key, value, origin }) => [key, value, shorten(origin)])).toEqual([
    ['alerts.webhook', 'https://h.example:8443/…', 'P:2'],
    ['alerts.command', 'page', 'P:3'],
  ]);
  expect(JSON.stringify(values)).not.toContain('secret');
});

const KEY = 'alerts:\n  ';
test.each<[string, RegExp]>([
  [`${KEY}webhook: secret`, /^P:2 alerts\.webhook: is no address; allowed: an http or https address$/],
  [`${KEY}webhook: ftp://secret/x`, /^P:2 alerts\.webhook: is no web address/],
  [`${KEY}webhook: "https://"`, /^P:2 alerts\.webhook: is no address/],
  [`${KEY}webhook: [secret]`, /^P:2 alerts\.webhook: must be one value, no list/],
  [`${KEY}command: [a, [b]]`, /^P:2 alerts\.command: may hold words only/],
  [`${KEY}command: {a: b}`, /^P:2 alerts\.command: must be one value, no map/],
  [`${KEY}webhook: http://a/\n  webhook: http://a/`, /^P:3 alerts\.webhook: is written twice/],
  [`${KEY}webhok: http://a/`, /^P:2 alerts\.webhok: is no setting; did you mean webhook\?$/],
  [
    `${KEY}min_level: fatal`,
    /^P:2 alerts\.min_level: "fatal" is no level of alerts; allowed: warning, critical/,
  ],
  [`${KEY}timeout: 61`, /^P:2 alerts\.timeout: 61 is too much; allowed: 0\.1 to 60 \(s\)$/],
  ['alerts: 1', /^P:1 alerts: must be a map of keys$/],
])('%j is one fault, which repeats no secret', async (project, line) => {
  const faults = await faultsOf({ project });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(line);
  expect(faults[0]).not.toContain('secret');
});
