/** How often did the kernel kill for want of memory since boot? */
import { readShortFile, unlessHidden } from './proc.ts';

/** `oom_kill` of /proc/vmstat: machine-wide, so a neighbour's kill counts too; undefined where it cannot be read. */
export function readKernelOomKills(root = ''): number | undefined {
  const text = unlessHidden(() => readShortFile(`${root}/proc/vmstat`));
  const match = text === undefined ? undefined : /^oom_kill (\d+)$/m.exec(text);
  return match ? Number(match[1]) : undefined;
}
