import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { maskCommandLine } from '../../lib/probe/command-line.ts';

describe('maskCommandLine', () => {
  it.each([
    [['node', 'server.js', '--port', '80'], 'node server.js --port 80'],
    [['claude', '--api-key', 'hunter2'], 'claude --api-key ***'],
    [['claude', '--api-key=hunter2'], 'claude --api-key=***'],
    [['x', '--token', 'two words "and" more', 'y'], 'x --token *** y'],
    [['x', '--github-token', 'hunter2'], 'x --github-token ***'],
    [['x', '-password', 'hunter2'], 'x -password ***'],
    [['x', '--token', '--verbose'], 'x --token ***'],
    [['env', 'MY_API_KEY=hunter2', 'HOME=/root', 'run'], 'env MY_API_KEY=*** HOME=/root run'],
    [
      ['sh', '-c', 'DB_PASSWORD="hunter 2" run --secret hunter2; ok'],
      'sh -c DB_PASSWORD=*** run --secret *** ok',
    ],
    [['echo', 'sk-ant-api03-abcdefgh'], 'echo sk-***'],
    [['git', 'clone', 'https://me:hunter2@host/x'], 'git clone https://me:***@host/x'],
    [['curl', '-H', 'Authorization: Bearer hunter2'], 'curl -H Authorization: Bearer ***'],
    [['git', 'push', 'ghp_abcdefghijkl'], 'git push ghp_***'],
    [['a', 'b\nc\u001b[31m'], 'a b c [31m'],
    [['monkey=1', '--keyboard', 'us', 'task-list'], 'monkey=*** --keyboard us task-list'],
    [[], ''],
  ])('%j -> %j', (words, expected) => {
    expect(maskCommandLine(words)).toBe(expected);
  });

  it('is cut to its length', () => {
    expect(maskCommandLine(['x'.repeat(200)])).toBe('x'.repeat(200));
    expect(maskCommandLine(['x'.repeat(201)])).toBe(`${'x'.repeat(199)}…`);
  });

  it('never shows the value of a secret flag or variable, wherever it stands', () => {
    const name = fc.constantFrom('--api-key', '--token', '--password', '--client-secret');
    const variable = fc.constantFrom('ANTHROPIC_API_KEY', 'GH_TOKEN', 'db_password', 'CLIENT_SECRET');
    const secret = fc.stringMatching(/^[A-Za-z0-9+/]{12,20}$/).map((text) => `Q7${text}`);
    const plain = fc.array(fc.stringMatching(/^[a-z ]{0,8}$/), { maxLength: 4 });
    fc.assert(
      fc.property(plain, name, variable, secret, plain, (before, flag, key, value, after) => {
        for (const words of [
          [flag, value],
          [`${flag}=${value}`],
          [`${key}=${value}`],
          [`a ${key}='${value}' b`],
        ]) {
          expect(maskCommandLine([...before, ...words, ...after], 10_000)).not.toContain(value);
        }
      }),
    );
  });
});
