/** How much CPU have these processes taken so far? */
import { readShortFile, unlessHidden } from './proc.ts';

/** USER_HZ: the unit of the times in /proc, 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

/**
 * User and system time of the processes themselves, ms in steps of 10; undefined where the system does not tell (macOS). One
 * that has ended counts nothing any more. Source: proc_pid_stat(5), fields 14 and 15. `root` stands for `/`.
 */
export function readCpuMs(pids: readonly number[], root = ''): number | undefined {
  if (root === '' && process.platform !== 'linux') return undefined;
  let ticks = 0;
  for (const pid of pids) {
    const text = unlessHidden(() => readShortFile(`${root}/proc/${pid}/stat`));
    if (text === undefined) continue;
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? NaN) + Number(fields[12] ?? NaN);
  }
  return Number.isFinite(ticks) ? ticks * TICK_MS : undefined;
}
