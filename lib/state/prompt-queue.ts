/** How many prompts are worked on at once on this machine? One lock for each place; who dies leaves it. */
import { join } from 'node:path';
import { ensureDir } from '../files.ts';
import { tryLock, type HeldLock, type Liveness } from '../lock.ts';

/** A free place of the queue; undefined: all are taken. Never waits. */
export function takePlace(stateDir: string, liveness: Liveness, places: number): HeldLock | undefined {
  const dir = join(stateDir, 'prompts');
  ensureDir(dir);
  for (let place = 1; place <= places; place += 1) {
    const lock = tryLock(join(dir, `place-${place}.lock`), liveness);
    if ('release' in lock) return lock;
  }
  return undefined;
}
