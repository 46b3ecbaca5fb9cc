/** Why did this attempt end? From evidence alone, our own record first; a word in a text is none without a fitting end. */
import type { Cause, MemorySnapshot } from '../model.ts';
import { findDeathText } from './death-texts.ts';

/** Which counter and which limit of attempts a cause belongs to. */
export type Family = 'memory' | 'crash' | 'timeout';

/** A counter of kernel kills before the start and after the end. */
export interface Counted {
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** What is known of an end; everything may be missing. */
export interface EndEvidence {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  /** What we did to it ourselves, and why. */
  readonly ourAbort?:
    | { readonly kind: 'limit' | 'machine' | 'user' | 'interrupt' | 'timeout'; readonly reason: string }
    | undefined;
  /** The oom_kill counter of its cgroup. `isOwn`: nobody else lives in it; `holdsLimit`: its maximum is the hard limit. */
  readonly cgroup?:
    (Counted & { readonly name: string; readonly isOwn: boolean; readonly holdsLimit: boolean }) | undefined;
  /** oom_kill of /proc/vmstat: machine-wide. */
  readonly kernelKills?: Counted | undefined;
  /** The machine was short of memory at the last look before the end (`wasShort`). */
  readonly machineWasShort?: boolean | undefined;
  /** The end of stderr, about 16 KB. */
  readonly stderrTail?: string | undefined;
  /** The `header` of a report that Node wrote (--report-on-fatalerror). */
  readonly report?: { readonly trigger: string; readonly event: string } | undefined;
  /** The system's error code where it could not be started (`ENOMEM`). */
  readonly startError?: string | undefined;
  readonly durationMs?: number | undefined;
}

/** A cause with what it rests on. */
export interface Finding {
  readonly cause: Cause;
  /** One sentence each, the decisive one first. */
  readonly evidence: readonly string[];
  readonly confidence: 'certain' | 'probable' | 'unknown';
}

const FAMILIES: Readonly<Record<Cause, Family | undefined>> = {
  success: undefined,
  failed: undefined,
  crash: 'crash',
  'killed-unknown': 'crash',
  terminated: undefined,
  timeout: 'timeout',
  'our-limit': 'memory',
  'our-machine': 'memory',
  user: undefined,
  interrupt: undefined,
  'kernel-oom': 'memory',
  'heap-limit': 'memory',
  allocation: 'memory',
  'spawn-memory': 'memory',
  'bad-node-options': undefined,
};

/** The family whose rules and counter apply; undefined: it is never tried again. */
export function familyOf(cause: Cause): Family | undefined {
  return FAMILIES[cause];
}

/** Linux numbers of the signals that matter here; a shell tells signal n as 128 + n. */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11,
  SIGPIPE: 13, SIGTERM: 15, SIGXCPU: 24, SIGXFSZ: 25, SIGSYS: 31,
}; // prettier-ignore
const ASKED = new Set(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM']);
/** What `timeout` of coreutils exits with. */
const TIMED_OUT = 124;
/** Node refuses NODE_OPTIONS before it runs anything. */
const AT_ONCE_MS = 10_000;

/** Less than the floor available, or a twentieth of the last ten seconds in which nothing at all could run for want of memory. */
export function wasShort(memory: MemorySnapshot, floorBytes: number): boolean {
  return memory.availableBytes < floorBytes || (memory.pressure?.full10Share ?? 0) >= 0.05;
}

/** The header of Node's report file; undefined for any other text. */
export function parseReport(text: string): { trigger: string; event: string } | undefined {
  try {
    const { header } = JSON.parse(text) as { header?: { trigger?: unknown; event?: unknown } };
    const { trigger, event } = header ?? {};
    return typeof trigger === 'string' && typeof event === 'string' ? { trigger, event } : undefined;
  } catch {
    // Cut off by a kill, or no JSON at all: no evidence.
    return undefined;
  }
}

/** Judges an end; total: what nothing explains is `failed`, `crash` or `killed-unknown`, never memory. */
export function classifyEnd(end: EndEvidence): Finding {
  return byOurRecord(end) ?? byStart(end) ?? bySuccess(end) ?? byRuntime(end) ?? byKernel(end) ?? byExit(end);
}

function byOurRecord({ ourAbort }: EndEvidence): Finding | undefined {
  if (ourAbort === undefined) return undefined;
  const causes = {
    limit: 'our-limit', machine: 'our-machine', user: 'user', interrupt: 'interrupt', timeout: 'timeout',
  } as const; // prettier-ignore
  return certain(causes[ourAbort.kind], `our own record: ${ourAbort.reason}`);
}

function byStart({ startError }: EndEvidence): Finding | undefined {
  if (startError === undefined) return undefined;
  const cause = startError === 'ENOMEM' ? 'spawn-memory' : 'failed';
  return certain(cause, `it could not be started: ${startError}`);
}

function bySuccess({ exitCode, signal }: EndEvidence): Finding | undefined {
  return exitCode === 0 && signal === undefined ? certain('success', 'exit code 0') : undefined;
}

/** What the runtime itself says: Node's report, the last words on stderr, a refused NODE_OPTIONS. */
function byRuntime(end: EndEvidence): Finding | undefined {
  const code = codeOf(end);
  const tail = end.stderrTail ?? '';
  if (end.report?.trigger === 'OOMError') {
    const said = `Node's report: ${end.report.trigger}, ${end.report.event}`;
    const fits = code === 134 || code === 133;
    return {
      cause: 'heap-limit',
      evidence: [said, shownEnd(end)],
      confidence: fits ? 'certain' : 'probable',
    };
  }
  if (code === 9 && end.signal === undefined && (end.durationMs ?? 0) < AT_ONCE_MS) {
    const refusal = /^.*\bNODE_OPTIONS\b.*$/m.exec(tail.slice(-2000));
    if (refusal) return certain('bad-node-options', refusal[0].slice(0, 160), shownEnd(end));
  }
  const found = code === undefined ? undefined : findDeathText(tail, code);
  if (found === undefined) return undefined;
  const { cause, isCertain, runtime } = found.text;
  const evidence = [`${runtime} at the end of stderr: ${found.line}`, shownEnd(end)];
  return { cause, evidence, confidence: isCertain ? 'certain' : 'probable' };
}

/** SIGKILL and the kernel's counters; without a counter that rose it was somebody's kill. */
function byKernel(end: EndEvidence): Finding | undefined {
  const { cgroup, kernelKills, machineWasShort } = end;
  const groupRose = cgroup !== undefined && rose(cgroup);
  const cause: Cause = cgroup?.holdsLimit === true ? 'our-limit' : 'kernel-oom';
  const counted = `oom_kill of cgroup ${cgroup?.name ?? ''} rose`;
  if (codeOf(end) !== 137) {
    // A shell or a tool between us and the victim can turn 137 into any code; only its own group proves it.
    if (!groupRose || !cgroup.isOwn) return undefined;
    return { cause, evidence: [counted, shownEnd(end)], confidence: 'probable' };
  }
  if (groupRose) {
    return { cause, evidence: [counted, shownEnd(end)], confidence: cgroup.isOwn ? 'certain' : 'probable' };
  }
  if (cgroup?.isOwn === true && cgroup.before !== undefined && cgroup.after !== undefined) return undefined;
  if (kernelKills !== undefined && rose(kernelKills)) {
    const evidence = ["the machine's oom_kill (/proc/vmstat) rose meanwhile", shownEnd(end)];
    return { cause: 'kernel-oom', evidence, confidence: 'probable' };
  }
  if (machineWasShort === true) {
    const evidence = ['the machine was short of memory right before', shownEnd(end)];
    return { cause: 'kernel-oom', evidence, confidence: 'probable' };
  }
  return undefined;
}

function byExit(end: EndEvidence): Finding {
  const signal = signalOf(end);
  const shown = shownEnd(end);
  if (signal === 'SIGKILL') {
    const evidence = [shown, 'no record of ours, no counter of the kernel and no shortage explains it'];
    return { cause: 'killed-unknown', evidence, confidence: 'unknown' };
  }
  if (signal === undefined && end.exitCode === TIMED_OUT)
    return { cause: 'timeout', evidence: [`${shown}, as \`timeout\` ends`], confidence: 'probable' };
  if (signal === undefined && end.exitCode === undefined)
    return { cause: 'crash', evidence: [shown], confidence: 'unknown' };
  if (signal === undefined) return certain('failed', shown);
  const confidence = end.signal === undefined ? 'probable' : 'certain';
  return { cause: ASKED.has(signal) ? 'terminated' : 'crash', evidence: [shown], confidence };
}

function certain(cause: Cause, ...evidence: string[]): Finding {
  return { cause, evidence, confidence: 'certain' };
}

function rose({ before, after }: Counted): boolean {
  return before !== undefined && after !== undefined && after > before;
}

/** The exit code as a shell tells it: 128 + n for a signal. */
function codeOf({ exitCode, signal }: EndEvidence): number | undefined {
  if (signal === undefined) return exitCode;
  const number = Object.hasOwn(SIGNALS, signal) ? SIGNALS[signal] : undefined;
  return number === undefined ? exitCode : 128 + number;
}

/** The signal, also where a shell in between told it as 128 + n. */
function signalOf({ exitCode, signal }: EndEvidence): string | undefined {
  if (signal !== undefined) return signal;
  return Object.entries(SIGNALS).find(([, number]) => 128 + number === exitCode)?.[0];
}

function shownEnd(end: EndEvidence): string {
  if (end.signal !== undefined) return `ended by ${end.signal}`;
  if (end.exitCode === undefined) return 'neither an exit code nor a signal is known';
  const signal = signalOf(end);
  return `exit code ${end.exitCode}${signal === undefined ? '' : ` (128 + ${signal})`}`;
}
