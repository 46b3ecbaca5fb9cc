/** Are the commands for memory pressure read as they are written, and is every slip in them told? */
import { expect, test } from 'vitest';
import { faultsOf, load, shorten } from './world.ts';

const IN = 'pressure:\n  handlers:\n    - ';

test('handlers are read in their order, with words, levels and milliseconds', async () => {
  const project = `${IN}{ name: a, warning: npm cache verify, critical: [sh, -c, "echo $X"], timeout: 2.5s }\n    - name: b\n      critical: "~/free"\n`;
  const { settings, values } = await load({ project });
  expect(settings.pressure).toMatchObject({ warningShare: 0.7, cooldownMs: 60_000 });
  expect(settings.pressure.handlers).toEqual([
    { name: 'a', warning: ['npm', 'cache', 'verify'], critical: ['sh', '-c', 'echo $X'], timeoutMs: 2500 },
    { name: 'b', warning: undefined, critical: [expect.stringMatching(/^\/.*\/home\/free$/)], timeoutMs: 10_000 },
  ]);
  const rows = values.filter(({ key }) => key.startsWith('pressure.handlers.'));
  expect(rows.map(({ key, origin }) => [key, shorten(origin)])).toEqual([
    ['pressure.handlers.a.warning', 'P:3'],
    ['pressure.handlers.a.critical', 'P:3'],
    ['pressure.handlers.a.timeout', 'P:3'],
    ['pressure.handlers.b.critical', 'P:5'],
    ['pressure.handlers.b.timeout', 'default'],
  ]);
}); // prettier-ignore

test.each([
  ['the list of the highest file decides', `${IN}{ name: p, warning: x }`, ['p']],
  ['an empty list switches a lower one off', 'pressure:\n  handlers: []', []],
  ['a file without the list leaves it', 'pressure:\n  cooldown: 5s', ['h']],
])('%s', async (_what, project, names) => {
  const { settings } = await load({ home: `${IN}{ name: h, warning: x }`, project });
  expect(settings.pressure.handlers.map(({ name }) => name)).toEqual(names);
});

test.each<[string, RegExp]>([
  ['pressure:\n  handlers: {a: b}', /^P:2 pressure\.handlers: must be a list; allowed: a list of maps with name, /],
  ['pressure:\n  handlers: trim', /^P:2 pressure\.handlers: must be a list/],
  [`${IN}trim`, /^P:3 pressure\.handlers: entry 1 must be a map/],
  [`${IN}{ warning: x }`, /^P:3 pressure\.handlers: entry 1 has no name/],
  [`${IN}{ name: "a b", warning: x }`, /^P:3 pressure\.handlers: "a b" is no name for a handler/],
  [`${IN}{ name: logs, warning: x }`, /^P:3 pressure\.handlers\.logs: is a handler of our own$/],
  [`${IN}{ name: a }`, /^P:3 pressure\.handlers\.a: runs nothing: write warning, critical or both$/],
  [`${IN}{ name: a, warnin: x }`, /^P:3 pressure\.handlers\.warnin: is no key of a handler; did you mean warning\?$/],
  [`${IN}{ name: a, toString: x, warning: y }`, /^P:3 pressure\.handlers\.toString: is no key of a handler$/],
  [`${IN}{ name: a, warning: [] }`, /^P:3 pressure\.handlers\.a\.warning: has no words/],
  [`${IN}{ name: a, warning: "sh -c 'x'" }`, /^P:3 pressure\.handlers\.a\.warning: has quotes, which no shell reads/],
  [`${IN}{ name: a, warning: x, timeout: soon }`, /^P:3 pressure\.handlers\.a\.timeout: "soon" is no number of seconds; allowed: 0\.1 to 300 \(s\)$/],
  [`${IN}{ name: a, warning: x, timeout: 301 }`, /^P:3 pressure\.handlers\.a\.timeout: 301 is too much/],
  [`${IN}{ name: a, warning: x, timeout: [1] }`, /^P:3 pressure\.handlers\.a\.timeout: must be one value/],
  [`${IN}{ name: a, warning: x, warning: y }`, /^P:3 pressure\.handlers\.warning: is written twice$/],
  [`${IN}{ name: a, warning: x }\n    - { name: a, warning: x }`, /^P:4 pressure\.handlers\.a: is written twice$/],
  [`${IN}{ name: a, warning: x }\n${'    - { name: b, warning: x }\n'.repeat(20)}`, /^P:3 pressure\.handlers: has too many entries; allowed: up to 20$/m],
  [`${IN}{ name: a, warning: x }\n  handlers: []`, /^P:4 pressure\.handlers: is written twice, first in line 2$/],
  ['pressure:\n  handler: []', /^P:2 pressure\.handler: is no setting; did you mean handlers\?$/],
  ['pressure:\n  cooldown: 2h', /^P:2 pressure\.cooldown: 2h is too much; allowed: 0 to 3600 \(s\)$/],
])('%j is a fault', async (project, line) => {
  expect((await faultsOf({ project })).join('\n')).toMatch(line);
}); // prettier-ignore
