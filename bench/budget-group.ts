/** How does a benchmark give a whole run so much memory and no more? A memory cgroup of its own (v1 or v2), where one can be made. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from './support.ts';

/** A group of processes that share one limit. */
export interface BudgetGroup {
  /** Words before a command that start it inside. */
  readonly enter: readonly string[];
  /** How often the kernel killed a process for want of memory in here. */
  readonly kernelKills: () => number;
  /** Ends what is left inside and removes the group. */
  readonly close: () => Promise<void>;
}

const VERSIONS = {
  1: { controller: 'memory', limit: 'memory.limit_in_bytes', swap: 'memory.memsw.limit_in_bytes', events: 'memory.oom_control' },
  2: { controller: '', limit: 'memory.max', swap: 'memory.swap.max', events: 'memory.events' },
} as const; // prettier-ignore

type Version = keyof typeof VERSIONS;

/** Makes a group below our own, else at the top; undefined where neither can be had. */
export function openBudgetGroup(limitBytes: number): BudgetGroup | undefined {
  for (const { version, parent } of parents()) {
    const dir = join(parent, `claude-pm-bench-${process.pid}-${Date.now()}`);
    try {
      mkdirSync(dir);
    } catch {
      continue;
    }
    const { limit, swap, events } = VERSIONS[version];
    if (existsSync(join(dir, limit)) && write(join(dir, limit), String(limitBytes))) {
      // Without it what does not fit goes to swap instead; not every kernel counts swap.
      if (existsSync(join(dir, swap))) write(join(dir, swap), version === 1 ? String(limitBytes) : '0');
      return {
        enter: ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(dir, 'cgroup.procs')],
        kernelKills: () =>
          Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(dir, events), 'utf8'))?.[1] ?? NaN),
        close: () => close(dir),
      };
    }
    rmdirSync(dir);
  }
  return undefined;
}

/** Folders in which a group might be made, by what /proc/self/cgroup says. */
function parents(): { version: Version; parent: string }[] {
  const own = existsSync('/proc/self/cgroup') ? readFileSync('/proc/self/cgroup', 'utf8') : '';
  return own.split('\n').flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isV1 = controllers.split(',').includes('memory');
    if (!isV1 && controllers !== '') return [];
    const version: Version = isV1 ? 1 : 2;
    const top = join('/sys/fs/cgroup', VERSIONS[version].controller);
    return path === '' ? [] : [join(top, path), top].map((parent) => ({ version, parent }));
  });
}

function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}

async function close(dir: string): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    for (const pid of readFileSync(join(dir, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
      try {
        // Nobody comes into this group but through us.
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
    try {
      rmdirSync(dir);
      return;
    } catch {
      await sleep(50);
    }
  }
  throw new Error(`${dir} cannot be removed`);
}
