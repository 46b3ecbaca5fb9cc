/** Is the orchestrator's roster read as it is written, and is every slip in it told? */
import { expect, test } from 'vitest';
import { faultsOf, load, shorten } from './world.ts';

const IN = 'orchestrator:\n  agents:\n    - ';

test('agents are read in their order, with what nobody wrote', async () => {
  const project = `${IN}{ name: a, when: [sec*, '/n\\+1/'], command: [node, a.mjs, '{prompt}'], priority: 7, prompt: "Do {prompt}" }\n    - { name: b, fallback: true, kind: tester }\n`;
  const { settings, values } = await load({ project });
  expect(settings.orchestrator).toEqual({
    timeoutMs: 900_000,
    queue: 4,
    agents: [
      { name: 'a', when: ['sec*', '/n\\+1/'], isFallback: false, command: ['node', 'a.mjs', '{prompt}'], kind: 'a', prompt: 'Do {prompt}', priority: 7 },
      { name: 'b', when: [], isFallback: true, command: undefined, kind: 'tester', prompt: '{prompt}', priority: 0 },
    ],
  });
  expect(values.filter(({ key }) => key.startsWith('orchestrator.agents.a.')).map(({ key, origin }) => [key, shorten(origin)])).toContainEqual(['orchestrator.agents.a.priority', 'P:3']);
  expect((await load({})).settings.orchestrator.agents).toBeUndefined();
}); // prettier-ignore

test.each<[string, RegExp]>([
  ['orchestrator:\n  agents: trim', /^P:2 orchestrator\.agents: must be a list; allowed: a list of maps with name, when, /],
  ['orchestrator:\n  agent: []', /^P:2 orchestrator\.agent: is no setting; did you mean agents\?$/],
  [`${IN}{ name: a }`, /^P:3 orchestrator\.agents\.a: is never chosen: write when, or fallback: true$/],
  [`${IN}{ when: [x] }`, /^P:3 orchestrator\.agents: entry 1 has no name/],
  [`${IN}{ name: a, wen: [x] }`, /^P:3 orchestrator\.agents\.wen: is no key of an agent; did you mean when\?$/m],
  [`${IN}{ name: a, when: x }`, /^P:3 orchestrator\.agents\.a\.when: must be a list/],
  [`${IN}{ name: a, when: ['two words'] }`, /"two words" is neither a word nor a \/pattern\//],
  [`${IN}{ name: a, when: ['/(/'] }`, /\/\(\/ is no pattern/],
  [`${IN}{ name: a, when: [x], prompt: hello }`, /^P:3 orchestrator\.agents\.a\.prompt: leaves out \{prompt\}; allowed/],
  [`${IN}{ name: a, when: [x], priority: high }`, /^P:3 orchestrator\.agents\.a\.priority: "high"/],
  [`${IN}{ name: a, when: [x], fallback: maybe }`, /^P:3 orchestrator\.agents\.a\.fallback: /],
])('%j is a fault', async (project, line) => {
  expect((await faultsOf({ project })).join('\n')).toMatch(line);
}); // prettier-ignore
