/** Is an end named by its evidence: our own records, then exit code and signal, then the kernel's counter, and never by a word in a log? */
import { describe, expect, it } from 'vitest';
import { judgeOutcome, type EndFacts } from '../../lib/policy/outcome.ts';

const ended = (facts: Partial<EndFacts>) =>
  judgeOutcome({
    exitCode: undefined,
    signal: undefined,
    stoppedByUs: undefined,
    toolStopped: undefined,
    stopRequest: undefined,
    ceilingKills: undefined,
    ceilingReached: undefined,
    kernelKills: undefined,
    machineWasShort: false,
    stderrTail: undefined,
    durationMs: 1000,
    ...facts,
  });

const atLimit = { outcome: 'killed-limit', reason: 'LIMIT: Memory exceeded 1MB at 2MB' } as const;
const forMachine = { outcome: 'killed-machine', reason: 'the machine runs out' } as const;
const rose = { before: 3, after: 4 };
const ROSE =
  "killed by the kernel for want of memory (probable): the machine's oom_kill (/proc/vmstat) rose meanwhile";
const HEAP = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory';
const TOOL = 'LIMIT: Memory exceeded 1MB at 2MB';
const AFTER_TOOL = `, after a tool of it was ended at the limit: ${TOOL}`;

describe('judgeOutcome', () => {
  it.each<[string, Partial<EndFacts>, string, string, string]>([
    ['exit 0', { exitCode: 0 }, 'done', 'success', 'exit 0'],
    ['exit 1', { exitCode: 1 }, 'failed', 'failed', 'exit 1'],
    ['exit 1 with words about a heap', { exitCode: 1, stderrTail: HEAP }, 'failed', 'failed', 'exit 1'],
    ['exit 134, which says nothing of whose heap', { exitCode: 134 }, 'failed', 'crash', 'exit 134'],
    ['exit 134 with the last words of V8', { exitCode: 134, stderrTail: HEAP }, 'failed', 'heap-limit', `exit 134; V8 at the end of stderr: ${HEAP}`],
    ['a signal', { signal: 'SIGSEGV' }, 'failed', 'crash', 'ended by SIGSEGV'],
    ['TERM that nobody of ours sent', { signal: 'SIGTERM' }, 'failed', 'terminated', 'ended by SIGTERM'],
    ['neither code nor signal', {}, 'failed', 'crash', 'exit unknown'],
    ['KILL at its own ceiling', { signal: 'SIGKILL', ceilingKills: 1, ceilingReached: true }, 'killed-kernel', 'our-limit', 'killed by the kernel at the ceiling of its own group'],
    ['KILL in its own group, far from the ceiling', { signal: 'SIGKILL', ceilingKills: 1, ceilingReached: false }, 'killed-kernel', 'kernel-oom', 'killed by the kernel for want of memory (certain): oom_kill of cgroup (its own) rose'],
    ['KILL in its own group whose highest use nobody knows', { signal: 'SIGKILL', ceilingKills: 1 }, 'killed-kernel', 'our-limit', 'killed by the kernel at the ceiling of its own group'],
    ['a tool killed at its own ceiling, told as exit 1', { exitCode: 1, ceilingKills: 1, ceilingReached: true }, 'failed', 'our-limit', 'exit 1; oom_kill of cgroup (its own) rose'],
    ['a tool killed at its own ceiling, and exit 0', { exitCode: 0, ceilingKills: 1, ceilingReached: true }, 'done', 'success', 'exit 0'],
    ['KILL with a ceiling that killed nobody', { signal: 'SIGKILL', ceilingKills: 0, kernelKills: rose }, 'failed', 'killed-unknown', 'killed by SIGKILL, cause unknown'],
    ['KILL while the kernel killed', { signal: 'SIGKILL', kernelKills: rose }, 'killed-kernel', 'kernel-oom', ROSE],
    ['a shell whose child got KILL while the kernel killed', { exitCode: 137, kernelKills: rose }, 'killed-kernel', 'kernel-oom', ROSE],
    ['KILL while the kernel killed nobody', { signal: 'SIGKILL', kernelKills: { before: 3, after: 3 } }, 'failed', 'killed-unknown', 'killed by SIGKILL, cause unknown'],
    ['KILL while the machine was short', { signal: 'SIGKILL', machineWasShort: true }, 'killed-kernel', 'kernel-oom', 'killed by the kernel for want of memory (probable): the machine was short of memory right before'],
    ['KILL where the kernel tells nothing', { signal: 'SIGKILL' }, 'failed', 'killed-unknown', 'killed by SIGKILL, cause unknown'],
    ['exit 137 where the kernel tells nothing', { exitCode: 137 }, 'failed', 'killed-unknown', 'killed by SIGKILL, cause unknown'],
    ['another end while the kernel killed somebody', { exitCode: 1, kernelKills: rose }, 'failed', 'failed', 'exit 1'],
    ['exit 0 while the kernel killed somebody', { exitCode: 0, kernelKills: rose }, 'done', 'success', 'exit 0'],
    ['we ended its tool, and it passed that on', { exitCode: 137, toolStopped: TOOL }, 'failed', 'our-limit', `exit 137${AFTER_TOOL}`],
    ['we ended its tool, and it failed', { exitCode: 1, toolStopped: TOOL }, 'failed', 'our-limit', `exit 1${AFTER_TOOL}`],
    ['we ended its tool, and it did without', { exitCode: 0, toolStopped: TOOL }, 'done', 'success', 'exit 0'],
    ['we ended its tool, and its own heap was too small', { exitCode: 134, toolStopped: TOOL, stderrTail: HEAP }, 'failed', 'heap-limit', `exit 134; V8 at the end of stderr: ${HEAP}`],
    ['we stopped it, and KILL did it', { signal: 'SIGKILL', stoppedByUs: atLimit, kernelKills: rose }, 'killed-limit', 'our-limit', atLimit.reason],
    ['we stopped it, and it ended well at TERM', { exitCode: 0, stoppedByUs: atLimit }, 'killed-limit', 'our-limit', atLimit.reason],
    ["we stopped it for the machine's sake", { signal: 'SIGTERM', stoppedByUs: forMachine }, 'killed-machine', 'our-machine', forMachine.reason],
    ['we stopped it before a person did', { signal: 'SIGTERM', stoppedByUs: atLimit, stopRequest: 'by hand' }, 'killed-limit', 'user', `${atLimit.reason}; by hand`],
    ['it ran for too long', { signal: 'SIGTERM', stoppedByUs: { outcome: 'timed-out', reason: 'too long' } }, 'timed-out', 'timeout', 'too long'],
    ['its run was interrupted', { signal: 'SIGTERM', stoppedByUs: { outcome: 'stopped', reason: 'Ctrl-C' } }, 'stopped', 'interrupt', 'Ctrl-C'],
    ['a person stopped it', { signal: 'SIGTERM', stopRequest: 'by hand' }, 'killed-user', 'user', 'by hand'],
    ['a person stopped it, and KILL did it', { signal: 'SIGKILL', stopRequest: 'by hand', kernelKills: rose }, 'killed-user', 'user', 'by hand'],
    ['a person stopped it, and it ended well at TERM', { exitCode: 0, stopRequest: 'by hand' }, 'killed-user', 'user', 'by hand'],
    ['a person asked, and it failed', { exitCode: 143, stopRequest: 'by hand' }, 'killed-user', 'user', 'by hand'],
  ])('%s', (_what, facts, outcome, cause, reason) => {
    expect(ended(facts)).toEqual({ outcome, cause, reason });
  }); // prettier-ignore
});
