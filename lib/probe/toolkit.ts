/** Where does this toolkit lie, which version is it, and what starts one of its scripts with the least memory? */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '../failure.ts';

/** The folder that holds package.json: found upwards from this file, which may lie in lib/ or in the bundle. */
export function toolkitRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json')) || !existsSync(join(dir, 'scripts'))) {
    const parent = dirname(dir);
    if (parent === dir) throw new Failure('the toolkit has lost its package.json: install it again');
    dir = parent;
  }
  return dir;
}

/** The version in package.json. */
export function toolkitVersion(): string {
  const text: unknown = JSON.parse(readFileSync(join(toolkitRoot(), 'package.json'), 'utf8'));
  return typeof text === 'object' && text !== null && 'version' in text ? String(text.version) : 'unknown';
}

/**
 * The words that start a script leanest here, without npx: the bundle where it is as new as the sources, else plain Node
 * where it strips types by itself (22.18 and later), else Node with tsx as a loader. What the three hold of
 * their own on Node 20: 9, -, 35 MB, against 73 MB in four processes for `npx tsx` (bench/start-up prints them for this machine).
 */
export function leanCommand(script: string, root: string = toolkitRoot()): string[] {
  const bundle = join(root, 'dist', `${script}.mjs`);
  if (existsSync(bundle) && statSync(bundle).mtimeMs >= newestSourceMs(root))
    return [process.execPath, bundle];
  const source = join(root, 'scripts', `${script}.ts`);
  if (Boolean(Reflect.get(process.features, 'typescript'))) return [process.execPath, source];
  return [process.execPath, '--import', join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs'), source];
}

function newestSourceMs(root: string): number {
  let newest = 0;
  for (const folder of ['lib', 'scripts']) {
    const dir = join(root, folder);
    if (!existsSync(dir)) continue;
    for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
    }
  }
  return newest;
}
