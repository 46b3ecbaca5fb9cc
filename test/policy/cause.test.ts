/** Is an end judged by what it rests on, and never by a word in a text? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cause } from '../../lib/model.ts';
import { classifyEnd, familyOf, parseReport, wasShort, type EndEvidence } from '../../lib/policy/cause.ts';
import { GIB, MIB } from '../../lib/units.ts';
import { someMemory } from '../support/nouns.ts';

const V8_DEATH = [
  '<--- Last few GCs --->',
  '',
  '[26953:0x20861000]  243 ms: Mark-Compact 117.1 (182.2) -> 114.9 (180.1) MB, 20 / 0 ms',
  '',
  'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
  '----- Native stack trace -----',
  '',
  ' 1: 0xcaf6e1 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]',
  '',
].join('\n');
const nodeError = (line: string): string =>
  `node:events:502\n      throw er;\n      ^\n\n${line}\n    at a (b.js:1:1)\n\nNode.js v24.1.0\n`;
const python = (line: string): string =>
  `Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n${line}\n`;
const group = (after: number, more: object = {}) => ({
  name: '/a',
  before: 3,
  after,
  isOwn: true,
  holdsLimit: false,
  ...more,
});

describe('a cause', () => {
  it.each<[string, EndEvidence, Cause, string]>([
    ['exit code 0', { exitCode: 0 }, 'success', 'certain'],
    ['our stop at its limit, by TERM', { signal: 'SIGTERM', ourAbort: { kind: 'limit', reason: 'r' } }, 'our-limit', 'certain'],
    ['our stop, after which it ended with 0', { exitCode: 0, ourAbort: { kind: 'limit', reason: 'r' } }, 'our-limit', 'certain'],
    ['our stop for the machine', { signal: 'SIGKILL', ourAbort: { kind: 'machine', reason: 'r' } }, 'our-machine', 'certain'],
    ['our stop, wished by somebody', { signal: 'SIGKILL', ourAbort: { kind: 'user', reason: 'r' } }, 'user', 'certain'],
    ['our stop with a V8 death on the way', { exitCode: 134, stderrTail: V8_DEATH, ourAbort: { kind: 'interrupt', reason: 'r' } }, 'interrupt', 'certain'],
    ['our own time limit', { signal: 'SIGTERM', ourAbort: { kind: 'timeout', reason: 'r' } }, 'timeout', 'certain'],
    ['no memory for a process', { startError: 'ENOMEM' }, 'spawn-memory', 'certain'],
    ['too many processes', { startError: 'EAGAIN' }, 'failed', 'certain'],
    ['a V8 death', { signal: 'SIGABRT', stderrTail: V8_DEATH }, 'heap-limit', 'certain'],
    ['a V8 death behind npx', { exitCode: 134, stderrTail: V8_DEATH }, 'heap-limit', 'certain'],
    ['a V8 death behind a shell', { exitCode: 134, stderrTail: `${V8_DEATH}Aborted (core dumped)\n` }, 'heap-limit', 'certain'],
    ['a V8 death of 20 by a trap', { signal: 'SIGTRAP', stderrTail: '#\n# Fatal javascript OOM in Reached heap limit\n#\n' }, 'heap-limit', 'certain'],
    ['a V8 death of 24 by a trap', { exitCode: 133, stderrTail: '#\n# Fatal JavaScript out of memory: Reached heap limit\n#\n' }, 'heap-limit', 'certain'],
    ['V8 without memory for a zone', { signal: 'SIGTRAP', stderrTail: '#\n# Fatal process out of memory: Zone\n#\n' }, 'allocation', 'certain'],
    ["Node's report", { exitCode: 134, report: { trigger: 'OOMError', event: 'e' } }, 'heap-limit', 'certain'],
    ["Node's report behind a tool that exits with 1", { exitCode: 1, report: { trigger: 'OOMError', event: 'e' } }, 'heap-limit', 'probable'],
    ["Node's report of something else", { exitCode: 134, report: { trigger: 'FatalError', event: 'e' } }, 'crash', 'probable'],
    ['bad_alloc', { signal: 'SIGABRT', stderrTail: "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n" }, 'allocation', 'certain'],
    ['bad_alloc as Node 22 has it', { exitCode: 134, stderrTail: "terminate called after throwing an instance of 'St9bad_alloc'\n" }, 'allocation', 'certain'],
    ['a worker', { exitCode: 1, stderrTail: nodeError('Error [ERR_WORKER_OUT_OF_MEMORY]: Worker terminated due to reaching memory limit: JS heap out of memory') }, 'heap-limit', 'probable'],
    ['a buffer', { exitCode: 1, stderrTail: nodeError('RangeError: Array buffer allocation failed') }, 'allocation', 'probable'],
    ['a buffer on 24', { exitCode: 1, stderrTail: nodeError('RangeError [ERR_MEMORY_ALLOCATION_FAILED]: Failed to allocate memory') }, 'allocation', 'probable'],
    ["an agent's own spawn", { exitCode: 1, stderrTail: nodeError('Error: spawn node ENOMEM') }, 'spawn-memory', 'probable'],
    ['Bun', { signal: 'SIGABRT', stderrTail: "oh no: Bun has run out of memory.\n\nTo send a redacted crash report to Bun's team,\n" }, 'allocation', 'certain'],
    ['Bun of 1.1', { exitCode: 132, stderrTail: 'oh no: Bun has ran out of memory.\n' }, 'allocation', 'certain'],
    ['JavaScriptCore', { exitCode: 1, stderrTail: 'RangeError: Out of memory\n      at /a.js:1:1\n\nBun v1.2.0 (Linux x64)\n' }, 'allocation', 'probable'],
    ['Python', { exitCode: 1, stderrTail: python('MemoryError') }, 'allocation', 'probable'],
    ['numpy', { exitCode: 1, stderrTail: python('numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB') }, 'allocation', 'probable'],
    ['Java', { exitCode: 1, stderrTail: 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat J.main(J.java:1)\n' }, 'heap-limit', 'probable'],
    ['Go', { exitCode: 2, stderrTail: `runtime: out of memory: cannot allocate 4194304-byte block (251428864 in use)\nfatal error: out of memory\n\ngoroutine 1 [running]:\nmain.main()\n` }, 'allocation', 'certain'],
    ['Rust', { exitCode: 134, stderrTail: 'memory allocation of 70368744177664 bytes failed\nstack backtrace:\n   0: std::alloc::rust_oom\n' }, 'allocation', 'certain'],
    ['PHP', { exitCode: 255, stderrTail: 'PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes) in a.php on line 3\n' }, 'heap-limit', 'probable'],
    ['Ruby', { exitCode: 1, stderrTail: '[FATAL] failed to allocate memory\n' }, 'allocation', 'probable'],
    ['a kill in its own cgroup', { signal: 'SIGKILL', cgroup: group(4) }, 'kernel-oom', 'certain'],
    ['a kill by a cgroup that holds its hard limit', { exitCode: 137, cgroup: group(4, { holdsLimit: true }) }, 'our-limit', 'certain'],
    ['a kill in a cgroup that it shares', { signal: 'SIGKILL', cgroup: group(4, { isOwn: false }) }, 'kernel-oom', 'probable'],
    ['a kill in its own cgroup behind a tool that exits with 1', { exitCode: 1, cgroup: group(4) }, 'kernel-oom', 'probable'],
    ['a kill in a shared cgroup beside a failure of its own', { exitCode: 1, cgroup: group(4, { isOwn: false }) }, 'failed', 'certain'],
    ["a kill while only the machine's count rose", { signal: 'SIGKILL', kernelKills: { before: 0, after: 1 } }, 'kernel-oom', 'probable'],
    ["a kill while a neighbour's count rose and its own did not", { signal: 'SIGKILL', cgroup: group(3), kernelKills: { before: 0, after: 1 } }, 'killed-unknown', 'unknown'],
    ['a kill on a short machine', { exitCode: 137, machineWasShort: true }, 'kernel-oom', 'probable'],
    ['a failure on a short machine', { exitCode: 1, machineWasShort: true }, 'failed', 'certain'],
    ['an unexplained 137', { exitCode: 137, kernelKills: { before: 2, after: 2 } }, 'killed-unknown', 'unknown'],
    ['an unexplained SIGKILL', { signal: 'SIGKILL' }, 'killed-unknown', 'unknown'],
    ["a shell's word about a kill", { exitCode: 137, stderrTail: 'sh: line 1: 123 Killed  node a.js\n' }, 'killed-unknown', 'unknown'],
    ['a refused NODE_OPTIONS', { exitCode: 9, durationMs: 30, stderrTail: 'node: --optimize-for-size is not allowed in NODE_OPTIONS\n' }, 'bad-node-options', 'certain'],
    ['exit 9 after an hour', { exitCode: 9, durationMs: 3_600_000, stderrTail: 'wrote NODE_OPTIONS\n' }, 'failed', 'certain'],
    ['exit 9 and other words', { exitCode: 9, durationMs: 30, stderrTail: 'bad\n' }, 'failed', 'certain'],
    ['TERM from outside', { signal: 'SIGTERM' }, 'terminated', 'certain'],
    ['TERM from outside, behind a shell', { exitCode: 143 }, 'terminated', 'probable'],
    ['a segmentation fault', { signal: 'SIGSEGV' }, 'crash', 'certain'],
    ['an abort without a word', { exitCode: 134 }, 'crash', 'probable'],
    ['coreutils timeout', { exitCode: 124 }, 'timeout', 'probable'],
    ['nothing at all', {}, 'crash', 'unknown'],
  ])('%s', (_what, evidence, cause, confidence) => {
    const finding = classifyEnd(evidence);
    expect([finding.cause, finding.confidence]).toEqual([cause, confidence]);
    expect(finding.evidence.length).toBeGreaterThan(0);
  }); // prettier-ignore
});

describe('what is not memory', () => {
  it.each<[string, number, string]>([
    ['heapsort (the ancestors retried it)', 1, 'updated heapsort docs: heap, memory, out of memory\n'],
    ['a quoted V8 death and a failure of its own', 1, V8_DEATH],
    ['a quoted V8 death inside a line', 134, `log: "${V8_DEATH.split('\n')[4] ?? ''}" was seen\n`],
    ['a V8 death long before the end', 134, V8_DEATH + 'x'.repeat(79).concat('\n').repeat(300)],
    ['a string that is too long', 1, nodeError('RangeError: Invalid string length')],
    ['recursion', 1, nodeError('RangeError: Maximum call stack size exceeded')],
    ['an array that is too long', 1, nodeError('RangeError: Invalid array length')],
    ['a quoted MemoryError', 1, `${python('MemoryError')}caught it, then failed\n`],
    ['a quoted buffer', 1, `${nodeError('RangeError: Array buffer allocation failed')}and then\nmore\n`],
    ['a MemoryError that was caught', 3, python('MemoryError')],
    ['words in a test report', 1, 'FAIL test/oom.test.ts > says java.lang.OutOfMemoryError\n'],
  ])('%s', (_what, exitCode, stderrTail) => {
    expect(familyOf(classifyEnd({ exitCode, stderrTail }).cause)).not.toBe('memory');
  });

  it('is any text with exit code 1 that does not end as a runtime ends', () => {
    const words = fc.constantFrom(
      'heap',
      'memory',
      'out of',
      'OOM',
      'heapsort',
      'Killed',
      'FATAL ERROR:',
      '137',
      '\n',
      'allocation failed',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (list) => {
        expect(classifyEnd({ exitCode: 1, stderrTail: `${list.join(' ')}\nfailed` }).cause).toBe('failed');
      }),
    );
  });

  it('and success is success, whatever stands in its log and whatever the kernel killed beside it', () => {
    expect(
      classifyEnd({
        exitCode: 0,
        stderrTail: V8_DEATH,
        kernelKills: { before: 0, after: 9 },
        machineWasShort: true,
      }).cause,
    ).toBe('success');
  });
});

describe('the machine was short', () => {
  const stall = { some10Share: 0, some60Share: 0, full60Share: 0, someTotalUs: 0, fullTotalUs: 0 };
  it.each([
    [GIB, undefined, false],
    [GIB - 1, undefined, true],
    [8 * GIB, 0.05, true],
    [8 * GIB, 0.049, false],
  ])(
    'with %d bytes available over a floor of 1 GB and a full stall of %s: %s',
    (availableBytes, full10Share, short) => {
      const pressure = full10Share === undefined ? undefined : { ...stall, full10Share };
      expect(wasShort({ ...someMemory(availableBytes), pressure }, GIB)).toBe(short);
    },
  );
});

describe("Node's report", () => {
  it.each([
    [
      '{"header":{"trigger":"OOMError","event":"e","cwd":"/"},"environmentVariables":{}}',
      { trigger: 'OOMError', event: 'e' },
    ],
    ['{"header":{"trigger":"OOMError"}}', undefined],
    ['{"header":{"trigger":"OOMErr', undefined],
    ['null', undefined],
    ['', undefined],
  ])('%s', (text, report) => {
    expect(parseReport(text)).toEqual(report);
  });
});

it('looks at no more than the last 16 KB, and at those quickly', () => {
  const tail = `${'a'.repeat(50 * MIB)}\n`;
  expect(classifyEnd({ exitCode: 134, stderrTail: tail }).cause).toBe('crash');
});
