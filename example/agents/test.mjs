// Do the shop's tests pass? Vitest in this process, the tests in processes that it forks: a tree, measured as one.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startVitest } from 'vitest/node';
import { DIST, EXAMPLE, report } from './shared.mjs';

const options = {
  root: EXAMPLE,
  config: false,
  watch: false,
  pool: 'forks',
  maxWorkers: 2,
  include: ['tests/*.test.ts'],
  reporters: [{ onTestCaseResult: showTest }],
  testTimeout: 60_000,
};
const vitest = await startVitest('test', [], options, { cacheDir: join(DIST, 'cache') });
const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
const failed = tests.filter((test) => test.result().state !== 'passed');
await vitest.close();

assert.ok(tests.length >= 7, `only ${tests.length} tests were found`);
assert.deepEqual(
  failed.map((test) => test.fullName),
  [],
);
report('test', { tests: tests.length, failed: failed.length });

function showTest(test) {
  const { state, errors = [] } = test.result();
  console.log(`${state}: ${test.fullName}`);
  for (const { message } of errors) console.error(message);
}
