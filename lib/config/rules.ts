/** Which settings contradict each other, and which figures must give way to what somebody wrote? */
import { MIB } from '../units.ts';
import type { Fault } from './faults.ts';
import { unitOf } from './settings.ts';
import type { Figure, SettingKey } from './settings.ts';

/** What applies of a key, and whether somebody wrote it. */
export interface Choice extends Figure {
  readonly written: boolean;
}

export type Choices = ReadonlyMap<SettingKey, Choice>;

const AGENT_MEMORY = 'memory_management.memory_per_agent_gb';
const TOTAL = 'memory_management.total_memory_limit_gb';
const COORDINATOR = 'memory_management.coordinator_memory_gb';
const AGENT_HEAP = 'node_options.agent_heap_size';
const COORDINATOR_HEAP = 'node_options.coordinator_heap_size';

/** A process takes 1.05 to 1.3 times its V8 heap, so a heap holds within a limit of 1.25 times its size. */
const LIMIT_PER_HEAP = 1.25;
const LEAST_HEAP_MB = 64;

function choiceOf(choices: Choices, key: SettingKey): Choice {
  const choice = choices.get(key);
  if (choice === undefined) throw new Error(`no choice for ${key}`);
  return choice;
}

const isWritten = (choices: Choices, key: SettingKey): boolean => choiceOf(choices, key).written;

/** A key in MB, whichever unit it is written in. */
function megabytesOf(choices: Choices, key: SettingKey): number {
  return Number(choiceOf(choices, key).value) * (unitOf(key) === 'GB' ? 1024 : 1);
}

/** `node_options.agent_heap_size 8192 MB (FILE:3)` */
function named(choices: Choices, key: SettingKey): string {
  const { value, origin, reason, written } = choiceOf(choices, key);
  const unit = unitOf(key) ?? '';
  return `${key} ${value}${unit === '%' ? '' : ' '}${unit} (${written ? origin : (reason ?? origin)})`;
}

/**
 * The figures that nobody wrote, mended so that they do not contradict what somebody did: a heap fits into its agent's
 * written limit, and warning and critical stay at a quarter and a half of a lower maximum (the ancestors' proportions).
 */
export function yieldToWritten(choices: Choices): Choices {
  const mended = new Map(choices);
  const lower = (key: SettingKey, below: SettingKey, mb: number, why: string): void => {
    const choice = choiceOf(mended, key);
    if (choice.written) return;
    mended.set(key, { ...choice, value: mb, reason: `${why} ${below} (${choiceOf(mended, below).origin})` });
  };
  const fitHeap = (heap: SettingKey, memory: SettingKey): void => {
    const memoryMb = megabytesOf(mended, memory);
    if (!isWritten(mended, memory) || memoryMb >= megabytesOf(mended, heap)) return;
    lower(heap, memory, Math.max(LEAST_HEAP_MB, Math.floor(memoryMb / LIMIT_PER_HEAP)), '4/5 of');
  };
  const keepBelow = (key: SettingKey, top: SettingKey, part: number, why: string): void => {
    const topMb = megabytesOf(mended, top);
    if (!isWritten(mended, top) || megabytesOf(mended, key) < topMb) return;
    lower(key, top, topMb / part, why);
  };
  fitHeap(AGENT_HEAP, AGENT_MEMORY);
  fitHeap(COORDINATOR_HEAP, COORDINATOR);
  keepBelow('admission.sequential_mb', 'admission.limited_mb', 2, 'half of');
  keepBelow('subprocess.limit_mb', 'subprocess.aggregate_mb', 2, 'half of');
  keepBelow('subprocess.warn_mb', 'subprocess.limit_mb', 2, 'half of');
  keepBelow('subprocess.warn_mb', 'subprocess.aggregate_mb', 4, 'a quarter of');
  keepBelow('thresholds.critical_mb', 'thresholds.max_mb', 2, 'half of');
  keepBelow('thresholds.warning_mb', 'thresholds.max_mb', 4, 'a quarter of');
  keepBelow('thresholds.warning_mb', 'thresholds.critical_mb', 2, 'half of');
  return mended;
}

/** Faults and warnings about pairs of keys; profiles never contradict themselves, so only what is written is told. */
export function checkRules(choices: Choices): { faults: Fault[]; warnings: string[] } {
  const bothWritten = (one: SettingKey, other: SettingKey): boolean =>
    isWritten(choices, one) && isWritten(choices, other);
  const faults = [
    // An unwritten limit is lifted to 1.25 times a written heap, an unwritten heap is fitted into a written limit.
    bothWritten(AGENT_MEMORY, AGENT_HEAP) && orderFault(choices, AGENT_HEAP, AGENT_MEMORY, 'at most'),
    bothWritten(AGENT_MEMORY, TOTAL) && orderFault(choices, AGENT_MEMORY, TOTAL, 'at most'),
    orderFault(choices, 'thresholds.warning_mb', 'thresholds.critical_mb', 'below'),
    orderFault(choices, 'thresholds.critical_mb', 'thresholds.max_mb', 'below'),
    orderFault(choices, 'subprocess.warn_mb', 'subprocess.limit_mb', 'below'),
    orderFault(choices, 'subprocess.limit_mb', 'subprocess.aggregate_mb', 'at most'),
    orderFault(choices, 'admission.sequential_mb', 'admission.limited_mb', 'at most'),
    orderFault(choices, 'pressure.warning', 'pressure.critical', 'below'),
    orderFault(choices, 'circuit_breaker.recovery', 'circuit_breaker.recovery_max', 'at most'),
  ];
  const warnings = [coordinatorHeapWarning(choices), agentHeapWarning(choices), totalWarning(choices)];
  return {
    faults: faults.filter((fault) => typeof fault === 'object'),
    warnings: warnings.filter((warning) => warning !== undefined),
  };
}

const REVERSED = { below: 'above', 'at most': 'at least' } as const;

/** The fault of `low` not being below `high`, told at the larger of them if it was written; undefined: all is well. */
function orderFault(
  choices: Choices,
  low: SettingKey,
  high: SettingKey,
  relation: keyof typeof REVERSED,
): Fault | undefined {
  const [lowMb, highMb] = [megabytesOf(choices, low), megabytesOf(choices, high)];
  if (lowMb < highMb || (lowMb === highMb && relation === 'at most')) return undefined;
  if (!isWritten(choices, low) && !isWritten(choices, high)) return undefined;
  const [about, against] = isWritten(choices, high) ? [high, low] : [low, high];
  const word = about === low ? relation : REVERSED[relation];
  const unit = unitOf(about) ?? '';
  const bound = megabytesOf(choices, against) / (unit === 'GB' ? 1024 : 1);
  const { origin, value } = choiceOf(choices, about);
  return {
    where: origin,
    key: about,
    text: `${value}${unit === '%' ? '%' : ` ${unit}`} must be ${word} ${named(choices, against)}`,
    allowed: unit === '%' ? `${word} ${bound}%` : `${word} ${bound} (${unit})`,
  };
}

/** The coordinator is never stopped for its memory, so a heap beyond its share is a warning only. */
function coordinatorHeapWarning(choices: Choices): string | undefined {
  const written = isWritten(choices, COORDINATOR) && isWritten(choices, COORDINATOR_HEAP);
  if (!written || megabytesOf(choices, COORDINATOR) >= megabytesOf(choices, COORDINATOR_HEAP))
    return undefined;
  return `${named(choices, COORDINATOR_HEAP)} lets the coordinator grow beyond what is kept for it, ${named(choices, COORDINATOR)}`;
}

function agentHeapWarning(choices: Choices): string | undefined {
  const written = isWritten(choices, AGENT_HEAP) && !isWritten(choices, AGENT_MEMORY);
  if (!written || megabytesOf(choices, AGENT_MEMORY) >= megabytesOf(choices, AGENT_HEAP)) return undefined;
  return `${named(choices, AGENT_HEAP)} lets an agent grow beyond what is reserved for it, ${named(choices, AGENT_MEMORY)}`;
}

/** One agent is always admitted when nothing runs, so too small a total is a warning: one agent at a time, with less. */
function totalWarning(choices: Choices): string | undefined {
  const keys = [TOTAL, AGENT_MEMORY, COORDINATOR] as const;
  const needMb = megabytesOf(choices, AGENT_MEMORY) + megabytesOf(choices, COORDINATOR);
  if (!keys.some((key) => isWritten(choices, key)) || needMb <= megabytesOf(choices, TOTAL)) return undefined;
  const parts = `${named(choices, COORDINATOR)} and one agent, ${named(choices, AGENT_MEMORY)}`;
  return `${parts}, are more than ${named(choices, TOTAL)}: at most one agent runs at a time`;
}

/** A value and where it was written: `FILE:LINE`. */
export interface Placed<T> {
  readonly value: T;
  readonly origin: string;
}

/** An agent of a kind must not be expected to need (bytes), or be given as heap (MB), more than where it is stopped. */
export function kindFaults(
  kind: string,
  { limit, heap, memory }: { limit?: Placed<number>; heap?: Placed<number>; memory?: Placed<number> },
): Fault[] {
  if (limit === undefined) return [];
  const mb = (bytes: number): string => `${Math.round(bytes / MIB)} MB`;
  const rivals = [
    { key: 'heap', bytes: (heap?.value ?? 0) * MIB, origin: heap?.origin },
    { key: 'memory', bytes: memory?.value ?? 0, origin: memory?.origin },
  ];
  return rivals
    .filter(({ bytes }) => limit.value < bytes)
    .map(({ key, bytes, origin }) => ({
      where: limit.origin,
      key: `agents.${kind}.limit`,
      text: `${mb(limit.value)} is below agents.${kind}.${key} ${mb(bytes)} (${origin})`,
      allowed: `at least ${mb(bytes)}`,
    }));
}

/** What goes on with a session needs an attempt that began it, and a transcript needs what reads it. */
export function resumeFaults(
  kind: string,
  draft: {
    command?: Placed<readonly string[]>;
    resume_command?: Placed<readonly string[]>;
    transcript?: Placed<string>;
  },
): Fault[] {
  const { command, resume_command: resume, transcript } = draft;
  const key = `agents.${kind}`;
  const names = (words: Placed<readonly string[]> | undefined): boolean =>
    words?.value.some((word) => word.includes('{session}')) === true;
  const faults: Fault[] = [];
  if (transcript && !resume)
    faults.push({
      where: transcript.origin,
      key: `${key}.transcript`,
      text: `says nothing without ${key}.resume_command`,
    });
  if (resume && command && (names(resume) || transcript) && !names(command))
    faults.push({
      where: resume.origin,
      key: `${key}.resume_command`,
      text: `goes on with a session that ${key}.command (${command.origin}) never begins: name {session} there too`,
    });
  return faults;
}
