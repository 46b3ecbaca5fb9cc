/** How do we tell the kernel something? Writes to files that it already shows (cgroups, /proc) and makes groups; never a file on disk. */
import { closeSync, constants, mkdirSync, openSync, rmdirSync, writeSync } from 'node:fs';
import { errorCode } from './failure.ts';

/** The system's code where the deed is refused, undefined where it is done: what is refused here is found out by trying. */
function refusal(deed: () => void): string | undefined {
  try {
    deed();
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return code;
  }
}

/** Writes to a file of the kernel's in one call, as it wants it; undefined: done, else the error's code. Creates nothing. */
export function tellKernel(path: string, text: string): string | undefined {
  return refusal(() => {
    const fd = openSync(path, constants.O_WRONLY);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
  });
}

/** Makes one cgroup, whose parent must be there; undefined: done, else the error's code. */
export function makeGroup(folder: string): string | undefined {
  return refusal(() => mkdirSync(folder));
}

/** Removes one cgroup; undefined: done or it was gone, else the error's code (EBUSY: it has members or groups below it). */
export function removeGroup(folder: string): string | undefined {
  const code = refusal(() => rmdirSync(folder));
  return code === 'ENOENT' ? undefined : code;
}
