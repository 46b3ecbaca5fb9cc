/** Which memory cgroups enclose this process, and in which folders are their files? */
import { existsSync, readdirSync } from 'node:fs';

import { causeCode, isGone, readShortFile, readWholeFile, unlessHidden } from './proc.ts';

/** One cgroup that encloses us. */
export interface GroupPath {
  readonly version: 1 | 2;
  /** Its path as /proc/self/cgroup writes it: seen from the root of our cgroup namespace, `/..` above that. */
  readonly name: string;
  readonly folder: string;
}

/** A cgroup file system that this process can see. */
export interface GroupMount {
  readonly version: 1 | 2;
  /** The cgroup that is the mount's top, seen from our cgroup namespace. */
  readonly top: string;
  readonly point: string;
}

/** A search for our own group ends after so many folders. */
const SEARCH_FOLDERS = 5000;

/**
 * The memory controller's mounts in the text of /proc/self/mountinfo: version 1 by its mount option, every version 2.
 * Source: proc_pid_mountinfo(5); spaces and backslashes are written there as octal escapes.
 */
export function parseMounts(mountInfo: string): GroupMount[] {
  const mounts: GroupMount[] = [];
  for (const line of mountInfo.split('\n')) {
    const [left, right] = line.split(' - ', 2);
    const [, , , top, point] = (left ?? '').split(' ');
    const [type, , options] = (right ?? '').split(' ');
    if (top === undefined || point === undefined) continue;
    const isVersion1 = type === 'cgroup' && (options ?? '').split(',').includes('memory');
    if (!isVersion1 && type !== 'cgroup2') continue;
    mounts.push({ version: isVersion1 ? 1 : 2, top: unescapeOctal(top), point: unescapeOctal(point) });
  }
  return mounts;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}

/** Our own group per version in the text of /proc/self/cgroup; on a hybrid machine there are two. */
export function parseOwnGroups(text: string): { version: 1 | 2; name: string }[] {
  const groups: { version: 1 | 2; name: string }[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (!match) continue;
    const [, hierarchy, controllers = '', name = ''] = match;
    if (controllers.split(',').includes('memory')) groups.push({ version: 1, name });
    else if (hierarchy === '0' && controllers === '') groups.push({ version: 2, name });
  }
  return groups;
}

/**
 * Every group from our own up to the top of its mount, innermost first, version 1 before version 2.
 * A hierarchy that is mounted nowhere in sight gives nothing: there is no file that would tell its limits.
 */
export function findEnclosingGroups(root: string, ownGroupsText: string): GroupPath[] {
  const own = parseOwnGroups(ownGroupsText);
  if (own.length === 0) return [];
  const mounts = parseMounts(readWholeFile(`${root}/proc/self/mountinfo`));
  return own
    .sort((a, b) => a.version - b.version)
    .flatMap(({ version, name }) => {
      const place = locate(
        root,
        name,
        mounts.filter((mount) => mount.version === version),
      );
      return place ? climb(version, name, place) : [];
    });
}

interface Place {
  readonly topFolder: string;
  /** From the mount's top down to our own group, `''` for the top itself. */
  readonly below: string;
}

/**
 * Where our own group lies. Usually the path below a mount says it. In a cgroup namespace that kept its parent's mounts the
 * top of the mount is above all names that we know (`/..`); then the group whose member list holds us is searched for.
 */
function locate(root: string, name: string, mounts: readonly GroupMount[]): Place | undefined {
  const places = mounts.map((mount) => ({
    mount,
    topFolder: `${root}${mount.point === '/' ? '' : mount.point}`,
  }));
  const direct = places
    .map(({ mount, topFolder }) => ({ topFolder, top: mount.top, below: pathBelow(mount.top, name) }))
    .filter((place): place is typeof place & { below: string } => place.below !== undefined)
    .filter((place) => existsSync(place.topFolder + place.below))
    // The mount that shows the most groups above us.
    .sort((a, b) => a.top.length - b.top.length)[0];
  if (direct) return direct;

  for (const { topFolder } of places) {
    const below = searchOwn(root, topFolder);
    if (below !== undefined) return { topFolder, below };
  }
  const first = places[0];
  return first && { topFolder: first.topFolder, below: '' };
}

/** `/a/b` below `/a` is `/b`; undefined where it isn't below it. */
function pathBelow(top: string, name: string): string | undefined {
  const prefix = top === '/' ? '' : top;
  if (name === top) return '';
  if (!name.startsWith(`${prefix}/`)) return undefined;
  const below = name.slice(prefix.length);
  return below.split('/').includes('..') ? undefined : below;
}

function searchOwn(root: string, topFolder: string): string | undefined {
  const pid = parseInt(readShortFile(`${root}/proc/self/stat`), 10);
  const queue = [''];
  for (let next = 0; next < Math.min(queue.length, SEARCH_FOLDERS); next++) {
    const below = queue[next] ?? '';
    const members = membersOf(`${topFolder}${below}/cgroup.procs`);
    if (members.split('\n').includes(String(pid))) return below;
    for (const child of foldersIn(topFolder + below)) queue.push(`${below}/${child}`);
  }
  return undefined;
}

/** A threaded group answers EOPNOTSUPP: no process is listed there. */
function membersOf(path: string): string {
  try {
    return unlessHidden(() => readWholeFile(path)) ?? '';
  } catch (error) {
    if (['EOPNOTSUPP', 'ENOTSUP'].includes(causeCode(error))) return '';
    throw error;
  }
}

function foldersIn(folder: string): string[] {
  const entries = unlessHidden(() => readdirSync(folder, { withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

function climb(version: 1 | 2, name: string, { topFolder, below }: Place): GroupPath[] {
  const groups: GroupPath[] = [];
  let groupName = name;
  for (let rest = below; ; rest = rest.slice(0, rest.lastIndexOf('/'))) {
    groups.push({ version, name: groupName, folder: topFolder + rest });
    // Up to version 5.10 of the kernel a parent counts its children only if it says so; if not, nothing above it does either.
    if (rest === '' || (version === 1 && !countsChildren(topFolder + rest.slice(0, rest.lastIndexOf('/')))))
      break;
    groupName = parentName(groupName);
  }
  return groups;
}

function countsChildren(folder: string): boolean {
  try {
    return readShortFile(`${folder}/memory.use_hierarchy`).trim() !== '0';
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

/** The namespace's root is `/`, its parent `/..`, and so on upwards. */
function parentName(name: string): string {
  if (name === '/') return '/..';
  if (name.endsWith('/..')) return `${name}/..`;
  return name.slice(0, name.lastIndexOf('/')) || '/';
}
