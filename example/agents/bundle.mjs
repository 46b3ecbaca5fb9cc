// What is shipped? esbuild bundles page and server; its memory is that of a native child, which no V8 flag limits.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { EXAMPLE, report, writeDist } from './shared.mjs';

// As many threads as cores would make its memory depend on the machine.
process.env.GOMAXPROCS ??= '2';
const { build } = await import('esbuild');

const common = { absWorkingDir: EXAMPLE, bundle: true, minify: true, write: false, metafile: true };

async function ship(name, options) {
  const { outputFiles, metafile } = await build({ ...common, ...options });
  const code = outputFiles[0].contents;
  writeDist(name, code);
  return { bytes: code.length, zipped: gzipSync(code).length, inputs: Object.keys(metafile.inputs).length };
}

const [page, server, playground] = await Promise.all([
  ship('page.js', { entryPoints: [join('src', 'page.ts')], format: 'esm' }),
  ship('server.mjs', { entryPoints: [join('src', 'server.ts')], format: 'esm', platform: 'node' }),
  // The large one: a code playground for the shop's help pages, with a whole compiler in it.
  ship('playground.mjs', {
    stdin: {
      contents: "export * from 'typescript'; export * as format from 'prettier';",
      resolveDir: EXAMPLE,
    },
    format: 'esm',
    platform: 'node',
  }),
]);

assert.ok(page.bytes > 200 && page.bytes < 10_000, `the page has ${page.bytes} bytes`);
assert.ok(server.inputs >= 4, 'the server lacks modules');
assert.ok(playground.zipped < playground.bytes / 2, 'the playground does not compress');
report('bundle', {
  page_bytes: page.bytes,
  server_bytes: server.bytes,
  playground_bytes: playground.bytes,
  playground_zipped: playground.zipped,
});
