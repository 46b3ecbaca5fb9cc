/** Which kernel ceiling does this machine give an agent, and by which words does the agent start under it? Found by trying. */
import { spawnSync } from 'node:child_process';
import type { ProcessIdentity } from '../model.ts';
import type { KernelCeiling } from '../settings-model.ts';
import type { CeilingKind } from '../policy/ceiling.ts';
import { ceilingBytes } from '../policy/ceiling.ts';
import { findEnclosingGroups, type GroupPath } from '../probe/cgroup-path.ts';
import { readOwnMembers, type GroupFolder } from '../probe/group-state.ts';
import { readSelf } from '../probe/identity.ts';
import { readShortFile, readWholeFile, unlessHidden } from '../probe/proc.ts';
import { tellKernel } from '../kernel-files.ts';
import { groupName, makeLimitedGroup, openGroupHandle, type GroupHandle } from './ceiling-group.ts';
import { plannedOomScore, raiseOomScore } from './oom-score.ts';
import { trySystemdScope } from './systemd-scope.ts';

/** What to start, and what then holds it. */
export interface Wrapped {
  readonly words: readonly string[];
  /** undefined: no ceiling for this one. Removed by whoever asked for it, also if the start fails. */
  readonly group: GroupHandle | undefined;
  /** Why there is no ceiling for this one although the machine gives some; for people. */
  readonly note: string | undefined;
}

export interface Ceilings {
  readonly kind: CeilingKind;
  /** Where the groups are made; for none: why not, of each way that was tried. */
  readonly reason: string;
  /** The folder of our own group, to hand back to it what may outlive its group; undefined where others remove the groups. */
  readonly home: string | undefined;
  /** The oom_score_adj that agents get (raiseOomScore, right after the start); undefined where the kernel has none. */
  readonly oomScore: number | undefined;
  /** The words that start an agent in a group of its own, which it enters before it is executed; no process stays in between. */
  readonly wrap: (
    words: readonly string[],
    agent: {
      readonly id: string;
      readonly limitBytes: number | undefined;
      readonly env: NodeJS.ProcessEnv;
    },
  ) => Wrapped;
}

type Way =
  | {
      readonly kind: 'cgroup-v1' | 'cgroup-v2';
      readonly place: GroupFolder;
      readonly home: string;
      readonly reason: string;
    }
  | { readonly refusal: string };

/**
 * Enters a group (0 is the writer itself, whatever its pid namespace), raises its own oom_score_adj, becomes the agent.
 * A refusal of either ends nothing: the watchdog holds. The words arrive as they are: nothing of them is ever code.
 */
const ENTER =
  '{ echo 0 >"$1"; } 2>/dev/null; [ -z "$2" ] || { echo "$2" >/proc/self/oom_score_adj; } 2>/dev/null; shift 2; exec "$@"';

/** The words of a shell that goes into the group and then becomes what `words` name, with the same pid. */
export function enteringWords(
  folder: string,
  oomScore: number | undefined,
  words: readonly string[],
): string[] {
  return ['/bin/sh', '-c', ENTER, 'sh', `${folder}/cgroup.procs`, String(oomScore ?? ''), ...words];
}

/**
 * Puts a child that was just started where its wrapped words did not: into its group, with its oom score. A shell that enters a
 * group does both by itself; moving a process from outside takes almost two milliseconds.
 */
export function settleIn(
  pid: number,
  ceilings: Pick<Ceilings, 'kind' | 'oomScore'>,
  { group, words }: Pick<Wrapped, 'group' | 'words'>,
  command: readonly string[],
): void {
  if (words !== command && ceilings.kind.startsWith('cgroup')) return;
  if (ceilings.oomScore !== undefined) raiseOomScore(pid, ceilings.oomScore);
  group?.enter(pid);
}

/** A shell passes only such names on to what it executes. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const TRY_LIMIT_BYTES = 64 * 1024 ** 2;

/**
 * Finds once which ceiling works here: a group of version 2, of version 1, a scope of systemd's, none. Each is tried: a group
 * is made, limited, entered by a child and removed again (about 2 ms). Groups are made below our own one, so whatever
 * bounds us bounds the agents too; nobody is ever moved but the agent itself. `root` stands for `/`.
 */
export function openCeilings(
  options: {
    readonly mode?: KernelCeiling;
    readonly env?: NodeJS.ProcessEnv;
    readonly uid?: number;
    readonly root?: string;
  } = {},
): Ceilings {
  const { mode = 'auto', env = process.env, uid = process.getuid?.() ?? -1, root = '' } = options;
  const oomScore = plannedOomScore(root);
  const noCeiling = (why: string): Ceilings => ({
    kind: 'none',
    reason: why,
    home: undefined,
    oomScore,
    wrap: (words) => ({ words, group: undefined, note: undefined }),
  });
  if (mode === 'off') return noCeiling('switched off by the settings');
  const groupsText = unlessHidden(() => readWholeFile(`${root}/proc/self/cgroup`));
  if (groupsText === undefined) return noCeiling('this system has no cgroups');

  const self = readSelf(root);
  const groups = findEnclosingGroups(root, groupsText);
  const refusals: string[] = [];
  for (const way of waysOf(groups, self)) {
    if (!('refusal' in way)) return groupCeilings(way, self, oomScore, hasSwap(root));
    refusals.push(way.refusal);
  }
  const scope = trySystemdScope({ name: groupName('try', self), env, uid, root });
  if (!('refusal' in scope))
    return {
      kind: 'systemd-scope',
      reason: scope.reason,
      home: undefined,
      oomScore,
      wrap: (words, { id, limitBytes }) => {
        const name = `${groupName(id, self)}.scope`;
        const group = { version: 2, folder: `${scope.parentFolder}/${name}` } as const;
        const ceiling = limitBytes === undefined ? undefined : ceilingBytes(limitBytes);
        // The manager puts it there (asked too early it is not there yet, which is no refusal) and removes it with its last process.
        const opened = openGroupHandle(group, ceiling);
        const isEmpty = (): boolean => opened.procs().length === 0;
        const handle = { ...opened, enter: () => true, remove: isEmpty, removeEmpty: () => false };
        return { words: scope.wordsFor(name, limitBytes, words), group: handle, note: undefined };
      },
    };
  return noCeiling([...refusals, scope.refusal].join('; '));
}

/** Version 2 first, then version 1; on a hybrid machine the memory controller is in one of them. */
function* waysOf(groups: readonly GroupPath[], self: ProcessIdentity): Generator<Way> {
  const [own2, parent2] = groups.filter(({ version }) => version === 2);
  if (own2) yield tryVersion2(own2, parent2, self);
  const own1 = groups.find(({ version }) => version === 1);
  if (own1) yield tryPlace(own1, own1, self);
  if (!own1 && !own2) yield { refusal: 'no cgroup of ours is in sight' };
}

/**
 * A group of version 2 that has processes may have no limited groups below it (cgroup-v2.rst, "No Internal Process
 * Constraint"), and ours has us in it; only the machine's root group is exempt. So the group above ours is tried too, if it
 * is laid out for that: without processes, not a slice of systemd's (it makes the groups there), and only while our own
 * group has no limit that an agent beside it would escape. We do not move ourselves or our parents to make it fit.
 */
function tryVersion2(own: GroupPath, parent: GroupPath | undefined, self: ProcessIdentity): Way {
  if (!controllersIn(own.folder, 'cgroup.controllers').includes('memory'))
    return { refusal: `cgroup v2 ${own.name} has no memory controller` };
  const below = tryPlace(own, own, self);
  if (!('refusal' in below) || parent === undefined) return below;
  const isLaidOut =
    !parent.name.endsWith('.slice') &&
    readOwnMembers(parent.folder).length === 0 &&
    ['memory.max', 'memory.high'].every((file) => isUnlimited(`${own.folder}/${file}`));
  return isLaidOut ? tryPlace(parent, own, self) : below;
}

/** Makes a group there, limits it, lets a child enter it, and removes it again. */
function tryPlace(place: GroupPath, own: GroupPath, self: ProcessIdentity): Way {
  const where = `cgroup v${place.version} ${place.name}`;
  if (!readOwnMembers(own.folder).includes(self.pid))
    return { refusal: `${where}: our own group is not in sight` };
  const control = `${place.folder}/cgroup.subtree_control`;
  const enables =
    place.version === 2 && !controllersIn(place.folder, 'cgroup.subtree_control').includes('memory');
  if (enables) {
    const code = tellKernel(control, '+memory');
    if (code === 'EBUSY')
      return { refusal: `${where} has processes, so the kernel allows no limits below it (EBUSY)` };
    if (code !== undefined) return { refusal: `${control} cannot be written (${code})` };
  }
  const group = makeLimitedGroup(place, groupName('try', self), TRY_LIMIT_BYTES);
  const refusal = 'refusal' in group ? group.refusal : tryEntering(group);
  if (refusal === undefined)
    return {
      kind: place.version === 1 ? 'cgroup-v1' : 'cgroup-v2',
      place,
      home: own.folder,
      reason: `groups below ${place.name}`,
    };
  if (enables) tellKernel(control, '-memory');
  return { refusal: `${where}: ${refusal}` };
}

function tryEntering(group: GroupHandle): string | undefined {
  try {
    const { status } = spawnSync('/bin/sh', ['-c', 'echo 0 >"$1"', 'sh', `${group.folder}/cgroup.procs`], {
      stdio: 'ignore',
      timeout: 2000,
    });
    return status === 0 ? undefined : 'a child cannot enter a group made there';
  } finally {
    group.remove();
  }
}

function controllersIn(folder: string, file: string): string[] {
  return (unlessHidden(() => readShortFile(`${folder}/${file}`)) ?? '').trim().split(' ');
}

/** The machine's root group has no such file, and no limit. */
function isUnlimited(path: string): boolean {
  return (unlessHidden(() => readShortFile(path)) ?? 'max').trim() === 'max';
}

/** /proc/swaps: a heading, then one line a swap area. Where it cannot be read there may be some. */
function hasSwap(root: string): boolean {
  const text = unlessHidden(() => readWholeFile(`${root}/proc/swaps`));
  return text === undefined || text.trim().split('\n').length > 1;
}

function groupCeilings(
  way: Exclude<Way, { refusal: string }>,
  self: ProcessIdentity,
  oomScore: number | undefined,
  swaps: boolean,
): Ceilings {
  return {
    kind: way.kind,
    reason: way.reason,
    home: way.home,
    oomScore,
    wrap: (words, { id, limitBytes, env }) => {
      const group = makeLimitedGroup(way.place, groupName(id, self), limitBytes, swaps);
      if ('refusal' in group)
        return { words, group: undefined, note: `no kernel ceiling for ${id}: ${group.refusal}` };
      // What a shell would lose or misread starts as it is, and is put into its group right after (GroupHandle.enter).
      const passes =
        words[0]?.startsWith('-') === false && Object.keys(env).every((name) => SHELL_NAME.test(name));
      return { words: passes ? enteringWords(group.folder, oomScore, words) : words, group, note: undefined };
    },
  };
}
