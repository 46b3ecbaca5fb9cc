/** Which words does a runtime leave at the end of stderr when it dies for want of memory, and with which exit code? */
import type { Cause } from '../model.ts';

/** One way in which a runtime says that memory ran out. */
export interface DeathText {
  readonly runtime: string;
  readonly cause: Extract<Cause, 'heap-limit' | 'allocation' | 'spawn-memory'>;
  /** Exit codes that go with it; 128 + n also stands for the signal n. */
  readonly codes: readonly number[];
  /** Tested line by line: the death's own line, never a word inside a sentence. */
  readonly line: RegExp;
  /** Lines that must be the last of stderr: stack frames, or the end that the runtime writes. */
  readonly ending: RegExp;
  /** A runtime that ends itself by a signal leaves no doubt; one that exits with 1 could be quoted by another program. */
  readonly isCertain: boolean;
}

const ILL = 132;
const TRAP = 133;
const ABORT = 134;
const SEGV = 139;

const ANY = /^/;
/** Node 17 and later end every uncaught error with their version. */
const NODE_END = /^Node\.js v\d+\.\d+\.\d+/;
const JAVA_FRAME = /^(?:\s+at |\s+\.\.\. \d+ more|Caused by: |Exception in thread )/;

/**
 * Observed on Node 18 to 26, CPython 3, OpenJDK, rustc 1.9x and g++ unless another source is named. Node's words hold for what
 * is built on V8 (Deno, Electron). What is not here is not memory: `Invalid string length`, `Maximum call stack size
 * exceeded`, `Invalid array length` and ERR_STRING_TOO_LONG are limits of the language, which more memory does not move.
 */
export const DEATH_TEXTS: readonly DeathText[] = [
  {
    runtime: 'V8',
    cause: 'heap-limit',
    codes: [ABORT],
    line: /^(?:\[\d+:0x[0-9a-f]+\] )?FATAL ERROR: .*JavaScript heap out of memory/,
    ending: ANY,
    isCertain: true,
  },
  {
    runtime: 'V8',
    cause: 'heap-limit',
    codes: [TRAP, ABORT, ILL],
    line: /^# Fatal java ?script (?:OOM in|out of memory:) /i,
    ending: ANY,
    isCertain: true,
  },
  {
    runtime: 'V8',
    cause: 'allocation',
    codes: [TRAP, ABORT, ILL],
    line: /^# Fatal process out of memory: /,
    ending: ANY,
    isCertain: true,
  },
  {
    runtime: 'C++',
    cause: 'allocation',
    codes: [ABORT, SEGV],
    line: /^terminate called after throwing an instance of '(?:std::bad_(?:array_new_length|alloc)|St(?:9bad_alloc|20bad_array_new_length))'/,
    ending: ANY,
    isCertain: true,
  },
  {
    runtime: 'Node worker',
    cause: 'heap-limit',
    codes: [1],
    line: /^Error \[ERR_WORKER_OUT_OF_MEMORY\]: /,
    ending: NODE_END,
    isCertain: false,
  },
  {
    runtime: 'Node',
    cause: 'allocation',
    codes: [1, 7],
    line: /^RangeError(?: \[ERR_MEMORY_ALLOCATION_FAILED\])?: (?:Array buffer allocation failed|Failed to allocate memory)$/,
    ending: NODE_END,
    isCertain: false,
  },
  {
    runtime: 'Node',
    cause: 'spawn-memory',
    codes: [1, 7],
    line: /^Error: spawn(?:Sync)?(?: \S+)? ENOMEM$/,
    ending: NODE_END,
    isCertain: false,
  },
  {
    // src/crash_handler of oven-sh/bun; its tests end with SIGABRT, releases before 1.2 with SIGILL or SIGTRAP ("has ran").
    runtime: 'Bun',
    cause: 'allocation',
    codes: [ILL, TRAP, ABORT],
    line: /^(?:oh no: |panic: )?Bun (?:has run|has ran|ran) out of memory\b/,
    ending: ANY,
    isCertain: true,
  },
  {
    // JavaScriptCore's createOutOfMemoryError; oven-sh/bun issue 10176. It says the same of a string beyond 2^31.
    runtime: 'JavaScriptCore',
    cause: 'allocation',
    codes: [1],
    line: /^(?:RangeError|error): Out of memory$/,
    ending: /^(?:RangeError|error): Out of memory$|^\s+at |^Bun v\d/,
    isCertain: false,
  },
  {
    runtime: 'Python',
    cause: 'allocation',
    codes: [1],
    line: /^(?:[A-Za-z_]\w*\.)*_?(?:Array)?MemoryError(?::|$)/,
    ending: /^(?:[A-Za-z_]\w*\.)*_?(?:Array)?MemoryError(?::|$)/,
    isCertain: false,
  },
  {
    runtime: 'JVM',
    cause: 'heap-limit',
    codes: [1, 3],
    line: /^(?:Exception in thread .*|Caused by: |Terminating due to )java\.lang\.OutOfMemoryError\b/,
    ending: new RegExp(`${JAVA_FRAME.source}|^Terminating due to `),
    isCertain: false,
  },
  {
    // hotspot/share/utilities/debug.cpp, -XX:+CrashOnOutOfMemoryError.
    runtime: 'JVM',
    cause: 'heap-limit',
    codes: [ABORT],
    line: /^Aborting due to java\.lang\.OutOfMemoryError\b/,
    ending: ANY,
    isCertain: true,
  },
  {
    // hotspot/share/utilities/vmError.cpp.
    runtime: 'JVM',
    cause: 'allocation',
    codes: [1, ABORT],
    line: /^# There is insufficient memory for the Java Runtime Environment to continue\.$/,
    ending: /^(?:#|\[?error |\/)/,
    isCertain: false,
  },
  {
    // runtime/malloc.go and mem_linux.go of golang/go: throw() ends with exit code 2 after the goroutines' stacks.
    runtime: 'Go',
    cause: 'allocation',
    codes: [2, ABORT],
    line: /^fatal error: (?:runtime: (?:cannot allocate memory|out of memory.*)|out of memory.*)$|^runtime: out of memory: cannot allocate \d+-byte block /,
    ending: ANY,
    isCertain: true,
  },
  {
    runtime: 'Rust',
    cause: 'allocation',
    codes: [ABORT],
    line: /^memory allocation of \d+ bytes failed$/,
    ending: ANY,
    isCertain: true,
  },
  {
    // gc.c of ruby/ruby.
    runtime: 'Ruby',
    cause: 'allocation',
    codes: [1],
    line: /^\[FATAL\] failed to allocate memory$|: failed to allocate memory \(NoMemoryError\)$/,
    ending: /^\[FATAL\] |NoMemoryError|^\s+from /,
    isCertain: false,
  },
  {
    // Zend/zend_alloc.c of php/php-src.
    runtime: 'PHP',
    cause: 'heap-limit',
    codes: [255],
    line: /^(?:PHP )?Fatal error: {1,2}(?:Allowed memory size of \d+ bytes exhausted|Out of memory \(allocated )/,
    ending: /^(?:PHP )?Fatal error: |^Stack trace:|^#\d+ |^PHP {3}\d+\. /,
    isCertain: false,
  },
];

/** How many characters at the end of stderr are looked at: V8's last words with their native stack are 2.4 KB at most. */
export const TAIL_CHARS = 16 * 1024;

/** The death that these last words of stderr tell, with a fitting exit code; undefined where they tell none. */
export function findDeathText(tail: string, code: number): { text: DeathText; line: string } | undefined {
  const lines = tail.slice(-TAIL_CHARS).split(/\r?\n/);
  const last = lines.findLast((line) => line.trim() !== '' && !isShellEpilogue(line)) ?? '';
  for (const text of DEATH_TEXTS) {
    if (!text.codes.includes(code) || !text.ending.test(last)) continue;
    const line = lines.findLast((candidate) => text.line.test(candidate));
    if (line !== undefined) return { text, line: line.trim().slice(0, 160) };
  }
  return undefined;
}

/** `Aborted (core dumped)`, `sh: line 1: 123 Killed …`: a shell's words about its child, which any signal makes it say. */
function isShellEpilogue(line: string): boolean {
  return /^(?:\S+: )?(?:line \d+: +)?(?:\d+ +)?(?:Aborted|Killed|Segmentation fault|Trace\/breakpoint trap)\b/.test(
    line,
  );
}
