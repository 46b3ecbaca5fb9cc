// Does the shop's code keep its rules? ESLint with type information: the compiler's memory and the linter's on top.
import assert from 'node:assert/strict';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { EXAMPLE, report } from './shared.mjs';

const eslint = new ESLint({
  cwd: EXAMPLE,
  overrideConfigFile: true,
  overrideConfig: [
    ...tseslint.configs.recommendedTypeChecked,
    { languageOptions: { parserOptions: { project: 'tsconfig.json', tsconfigRootDir: EXAMPLE } } },
  ],
});

const results = await eslint.lintFiles(['src', 'tests']);
const faults = results.reduce((sum, result) => sum + result.errorCount + result.warningCount, 0);
const formatter = await eslint.loadFormatter('stylish');
if (faults > 0) console.error(await formatter.format(results));
assert.equal(faults, 0, `${faults} lint errors`);
assert.ok(results.length > 5, 'nothing was linted');

report('lint', { files: results.length, errors: faults });
