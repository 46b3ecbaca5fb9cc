/** Does a change of one value leave the rest of a settings file as it is? */
import { expect, test } from 'vitest';
import { patchSettings } from '../../lib/config/patch.ts';

const memory = (value: string, kind = 'tester') => [{ path: ['agents', kind, 'memory'] as const, value }];
const patched = (text: string, kind?: string): string => patchSettings(text, memory('310MB', kind), 'f.yaml');

test.each([
  ['a value is replaced in its place', 'agents:\n  tester:\n    memory:   1GB   # theirs\n    limit: 2GB\n', 'agents:\n  tester:\n    memory:   310MB   # theirs\n    limit: 2GB\n'],
  ['quotes go with it', "agents: { tester: { memory: '1GB', heap: 512 } }\n", 'agents: { tester: { memory: 310MB, heap: 512 } }\n'],
  ['a missing key goes before the first, in its column', '# a\nagents:\n    tester:\n        # why\n        command: [a, b]   # c\n# end\n', '# a\nagents:\n    tester:\n        # why\n        memory: 310MB\n        command: [a, b]   # c\n# end\n'],
  ['a missing key between braces', 'agents:\n  tester: { command: [a] } # c\n', 'agents:\n  tester: { memory: 310MB, command: [a] } # c\n'],
  ['line ends of another system', 'agents:\r\n  tester:\r\n    command: a\r\n', 'agents:\r\n  tester:\r\n    memory: 310MB\r\n    command: a\r\n'],
  ['a missing section goes to the end', '# mine\npool:\n  size: 4 # four\n', '# mine\npool:\n  size: 4 # four\nagents:\n  tester:\n    memory: 310MB\n'],
  ['an empty file', '', 'agents:\n  tester:\n    memory: 310MB\n'],
])('%s', (_, before, after) => {
  expect(patched(before)).toBe(after);
  expect(patched(after)).toBe(after);
}); // prettier-ignore

test.each([
  ['a list', '- a\n', /no map of YAML/],
  ['half a file', 'agents: [\n', /no map of YAML/],
  ['an alias', 'x: &m 1GB\nagents:\n  tester:\n    memory: *m\n', /behind a YAML alias/],
])('%s is refused', (_, text, message) => {
  expect(() => patched(text)).toThrow(message);
});
