// How does the hook of a coding client become one file that starts nearly as fast as an empty one? What each call needs is
// code; what few calls need is packed text inside it, parsed when it is asked for; Node's own modules load when they are called.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

/**
 * How Node's own modules are had. As imports each gets a facade of all its exports, which for node:fs loads its promises
 * and streams: 5 ms. Those that cost 1 to 3 ms by themselves and are called on few paths wait until they are called.
 */
const PLAIN = ['node:fs', 'node:path'];
const LAZY = [
  'node:child_process',
  'node:crypto',
  'node:os',
  'node:timers/promises',
  'node:url',
  'node:util',
];
/** Loaded on systems without /proc only. */
const EXTERNAL = ['systeminformation'];

const common = (root) => ({
  absWorkingDir: root,
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  minify: true,
  external: EXTERNAL,
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  logLevel: 'warning',
});

const REQUIRE = "import{createRequire as __cr}from'node:module';";

const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path }) =>
      PLAIN.includes(path) || LAZY.includes(path) ? { path, namespace: 'builtin' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path)).filter((name) => name !== 'default');
      const line = (name) =>
        LAZY.includes(path)
          ? `export const ${name} = (...words) => get('${name}')(...words);`
          : `export const ${name} = /* @__PURE__ */ get('${name}');`;
      const get = `const get = (name) => process.getBuiltinModule('${path}')[name];`;
      return { contents: [get, ...names.map(line)].join('\n') };
    });
  },
};

/** lib/commands/claude-hook/cold.ts with each of its imports as a text that becomes a module when it is called. */
function coldTexts(root, importWord) {
  return {
    name: 'cold-texts',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/cold\.ts$/ }, () => ({ path: 'cold', namespace: 'cold' }));
      onLoad({ filter: /.*/, namespace: 'cold' }, async () => {
        const functions = [
          `const load = (text) => {
            const packed = Buffer.from(text, 'base64');
            const source = process.getBuiltinModule('node:zlib').brotliDecompressSync(packed);
            return ${importWord}('data:text/javascript;base64,' + source.toString('base64'));
          };`,
        ];
        for (const [name, file] of Object.entries(COLD)) {
          const text = await coldText(root, file);
          functions.push(`export const ${name} = () => load(${JSON.stringify(text)});`);
        }
        return { contents: functions.join('\n') };
      });
    },
  };
}

const COLD = {
  loadRefresh: 'lib/commands/claude-hook/refresh.ts',
  loadHistory: 'lib/state/history.ts',
  loadCli: 'lib/cli.ts',
};

/** A module without a place of its own takes that of the file that was started. */
async function coldText(root, file) {
  const { outputFiles } = await build({
    ...common(root),
    entryPoints: [join(root, file)],
    define: { 'import.meta.url': '__url' },
    banner: {
      js: `${REQUIRE}import{pathToFileURL as __pf}from'node:url';const __url=__pf(process.argv[1]).href;const require=__cr(__url);`,
    },
  });
  return brotliCompressSync(outputFiles[0].contents).toString('base64');
}

/** The one file as text, as an ES module. */
export function hookModule(root) {
  return hot(root, 'esm', 'import');
}

/**
 * The one file as text, for projects: no ES module, since their loader alone takes a quarter of a start, and with what
 * keeps the compiled code.
 */
export async function hookScript(root) {
  const code = `(importModule) => {${await hot(root, 'iife', 'importModule')}}`;
  const { outputFiles } = await build({
    ...common(root),
    format: 'cjs',
    entryPoints: [join(root, 'tools', 'hook-loader.cjs')],
    define: { CODE: JSON.stringify(code), BUILD: JSON.stringify(digestOf(code)) },
  });
  return outputFiles[0].text;
}

async function hot(root, format, importWord) {
  const { outputFiles } = await build({
    ...common(root),
    format,
    entryPoints: [join(root, 'scripts', 'claude-hook.ts')],
    plugins: [builtins, coldTexts(root, importWord)],
  });
  return outputFiles[0].text;
}

function digestOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
