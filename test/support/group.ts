/** How does a test have the kernel kill for want of memory, and nothing but its own child? */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { waitFor } from './scripts.ts';

/** A memory cgroup of ours with 64 MB, where this user may make one. */
export function makeGroup(): { dir: string; kills: () => number } | undefined {
  for (const [base, limit, counter] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.oom_control'],
    ['/sys/fs/cgroup', 'memory.max', 'memory.events'],
  ] as const) {
    const dir = join(base, `claude-pm-test-${process.pid}-${performance.now()}`);
    try {
      mkdirSync(dir);
    } catch {
      continue;
    }
    if (!existsSync(join(dir, limit))) {
      rmdirSync(dir);
      continue;
    }
    onTestFinished(async () => {
      await waitFor(() => readFileSync(join(dir, 'cgroup.procs'), 'utf8') === '', 'the end of the group');
      rmdirSync(dir);
    });
    writeFileSync(join(dir, limit), String(64 * 1024 ** 2));
    // With swap beside it the limit would be no limit.
    for (const swap of ['memory.swap.max', 'memory.swappiness'])
      if (existsSync(join(dir, swap))) writeFileSync(join(dir, swap), '0');
    const kills = (): number =>
      Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(dir, counter), 'utf8'))?.[1]);
    return { dir, kills };
  }
  return undefined;
}
