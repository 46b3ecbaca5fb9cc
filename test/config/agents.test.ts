/** Are kinds of agents read as they are written, layer upon layer, and every slip in them told? */
import { expect, test } from 'vitest';
import { GIB, MIB } from '../../lib/units.ts';
import { faultsOf, load, shorten } from './world.ts';

test('a kind gives its command, sizes in bytes, heap and variables', async () => {
  const project = [
    'agents:',
    '  backend-specialist:',
    '    command: claude -p   {prompt} --session-id {session}',
    '    memory: 1.5GB',
    '    limit: 4096 MB',
    '    heap: 2GB',
    '    env: { A: 1, B: "two words", C: , D: true, E: 0x10 }',
    '    resume_command: claude -p go --resume {session}',
    '    transcript: ~/t/{session}.jsonl',
    '  Any Name.2:',
    '    command: [sh, -c, "echo \'$1\' \\"x\\"", ""]',
  ].join('\n');
  const { settings } = await load({ project });
  expect(Object.fromEntries(settings.agents)).toEqual({
    'backend-specialist': {
      command: ['claude', '-p', '{prompt}', '--session-id', '{session}'],
      resume: {
        command: ['claude', '-p', 'go', '--resume', '{session}'],
        transcript: expect.stringMatching(/^\/.*\/t\/\{session\}\.jsonl$/) as string,
      },
      estimateBytes: 1.5 * GIB,
      limitBytes: 4 * GIB,
      heapMb: 2048,
      env: { A: '1', B: 'two words', C: '', D: 'true', E: '0x10' },
    },
    'Any Name.2': {
      command: ['sh', '-c', 'echo \'$1\' "x"', ''],
      estimateBytes: undefined,
      limitBytes: undefined,
      heapMb: undefined,
      env: {},
    },
  });
});

test('each key of a kind is won by the highest file that writes it, and a kind may set bounds only', async () => {
  const home = 'agents:\n  x:\n    command: a\n    limit: 1GB\n  y:\n    memory: 16MB\n';
  const { settings, values } = await load({ home, project: 'agents:\n  x:\n    limit: 2GB\n' });
  expect(settings.agents.get('x')).toMatchObject({ command: ['a'], limitBytes: 2 * GIB });
  expect(settings.agents.get('y')).toMatchObject({ command: [], estimateBytes: 16 * MIB });
  const rows = values.filter(({ key }) => key.startsWith('agents.'));
  expect(rows.map(({ key, value, unit, origin }) => [key, value, unit, shorten(origin)])).toEqual([
    ['agents.x.command', 'a', undefined, 'U:3'],
    ['agents.x.limit', 2048, 'MB', 'P:3'],
    ['agents.y.memory', 16, 'MB', 'U:6'],
  ]);
});

test('the values of variables, which may be secrets, are not among what is shown', async () => {
  const { values } = await load({ project: 'agents:\n  x:\n    env: { TOKEN: hunter2, B: x }\n' });
  expect(JSON.stringify(values)).not.toContain('hunter2');
  expect(values.find(({ key }) => key === 'agents.x.env')?.value).toBe('TOKEN B');
});

const KIND = 'agents:\n  x:\n    ';
const SLIPS: readonly [string, RegExp][] = [
  ['agents: [a]', /^P:1 agents: must be a map of keys$/],
  ['agents:\n  x: 1', /^P:2 agents\.x: must be a map; allowed: command, resume_command, transcript, memory, limit, heap, env, pool$/],
  ['agents:\n  x:', /^P:2 agents\.x: must be a map/],
  ['agents:\n  x: {limit: 1GB}\n  x: {limit: 1GB}', /^P:3 agents\.x: is written twice$/],
  ['agents:\n  __proto__: {limit: 1GB}', /^P:2 agents\.__proto__: is no name for a kind/],
  ['agents:\n  "a/../b": {limit: 1GB}', /is no name for a kind/],
  ['agents:\n  "a\\nb": {limit: 1GB}', /^P:2 agents\.a\?b: is no name for a kind/],
  [`agents:\n  ${'a'.repeat(65)}: {limit: 1GB}`, /is no name for a kind/],
  [`${KIND}comand: a`, /^P:3 agents\.x\.comand: is no key of a kind; did you mean command\?$/],
  [`${KIND}toString: a`, /^P:3 agents\.x\.toString: is no key of a kind$/],
  [`${KIND}limit: 1GB\n    limit: 1GB`, /^P:4 agents\.x\.limit: is written twice$/],
  [`${KIND}command:`, /agents\.x\.command: has no value/],
  [`${KIND}command: []`, /agents\.x\.command: has no words: name a program/],
  [`${KIND}command: ["", a]`, /has no words: name a program/],
  [`${KIND}command: "  "`, /has no words: name a program/],
  [`${KIND}command: sh -c 'a b'`, /has quotes, which no shell reads here: write a list/],
  [`${KIND}command: [a, [b]]`, /may hold words only/],
  [`${KIND}command: ["a\\0b"]`, /holds a NUL character/],
  [`${KIND}command: { a: b }`, /agents\.x\.command: must be one value, no map; allowed: a list of words/],
  [`${KIND}resume_command: []`, /agents\.x\.resume_command: has no words: name a program/],
  [`${KIND}command: [a, "{session}"]\n    resume_command: [a]\n    transcript: t.jsonl`, /agents\.x\.transcript: "t\.jsonl" names no \{session\}; allowed: a path with \{session\} in it$/],
  [`${KIND}transcript: "t/{session}"`, /^P:3 agents\.x\.transcript: says nothing without agents\.x\.resume_command$/],
  [`${KIND}command: [a]\n    resume_command: [a, "{session}"]`, /^P:4 agents\.x\.resume_command: goes on with a session that agents\.x\.command \(P:3\) never begins/],
  [`${KIND}memory: lots`, /agents\.x\.memory: "lots" is no size; allowed: 16MB to 1024GB/],
  [`${KIND}memory: 010GB`, /is no size/],
  [`${KIND}memory: 0x10`, /is no size/],
  [`${KIND}memory: 2048`, /2048 is too little \(bytes: write a unit, as in 2GB\)/],
  [`${KIND}memory: 15.9MB`, /15\.9MB is too little; allowed/],
  [`${KIND}memory: 1025GB`, /is too much/],
  [`${KIND}limit: [1GB]`, /agents\.x\.limit: must be one value, no list/],
  [`${KIND}heap: 63`, /agents\.x\.heap: 63 is too little; allowed: 64 to 1048576 \(MB, whole\)/],
  [`${KIND}heap: much`, /"much" is no whole number of MB/],
  [`${KIND}env: [A]`, /agents\.x\.env: must be a map; allowed: a map of NAME: value/],
  [`${KIND}env: { 1A: x }`, /agents\.x\.env: 1A is no name for a variable/],
  [`${KIND}env: { "A=B": x }`, /is no name for a variable/],
  [`${KIND}env: { __proto__: x }`, /is no name for a variable/],
  [`${KIND}env: { A: 1, A: 2 }`, /agents\.x\.env: A is written twice; allowed: a map of NAME: value/],
  [`${KIND}env: { A: [1] }`, /agents\.x\.env: A must be one value, no list/],
  [`${KIND}env: { A: "\\0" }`, /holds a NUL character/],
  [`${KIND}env: { 1A: x, B: [1] }`, /env: 1A is no name for a variable, B must be one value, no list/],
  [`${KIND}limit: 1GB\n    heap: 1025`, /^P:3 agents\.x\.limit: 1024 MB is below agents\.x\.heap 1025 MB \(P:4\); allowed: at least 1025 MB$/],
  [`${KIND}memory: 2GB\n    limit: 1GB`, /^P:4 agents\.x\.limit: 1024 MB is below agents\.x\.memory 2048 MB \(P:3\)/],
]; // prettier-ignore

test.each(SLIPS)('%j is one fault', async (project, line) => {
  const faults = await faultsOf({ project });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(line);
});

test('a limit of exactly the heap and the memory is no contradiction', async () => {
  expect(await faultsOf({ project: `${KIND}limit: 1GB\n    heap: 1024\n    memory: 1GB\n` })).toEqual([]);
});
