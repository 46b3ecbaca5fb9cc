/** Is an end named by its evidence: our own records, then exit code and signal, then the kernel's counter, and never by a word in a log? */
import { describe, expect, it } from 'vitest';
import { judgeOutcome, type EndFacts } from '../../lib/policy/outcome.ts';

const ended = (facts: Partial<EndFacts>) =>
  judgeOutcome({
    exitCode: undefined,
    signal: undefined,
    stoppedByUs: undefined,
    stopRequest: undefined,
    ceilingKills: undefined,
    kernelKillsRose: undefined,
    ...facts,
  });

const atLimit = { outcome: 'killed-limit', reason: 'LIMIT: Memory exceeded 1MB at 2MB' } as const;

describe('judgeOutcome', () => {
  it.each<[string, Partial<EndFacts>, string, string]>([
    ['exit 0', { exitCode: 0 }, 'done', 'exit 0'],
    ['exit 1', { exitCode: 1 }, 'failed', 'exit 1'],
    ['exit 134, which says nothing of whose heap', { exitCode: 134 }, 'failed', 'exit 134'],
    ['a signal', { signal: 'SIGSEGV' }, 'failed', 'ended by SIGSEGV'],
    ['TERM that nobody of ours sent', { signal: 'SIGTERM' }, 'failed', 'ended by SIGTERM'],
    ['neither code nor signal', {}, 'failed', 'exit unknown'],
    ['KILL at its own ceiling', { signal: 'SIGKILL', ceilingKills: 1 }, 'killed-kernel', 'killed by the kernel at the ceiling of its own group'],
    ['KILL with a ceiling that killed nobody', { signal: 'SIGKILL', ceilingKills: 0 }, 'failed', 'killed by SIGKILL, cause unknown'],
    ['KILL while the kernel killed', { signal: 'SIGKILL', kernelKillsRose: true }, 'killed-kernel', "killed while the kernel's count of out-of-memory kills rose (probable)"],
    ['a shell whose child got KILL while the kernel killed', { exitCode: 137, kernelKillsRose: true }, 'killed-kernel', "killed while the kernel's count of out-of-memory kills rose (probable)"],
    ['KILL while the kernel killed nobody', { signal: 'SIGKILL', kernelKillsRose: false }, 'failed', 'killed by SIGKILL, cause unknown'],
    ['KILL where the kernel tells nothing', { signal: 'SIGKILL' }, 'failed', 'killed by SIGKILL, cause unknown'],
    ['exit 137 where the kernel tells nothing', { exitCode: 137 }, 'failed', 'killed by SIGKILL, cause unknown'],
    ['another end while the kernel killed somebody', { exitCode: 1, kernelKillsRose: true }, 'failed', 'exit 1'],
    ['exit 0 while the kernel killed somebody', { exitCode: 0, kernelKillsRose: true }, 'done', 'exit 0'],
    ['we stopped it, and KILL did it', { signal: 'SIGKILL', stoppedByUs: atLimit, kernelKillsRose: true }, 'killed-limit', atLimit.reason],
    ['we stopped it, and it ended well at TERM', { exitCode: 0, stoppedByUs: atLimit }, 'killed-limit', atLimit.reason],
    ['we stopped it before a person did', { signal: 'SIGTERM', stoppedByUs: atLimit, stopRequest: 'by hand' }, 'killed-limit', atLimit.reason],
    ['a person stopped it', { signal: 'SIGTERM', stopRequest: 'by hand' }, 'killed-user', 'by hand'],
    ['a person stopped it, and KILL did it', { signal: 'SIGKILL', stopRequest: 'by hand', kernelKillsRose: true }, 'killed-user', 'by hand'],
    ['a person stopped it, and it ended well at TERM', { exitCode: 0, stopRequest: 'by hand' }, 'killed-user', 'by hand'],
    ['a person asked, and it failed', { exitCode: 143, stopRequest: 'by hand' }, 'killed-user', 'by hand'],
  ])('%s', (_what, facts, outcome, reason) => {
    expect(ended(facts)).toEqual({ outcome, reason });
  }); // prettier-ignore
});
