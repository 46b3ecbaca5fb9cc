/** Does a scan that reads little still see who is there, who is new, and who has somebody else's pid now? */
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ProcessScan } from '../../lib/probe/process-scan.ts';
import { statLine, useFileTrees, writeFiles } from './file-tree.ts';

const makeTree = useFileTrees();

const stat = (pid: number, facts: { parent?: number; start?: number; comm?: string } = {}) => ({
  [`proc/${pid}/stat`]: statLine({ pid, ...facts }),
});
const loadavg = (lastPid: number) => ({ 'proc/loadavg': `0.10 0.20 0.30 1/99 ${lastPid}\n` });

/** Start times by pid. */
function starts(scan: ProcessScan, options?: { whole: boolean }): Record<number, number> {
  return Object.fromEntries([...scan.read(options).values()].map(({ pid, startTicks }) => [pid, startTicks]));
}

it.each([
  ['was given out since', 40, 45, 42, 7],
  ['was the last to be given out', 40, 42, 42, 7],
  ['was given out after the numbers began again', 90, 45, 42, 7],
  ['lies before all that were given out', 43, 45, 42, 100],
  ['lies behind all that were given out', 20, 30, 42, 100],
])('a known pid that %s is read again, else not', (_what, before, after, pid, start) => {
  const root = makeTree({ ...loadavg(before), ...stat(1), ...stat(pid) });
  const scan = new ProcessScan(root);
  expect(starts(scan)).toEqual({ 1: 100, [pid]: 100 });
  writeFiles(root, { ...loadavg(after), ...stat(pid, { start: 7 }) });
  expect(starts(scan)[pid]).toBe(start);
  expect(starts(scan, { whole: true })[pid]).toBe(7);
});

it('who was not there before is read, whatever the kernel says was given out', () => {
  const root = makeTree({ ...loadavg(40), ...stat(1) });
  const scan = new ProcessScan(root);
  scan.read();
  writeFiles(root, stat(30, { start: 7 }));
  expect(starts(scan)).toEqual({ 1: 100, 30: 7 });
  rmSync(`${root}/proc/30`, { recursive: true });
  expect(starts(scan)).toEqual({ 1: 100 });
});

it('an orphan is read again, since it has another parent now', () => {
  const root = makeTree({
    ...loadavg(40),
    ...stat(1, { parent: 0 }),
    ...stat(10),
    ...stat(11, { parent: 10 }),
  });
  const scan = new ProcessScan(root);
  scan.read();
  rmSync(`${root}/proc/10`, { recursive: true });
  writeFiles(root, stat(11, { parent: 1 }));
  expect(scan.read().get(11)?.parentPid).toBe(1);
});

it('where the kernel does not say which pid was the last, all are read each time', () => {
  const root = makeTree({ ...stat(1), ...stat(10) });
  const scan = new ProcessScan(root);
  scan.read();
  writeFiles(root, stat(10, { start: 7 }));
  expect(starts(scan)[10]).toBe(7);
}); // prettier-ignore
