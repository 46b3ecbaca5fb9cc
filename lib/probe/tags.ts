/** Which of these processes bear a tag of ours in their environment? */
import { whileDescriptors } from './member.ts';
import { findVariable, readEnvironment } from './processes.ts';
import type { StatFacts } from './stat.ts';

interface KnownTag {
  readonly startTicks: number;
  readonly comm: string;
  readonly tag: string | undefined;
}

/** Reads an environment once for each program that a process executes, however often it is asked. */
export class TagReader {
  readonly #name: string;
  readonly #root: string;
  #known = new Map<number, KnownTag>();

  /** `name`: the variable that holds the tag. `root` stands for `/`. */
  constructor(name: string, root = '') {
    this.#name = name;
    this.#root = root;
  }

  /** Of each process that carries a tag which is `wanted`, by pid, that tag. */
  read(table: ReadonlyMap<number, StatFacts>, isWanted: (tag: string) => boolean): Map<number, string> {
    const tags = new Map<number, string>();
    const stillKnown = new Map<number, KnownTag>();
    for (const facts of table.values()) {
      // Kernel threads and zombies hold nothing and have no environment.
      if (facts.residentBytes === 0) continue;
      const known = whileDescriptors(() => this.#knownTag(facts));
      if (!known) continue;
      stillKnown.set(facts.pid, known);
      if (known.tag !== undefined && isWanted(known.tag)) tags.set(facts.pid, known.tag);
    }
    this.#known = stillKnown;
    return tags;
  }

  clear(): void {
    this.#known.clear();
  }

  /** A new program has a new name. While it is being executed the environment is empty, which tells nothing: undefined. */
  #knownTag({ pid, startTicks, comm }: StatFacts): KnownTag | undefined {
    const known = this.#known.get(pid);
    if (known?.startTicks === startTicks && known.comm === comm) return known;
    const environment = readEnvironment(pid, this.#root);
    if (environment === '') return undefined;
    return { startTicks, comm, tag: environment && findVariable(environment, this.#name) };
  }
}
