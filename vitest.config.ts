// How do the tests run? Real processes on two cores: a few workers, generous limits, nothing shared between files that start any.
import { defineConfig } from 'vitest/config';

/** Nothing but values go in and out: these share one module graph in a worker, which halves what they cost. */
const PURE = ['test/policy/**/*.test.ts', 'test/output/**/*.test.ts', 'test/config/**/*.test.ts'];

const common = { testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' as const };

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...common, name: 'pure', include: PURE, isolate: false } },
      {
        test: {
          ...common,
          name: 'real',
          include: ['test/**/*.test.ts'],
          exclude: PURE,
          globalSetup: ['test/support/build.ts'],
        },
      },
    ],
  },
});
