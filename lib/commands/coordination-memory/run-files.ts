/** What does a run write down of its attempts? Their spec.json once they have started, their result, their line of the joblog. */
import type { AttemptResult } from '../../model.ts';
import { attemptPaths, writeResult, type StartedProcess } from '../../state/attempts.ts';
import { appendJoblog } from '../../state/joblog.ts';
import type { EpicPaths } from '../../state/paths.ts';
import type { BuiltSpec } from './attempt-spec.ts';

interface Begun {
  readonly tag: string;
  readonly command: readonly string[] | string;
  write: BuiltSpec['write'] | undefined;
}

/** The files of one run's attempts; `seqOf` numbers a stream in the joblog. */
export class RunFiles {
  readonly #paths: EpicPaths;
  readonly #seqOf: (key: string) => number;
  readonly #begun = new Map<string, Begun>();
  readonly #keys = new Map<string, string>();

  constructor(paths: EpicPaths, seqOf: (key: string) => number) {
    this.#paths = paths;
    this.#seqOf = seqOf;
  }

  /** An attempt is about to start. */
  begin({ spec: { key, tag, command }, write }: BuiltSpec): void {
    this.#begun.set(key, { tag, command, write });
    this.#keys.set(tag, key);
  }

  /** It has started: from now on a kill -9 of the run leaves known which process is the agent. */
  started(tag: string, process: StartedProcess): void {
    const key = this.#keys.get(tag);
    this.#keys.delete(tag);
    const begun = key === undefined ? undefined : this.#begun.get(key);
    begun?.write?.(process);
    if (begun) begun.write = undefined;
  }

  /** The result beside the attempt's output, then the line of the joblog, which is what --resume believes. Answers what it was. */
  ended(result: AttemptResult): { tag: string | undefined; command: readonly string[] | string } {
    const begun = this.#begun.get(result.key);
    // It could not be started.
    begun?.write?.();
    if (begun) begun.write = undefined;
    const { tag, command = '' } = begun ?? {};
    writeResult(attemptPaths(this.#paths.streamDir(result.key)).result, result);
    appendJoblog(this.#paths.joblogPath, this.#seqOf(result.key), command, result);
    return { tag, command };
  }
}
