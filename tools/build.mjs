// Which single files start leanest? Bundles every script into dist/NAME.mjs, which plain `node` runs
// without tsx and with one file to load (9 MB of its own instead of 73 MB in four processes through npx tsx: bench/start-up).
import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { hookModule, hookScript } from './hook-bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = process.argv[2] ?? join(root, 'dist');

/** Installed into projects by itself, so it is one file without chunks. */
const HOOK = 'claude-hook';

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
  // Its CommonJS form asks for its parts at run time.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  logLevel: 'warning',
};

await build({
  ...common,
  entryPoints: readdirSync(join(root, 'scripts'))
    .filter((name) => name.endsWith('.ts') && name !== `${HOOK}.ts`)
    .map((name) => join('scripts', name)),
  chunkNames: 'chunks/[name]-[hash]',
});
// By itself: sharing chunks with it, every script would load more of them.
await build({ ...common, entryPoints: [join('lib', 'api.ts')], chunkNames: 'chunks/api-[name]-[hash]' });

writeFileSync(join(outdir, `${HOOK}.mjs`), await hookModule(root));
writeFileSync(join(outdir, `${HOOK}.cjs`), await hookScript(root));
