// Which single files start leanest? Bundles every script into dist/NAME.mjs, which plain `node` runs
// without tsx and with one file to load (9 MB of its own instead of 73 MB in four processes through npx tsx: bench/start-up).
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = process.argv[2] ?? join(root, 'dist');

const common = {
  absWorkingDir: root,
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  minifySyntax: true,
  // CommonJS packages inside an ES module bundle still ask for require().
  banner: {
    js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
  },
  logLevel: 'warning',
};

await build({
  ...common,
  entryPoints: readdirSync(join(root, 'scripts'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('scripts', name)),
  chunkNames: 'chunks/[name]-[hash]',
});
// By itself: sharing chunks with it, every script would load more of them.
await build({ ...common, entryPoints: [join('lib', 'api.ts')], chunkNames: 'chunks/api-[name]-[hash]' });
