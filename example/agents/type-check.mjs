// Do the shop's sources, and all types that they use, fit together? One process, a steadily growing V8 heap.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import ts from 'typescript';
import { EXAMPLE, report } from './shared.mjs';

const configPath = join(EXAMPLE, 'tsconfig.json');
const { config } = ts.readConfigFile(configPath, ts.sys.readFile);
const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, EXAMPLE);
const program = ts.createProgram(fileNames, options);

const faults = ts.getPreEmitDiagnostics(program);
if (faults.length > 0) console.error(ts.formatDiagnostics(faults.slice(0, 20), formatHost()));
assert.equal(faults.length, 0, `${faults.length} type errors`);

report('type-check', {
  sources: fileNames.length,
  files: program.getSourceFiles().length,
  lines: program.getSourceFiles().reduce((sum, file) => sum + file.getLineStarts().length, 0),
  types: program.getTypeCount(),
  errors: faults.length,
});

function formatHost() {
  return {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => EXAMPLE,
    getNewLine: () => '\n',
  };
}
