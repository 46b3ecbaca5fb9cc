/** Which build do the tests start? One made from these sources, once, in a folder of its own that goes afterwards. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    bundleDir: string;
  }
}

export default function setup(project: TestProject): () => void {
  const root = join(import.meta.dirname, '..', '..');
  // Inside the checkout, so that packages left out of the bundle are still found from it.
  const bundleDir = mkdtempSync(join(root, 'dist-test-'));
  const remove = (): void => rmSync(bundleDir, { recursive: true, force: true });
  try {
    execFileSync(process.execPath, [join(root, 'tools', 'build.mjs'), bundleDir], { stdio: 'inherit' });
  } catch (error) {
    remove();
    throw error;
  }
  project.provide('bundleDir', bundleDir);
  return remove;
}
