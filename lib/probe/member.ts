/** What does one process of a tree hold now, and whom has it started? */
import { closeSync, openSync } from 'node:fs';

import { Failure } from '../failure.ts';
import {
  isExhausted,
  isGone,
  readDescriptor,
  readShort,
  readShortFile,
  readWholeFile,
  unlessHidden,
} from './proc.ts';
import { readStat } from './processes.ts';
import { parseStatm } from './stat.ts';
import type { StatFacts, StatmFacts } from './stat.ts';

/** Whether descriptors may be kept; false from the first time that there was none left. */
export interface DescriptorLeave {
  keep: boolean;
}

/** A process that is measured again and again; its files stay open, so a successor with its pid is never mistaken for it. */
export class Member {
  readonly pid: number;
  readonly startTicks: number;
  parentPid: number;
  comm: string;
  residentBytes: number;
  privateBytes: number;

  /** undefined where there is no /proc. */
  readonly #root: string | undefined;
  #statmFd: number | undefined;
  #childrenFd: number | undefined;

  private constructor(facts: StatFacts, root: string | undefined, fds: Fds) {
    this.pid = facts.pid;
    this.startTicks = facts.startTicks;
    this.parentPid = facts.parentPid;
    this.comm = facts.comm;
    this.residentBytes = facts.residentBytes;
    this.privateBytes = facts.residentBytes;
    this.#root = root;
    this.#statmFd = fds.statm;
    this.#childrenFd = fds.children;
  }

  /**
   * Takes a process up; undefined where it is gone or a zombie, or has not the start time that is expected of it.
   * The descriptors come first: if `stat` then shows the right start time, they can't be another process's.
   */
  static open(
    pid: number,
    startTicks: number | undefined,
    root: string,
    leave: DescriptorLeave,
  ): Member | undefined {
    const folder = `${root}/proc/${pid}`;
    const fds: Fds = {
      statm: openKept(`${folder}/statm`, leave),
      children: openKept(`${folder}/task/${pid}/children`, leave),
    };
    const facts = statOf(pid, root, leave);
    const isWanted = facts && facts.state !== 'Z' && (startTicks ?? facts.startTicks) === facts.startTicks;
    if (isWanted) return new Member(facts, root, fds);
    closeAll(fds);
    return undefined;
  }

  /** Takes up what a table of `ps` shows, where there are no files to keep. */
  static of(facts: StatFacts, privateBytes: number): Member {
    const member = new Member(facts, undefined, { statm: undefined, children: undefined });
    member.privateBytes = privateBytes;
    return member;
  }

  /** Reads its memory anew; false: it is gone or a zombie. Out of descriptors the last figures stay. */
  measure(): boolean {
    if (this.#root === undefined) return true;
    const memory = this.#readMemory();
    if (memory === 'unknown') return true;
    if (!memory?.hasMemory) return false;
    this.residentBytes = memory.residentBytes;
    this.privateBytes = memory.privateBytes;
    return true;
  }

  #readMemory(): StatmFacts | 'unknown' | undefined {
    try {
      const text = this.#statmFd === undefined ? this.#readStatm() : readShort(this.#statmFd);
      if (text === undefined) return undefined;
      const memory = parseStatm(text);
      if (!memory)
        throw new Failure(`statm of process ${this.pid} can't be understood: ${JSON.stringify(text)}`);
      return memory;
    } catch (error) {
      if (isExhausted(error)) return 'unknown';
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  #readStatm(): string | undefined {
    const isStillIt = readStat(this.pid, this.#root)?.startTicks === this.startTicks;
    return isStillIt ? readShortFile(`${this.#root ?? ''}/proc/${this.pid}/statm`) : undefined;
  }

  /** Pids of the processes that its main thread has started and that are there now; other threads' show in a scan only. */
  readChildren(): number[] {
    if (this.#root === undefined) return [];
    const text = whileDescriptors(() => unlessHidden(() => this.#readChildrenFile()));
    if (!text) return [];
    const words = text.split(' ').filter((word) => /^\d+$/.test(word));
    return words.map(Number);
  }

  #readChildrenFile(): string {
    if (this.#childrenFd !== undefined) return readDescriptor(this.#childrenFd);
    return readWholeFile(`${this.#root ?? ''}/proc/${this.pid}/task/${this.pid}/children`);
  }

  /** Goes on without kept files. */
  release(): void {
    closeAll({ statm: this.#statmFd, children: this.#childrenFd });
    this.#statmFd = undefined;
    this.#childrenFd = undefined;
  }
}

/** Who it is. Where its own two files took the last descriptors, none are kept from then on. */
function statOf(pid: number, root: string, leave: DescriptorLeave): StatFacts | undefined {
  try {
    return readStat(pid, root);
  } catch (error) {
    if (!isExhausted(error)) throw error;
    leave.keep = false;
    return undefined;
  }
}

interface Fds {
  readonly statm: number | undefined;
  readonly children: number | undefined;
}

function openKept(path: string, leave: DescriptorLeave): number | undefined {
  if (!leave.keep) return undefined;
  try {
    return unlessHidden(() => openSync(path, 'r'));
  } catch (error) {
    if (!isExhausted(error)) throw error;
    leave.keep = false;
    return undefined;
  }
}

function closeAll({ statm, children }: Fds): void {
  if (statm !== undefined) closeSync(statm);
  if (children !== undefined) closeSync(children);
}

/** `read()`, or undefined while there is no descriptor left. */
export function whileDescriptors<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isExhausted(error)) return undefined;
    throw error;
  }
}
