/** Is a machine that ran out told from a command that failed? */
import { expect, test } from 'vitest';
import { judgeCommandEnd, type CommandEnd, type EndVerdict } from '../../lib/policy/command-end.ts';

const QUIET = { oomKillsBefore: 4, oomKillsAfter: 4, leastBytes: 1000, floorBytes: 1000 };

test.each<[string, Partial<CommandEnd> & { exitCode: number }, EndVerdict['verdict']]>([
  ['success', { exitCode: 0 }, 'borne'],
  ['success while a neighbour was killed', { exitCode: 0, oomKillsAfter: 5 }, 'borne'],
  ['an error of its own on a machine under its floor', { exitCode: 1, leastBytes: 0 }, 'borne'],
  ['V8 out of its own heap', { exitCode: 134, oomKillsAfter: 5, leastBytes: 0 }, 'borne'],
  ['SIGKILL and nothing else', { exitCode: 137 }, 'unknown'],
  ['SIGKILL while the kernel killed', { exitCode: 137, oomKillsAfter: 5 }, 'out-of-memory'],
  ['SIGKILL one byte under the floor', { exitCode: 137, leastBytes: 999 }, 'out-of-memory'],
  ['SIGKILL where the kernel does not count', { exitCode: 137, oomKillsBefore: undefined, oomKillsAfter: 9 }, 'unknown'],
  ['SIGTERM', { exitCode: 143, leastBytes: 0 }, 'unknown'],
  ['Ctrl-C', { exitCode: 130 }, 'unknown'],
  ['not found', { exitCode: 127 }, 'unknown'],
  ['not executable', { exitCode: 126 }, 'unknown'],
])('%s', (_, end, verdict) => {
  expect(judgeCommandEnd({ ...QUIET, ...end }).verdict).toBe(verdict);
}); // prettier-ignore
