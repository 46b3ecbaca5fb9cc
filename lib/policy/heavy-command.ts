/** Is this line of a shell a heavy command, and which variables keep builds and test runners to a few jobs? */

/** Longer lines are cut: a heavy command stands at the beginning of a line or of one of its parts. */
const LONGEST_LINE = 10_000;
/** What may stand before a command: `sudo`, `env A=b`, `time`, `npx`, a package runner, a variable. */
const BEFORE =
  /^(?:sudo|env|time|nice|nohup|exec|command|npx|bunx|pnpm exec|yarn exec|[A-Za-z_][A-Za-z0-9_]*=[^\s]*|-\S+)\s+/;

/**
 * The first of the patterns that a part of the line begins with, as whole words: `npm test` is in `cd a && npm test -- b`,
 * and neither in `echo npm test` nor in `npm testing`. The line is only looked at; nothing of it is taken over.
 */
export function heavyPattern(line: string, patterns: readonly string[]): string | undefined {
  for (const part of line.slice(0, LONGEST_LINE).split(/[;&|\n(){}`]+/)) {
    let command = part.trim();
    for (let rounds = 0; rounds < 10 && BEFORE.test(command); rounds += 1)
      command = command.replace(BEFORE, '').trim();
    const words = command.replace(/\s+/g, ' ');
    // A program is heavy by its name, wherever it lies.
    const named = words.replace(/^[^\s]*\/(?=[^\s/])/, '');
    const found = patterns.find((pattern) => beginsWith(words, pattern) || beginsWith(named, pattern));
    if (found !== undefined) return found;
  }
  return undefined;
}

function beginsWith(words: string, pattern: string): boolean {
  if (!words.startsWith(pattern)) return false;
  const next = words[pattern.length];
  // `find /` is a search through everything, `find /srv` as well.
  return next === undefined || next === ' ' || pattern.endsWith('/');
}

/** Variables by which builds and test runners are told how many jobs to run at once, each by its own documentation. */
export function jobVariables(jobs: number): readonly (readonly [name: string, value: string])[] {
  if (jobs <= 0) return [];
  const count = String(jobs);
  return [
    ['VITEST_MAX_WORKERS', count],
    ['PYTEST_XDIST_AUTO_NUM_WORKERS', count],
    ['CARGO_BUILD_JOBS', count],
    ['RUST_TEST_THREADS', count],
    ['CMAKE_BUILD_PARALLEL_LEVEL', count],
    ['GOMAXPROCS', count],
    ['TURBO_CONCURRENCY', count],
  ];
}
