/** How much do the agents' process trees hold now? The run loop's cheap way of asking several times a second. */
import { existsSync } from 'node:fs';

import type { ProcessTable } from '../model.ts';
import { maskCommandLine } from './command-line.ts';
import { Member, whileDescriptors } from './member.ts';
import type { DescriptorLeave } from './member.ts';
import { readCommandWords, readProcessTable, readPss } from './processes.ts';
import { ProcessScan } from './process-scan.ts';
import type { StatFacts } from './stat.ts';
import { TagReader } from './tags.ts';

/** Which processes form a tree and how they are summed: handed in, since it is policy (lib/policy/tree.ts). */
export interface TreeRules {
  planTrees(
    table: ReadonlyMap<number, StatFacts>,
    roots: readonly { id: string; pid: number; startTicks: number }[],
    tags: ReadonlyMap<number, string>,
    formerly: ReadonlyMap<number, string>,
  ): ReadonlyMap<string, readonly StatFacts[]>;
  sumTree(
    members: readonly Member[],
    previousPids: ReadonlySet<number>,
  ): { readonly residentBytes: number; readonly privateBytes: number };
}

export interface SamplerOptions {
  /** The variable whose value in a process's environment is the id of its tree. */
  readonly tagName: string;
  readonly rules: TreeRules;
  /** Stands for `/`. */
  readonly root?: string;
  /** At most so often are all processes looked at (1000): what finds re-parented members and children of threads. */
  readonly scanIntervalMs?: number;
}

export interface SampleMember {
  readonly pid: number;
  readonly parentPid: number;
  readonly startTicks: number;
  readonly comm: string;
  readonly rssBytes: number;
}

/** One tree at one instant. */
export interface TreeSample {
  /** Sum of the members' resident memory; a just-forked child is not counted twice. */
  readonly rssBytes: number;
  /** The same, less what each shares: about what ending the tree would free. */
  readonly privateBytes: number;
  readonly members: readonly SampleMember[];
  /** false as soon as the root has ended, also while nobody has reaped it. */
  readonly rootAlive: boolean;
}

/** A member as it is shown to people and written down before a tree is stopped. */
export interface SurveyedProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly comm: string;
  /** At most 200 characters, secrets masked; the name in brackets where no command line can be read. */
  readonly command: string;
}

interface Tree {
  readonly id: string;
  readonly pid: number;
  /** NaN, which matches no process, if the root was gone before it could be looked at. */
  readonly startTicks: number;
  readonly members: Map<number, Member>;
  previousPids: ReadonlySet<number>;
  /** The last scan found nobody of it. */
  wasEmpty: boolean;
}

/** A scan for one tree is good for the others that are stopped at the same moment: 200 trees need no 200 scans. */
const SURVEY_MS = 20;

const NO_PIDS: ReadonlySet<number> = new Set();
const NOTHING_LEFT: TreeSample = { rssBytes: 0, privateBytes: 0, members: [], rootAlive: false };

export function openTreeSampler(options: SamplerOptions): TreeSampler {
  return new TreeSampler(options);
}

/**
 * Keeps two descriptors for each member and follows its children at every look; once in `scanIntervalMs` it looks at all
 * processes. Once a member, always a member: also with another parent, another session and a cleared environment.
 */
export class TreeSampler {
  readonly #rules: TreeRules;
  readonly #root: string;
  readonly #scanIntervalMs: number;
  readonly #usesPs: boolean;
  readonly #hasChildrenFiles: boolean;
  readonly #processes: ProcessScan;
  readonly #tags: TagReader;
  readonly #trees = new Map<string, Tree>();
  readonly #leave: DescriptorLeave = { keep: true };
  #scannedMs: number | undefined;
  #surveyedMs = -Infinity;

  constructor({ tagName, rules, root = '', scanIntervalMs = 1000 }: SamplerOptions) {
    this.#rules = rules;
    this.#root = root;
    this.#processes = new ProcessScan(root);
    this.#tags = new TagReader(tagName, root);
    this.#scanIntervalMs = scanIntervalMs;
    this.#usesPs = root === '' && process.platform !== 'linux';
    // Absent from kernels that were built without CONFIG_PROC_CHILDREN: then every look is a scan.
    this.#hasChildrenFiles = existsSync(`${root}/proc/thread-self/children`);
  }

  /**
   * Takes up a tree; an id that is there already is begun anew. `startTicks`, where known, guards against a pid that was
   * given away meanwhile. Returns whether the root is there; if it isn't, what carries its tag is still found.
   */
  add(id: string, pid: number, startTicks?: number): boolean {
    this.remove(id);
    // A root inside another tree takes its own subtree out of it, which only a scan can tell.
    if (this.#treeOf(pid)) this.#scannedMs = undefined;
    const table = this.#usesPs ? readProcessTable() : undefined;
    const root = table ? fromTable(table, pid, startTicks) : this.#openMember(pid, startTicks);
    const members = new Map(root ? [[pid, root]] : []);
    const knownStart = root?.startTicks ?? startTicks ?? Number.NaN;
    this.#trees.set(id, {
      id,
      pid,
      startTicks: knownStart,
      members,
      previousPids: new Set(),
      wasEmpty: false,
    });
    return root !== undefined;
  }

  /** When the root of a tree started, clock ticks since the boot; undefined where it was not to be seen. */
  startOf(id: string): number | undefined {
    const ticks = this.#trees.get(id)?.startTicks;
    return Number.isNaN(ticks) ? undefined : ticks;
  }

  remove(id: string): void {
    for (const member of this.#trees.get(id)?.members.values() ?? []) member.release();
    this.#trees.delete(id);
  }

  /** Takes in processes that are a tree's by other evidence (the kernel lists them in its group); those of another tree stay there. */
  adopt(id: string, pids: readonly number[]): void {
    const tree = this.#trees.get(id);
    for (const pid of tree ? pids : []) {
      if (this.#treeOf(pid)) continue;
      const member = this.#openMember(pid, undefined);
      if (member) tree?.members.set(pid, member);
    }
  }

  /** All trees now. `nowMs` only decides whether a scan is due; `full` asks for one. */
  sample(nowMs: number, { full = false } = {}): Map<string, TreeSample> {
    if (this.#trees.size === 0) return new Map();
    if (full || this.#isScanDue(nowMs)) {
      if (this.#scan()) this.#scannedMs = nowMs;
    } else {
      for (const tree of this.#trees.values()) this.#followChildren(tree);
    }
    return new Map([...this.#trees.values()].map((tree) => [tree.id, this.#measure(tree)]));
  }

  #isScanDue(nowMs: number): boolean {
    if (this.#scannedMs === undefined || nowMs < this.#scannedMs) return true;
    return nowMs - this.#scannedMs >= (this.#hasChildrenFiles || this.#usesPs ? this.#scanIntervalMs : 0);
  }

  /** Proportional memory of a tree, or of these members of it, bytes; undefined where a living one does not let us look. Slow: for peaks. */
  pss(id: string, pids?: ReadonlySet<number>): number | undefined {
    let sum = 0;
    for (const member of this.#trees.get(id)?.members.values() ?? []) {
      if (pids?.has(member.pid) === false) continue;
      const bytes = readPss(member.pid, this.#root);
      if (bytes === undefined && member.measure()) return undefined;
      sum += bytes ?? 0;
    }
    return sum === 0 ? undefined : sum;
  }

  /** Every process of a tree now, by a scan: for the record before it is stopped, and to see that nothing is left after. */
  survey(id: string): SurveyedProcess[] {
    const tree = this.#trees.get(id);
    if (!tree) return [];
    const isFresh = performance.now() - this.#surveyedMs < SURVEY_MS;
    let members = isFresh ? living(tree) : [];
    // Who died since the scan may have left somebody that it did not see; where it found nobody, nobody is there.
    if (members.length === 0 && !(isFresh && tree.members.size === 0 && tree.wasEmpty)) {
      if (this.#scan({ whole: true })) this.#surveyedMs = performance.now();
      members = living(tree);
    }
    return members.map(({ pid, startTicks, comm }) => {
      const words = this.#usesPs ? undefined : whileDescriptors(() => readCommandWords(pid, this.#root));
      return { pid, startTicks, comm, command: maskCommandLine(words ?? []) || `[${comm}]` };
    });
  }

  close(): void {
    for (const id of [...this.#trees.keys()]) this.remove(id);
    this.#tags.clear();
  }

  #measure(tree: Tree): TreeSample {
    for (const member of [...tree.members.values()]) {
      if (!member.measure()) drop(tree, member);
    }
    if (tree.members.size === 0) {
      tree.previousPids = NO_PIDS;
      return NOTHING_LEFT;
    }
    const members = [...tree.members.values()];
    const sum = this.#rules.sumTree(members, tree.previousPids);
    tree.previousPids = new Set(tree.members.keys());
    return {
      rssBytes: sum.residentBytes,
      privateBytes: sum.privateBytes,
      members: members.map(({ pid, parentPid, startTicks, comm, residentBytes }) => ({
        pid,
        parentPid,
        startTicks,
        comm,
        rssBytes: residentBytes,
      })),
      rootAlive: tree.members.get(tree.pid)?.startTicks === tree.startTicks,
    };
  }

  #followChildren(tree: Tree): void {
    // A Map's iterator also visits what is added meanwhile: the children's children.
    for (const parent of tree.members.values()) {
      for (const pid of parent.readChildren()) {
        if (this.#treeOf(pid)) continue;
        const child = this.#openMember(pid, undefined);
        if (child?.parentPid === parent.pid) tree.members.set(pid, child);
        else child?.release();
      }
    }
  }

  #treeOf(pid: number): Tree | undefined {
    for (const tree of this.#trees.values()) if (tree.members.has(pid)) return tree;
    return undefined;
  }

  /** Looks at all processes; false if there was no descriptor to do it with. */
  #scan(options: { readonly whole?: boolean } = {}): boolean {
    const psTable = this.#usesPs ? readProcessTable() : undefined;
    const table = psTable ?? whileDescriptors(() => this.#processes.read(options));
    if (!table) return false;
    const tags = this.#usesPs
      ? new Map<number, string>()
      : this.#tags.read(table, (id) => this.#trees.has(id));
    const roots = [...this.#trees.values()];
    const plan = this.#rules.planTrees(table, roots, tags, this.#formerMembers(table));
    for (const tree of this.#trees.values()) this.#takeOver(tree, plan.get(tree.id) ?? [], psTable);
    return true;
  }

  #takeOver(tree: Tree, found: readonly StatFacts[], psTable: ProcessTable | undefined): void {
    tree.wasEmpty = found.length === 0;
    const foundPids = new Set(found.map(({ pid }) => pid));
    for (const member of [...tree.members.values()]) if (!foundPids.has(member.pid)) drop(tree, member);
    for (const facts of found) {
      const known = tree.members.get(facts.pid);
      if (known?.startTicks === facts.startTicks && !psTable) {
        known.comm = facts.comm;
        known.parentPid = facts.parentPid;
        continue;
      }
      if (known) drop(tree, known);
      const member = psTable
        ? fromTable(psTable, facts.pid, facts.startTicks)
        : this.#openMember(facts.pid, facts.startTicks);
      if (member) tree.members.set(facts.pid, member);
    }
  }

  /** Of each process that was seen in one of our trees before the id of that tree. */
  #formerMembers(table: ReadonlyMap<number, StatFacts>): Map<number, string> {
    const former = new Map<number, string>();
    for (const tree of this.#trees.values()) {
      for (const { pid, startTicks } of tree.members.values()) {
        if (table.get(pid)?.startTicks === startTicks) former.set(pid, tree.id);
      }
    }
    return former;
  }

  /** Out of descriptors, every second member gives its own back and none is kept from then on. */
  #openMember(pid: number, startTicks: number | undefined): Member | undefined {
    const before = this.#leave.keep;
    const member = Member.open(pid, startTicks, this.#root, this.#leave);
    if (!before || this.#leave.keep) return member;
    const all = [...this.#trees.values()].flatMap((tree) => [...tree.members.values()]);
    for (const [at, other] of all.entries()) if (at % 2 === 0) other.release();
    return member ?? Member.open(pid, startTicks, this.#root, this.#leave);
  }
}

function fromTable(table: ProcessTable, pid: number, startTicks: number | undefined): Member | undefined {
  const facts = table.get(pid);
  if (!facts || (startTicks !== undefined && facts.startTicks !== startTicks)) return undefined;
  return Member.of(facts, facts.privateBytes);
}

function living(tree: Tree): Member[] {
  return [...tree.members.values()].filter((member) => member.measure());
}

function drop(tree: Tree, member: Member): void {
  member.release();
  tree.members.delete(member.pid);
}
