/** Do commands of one tool get one name, whatever the task? */
import { expect, test } from 'vitest';
import { toolName } from '../../lib/policy/tool-name.ts';

test.each([
  [[], 'unknown'],
  ['', 'unknown'],
  ['  ;; ', 'unknown'],
  [['claude', '-p', 'fix the build'], 'claude'],
  [['/usr/local/bin/claude', '-p', '{prompt}'], 'claude'],
  [['node', 'agents/test.mjs', 'a task'], 'node test.mjs'],
  [['node', '--max-old-space-size=512', 'agents/test.mjs'], 'node test.mjs'],
  [['node', '-e', 'a long program'], 'node -e'],
  [['python3', '-m', 'pytest', 'tests/a.py'], 'python3 pytest'],
  [['npm', 'run', 'lint', '--', 'src'], 'npm run lint'],
  [['sh', '-c', 'npm run lint && npm test'], 'npm run lint'],
  [['bash', '-c', 'node -e "x"'], 'node -e'],
  [['timeout', '5', 'make', 'all'], 'timeout make all'],
  ['cd sub && npm test', 'npm test'],
  ['CI=1 npm run types; echo done', 'npm run types'],
  ['echo only', 'echo'],
  [['x'.repeat(200)], 'x'.repeat(80)],
])('%j is %s', (command, name) => {
  expect(toolName(command)).toBe(name);
});
