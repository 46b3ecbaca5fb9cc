/** Where does everything lie that we keep? Names in, paths out; nothing is read or made. */
import { createHash } from 'node:crypto';
import { isAbsolute, join, resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { checkName, parseKey, shown } from '../names.ts';

/** The folders of a project. */
export interface ProjectPaths {
  readonly projectDir: string;
  readonly epicsDir: string;
  /** Run records of all epics. */
  readonly runsDir: string;
  readonly logsDir: string;
  readonly checkpointsDir: string;
  readonly envDir: string;
}

/** The folders of one epic of a project. */
export interface EpicPaths extends ProjectPaths {
  readonly epic: string;
  readonly epicDir: string;
  readonly coordinationDir: string;
  readonly runDir: string;
  readonly joblogPath: string;
  /** The folder of a stream's output, spec and result. @throws Failure (2) for a key of another epic. */
  readonly streamDir: (key: string) => string;
}

/** Longer folder names are shortened: file systems take 255 bytes, and `stream-…-guidance.md` needs room for the rest. */
const LONGEST_FOLDER = 200;

/**
 * The machine-wide folder of this user's state: $CLAUDE_PM_STATE_DIR, else $XDG_STATE_HOME/claude-pm, else
 * ~/.local/state/claude-pm. A leading `~` is the home folder. An empty variable counts as unset, as XDG says.
 * @throws Failure (2) for a relative path, and where neither a variable nor a home folder is known.
 */
export function stateDir(
  env: Readonly<Record<string, string | undefined>>,
  homedir: string | undefined,
): string {
  const own = env['CLAUDE_PM_STATE_DIR'];
  if (own) return absolute('CLAUDE_PM_STATE_DIR', own, homedir);
  const xdg = env['XDG_STATE_HOME'];
  if (xdg) return join(absolute('XDG_STATE_HOME', xdg, homedir), 'claude-pm');
  if (homedir && isAbsolute(homedir)) return join(homedir, '.local', 'state', 'claude-pm');
  throw new Failure('no home folder to keep state in: set HOME or CLAUDE_PM_STATE_DIR to an absolute path');
}

function absolute(variable: string, text: string, homedir: string | undefined): string {
  if (text.includes('\0')) throw new Failure(`${variable}="${shown(text)}" holds a NUL: mend it`);
  const inHome = text === '~' || text.startsWith('~/');
  if (inHome && !homedir)
    throw new Failure(`${variable}="${shown(text)}" needs a home folder, and HOME is not set`);
  const path = inHome ? join(homedir ?? '', text.slice(1)) : text;
  if (!isAbsolute(path))
    throw new Failure(
      `${variable}="${shown(text)}" is a relative path: write an absolute one, or one that begins with ~/`,
    );
  return resolve(path);
}

/** The circuit breaker's file in a state folder; none: it is closed and has nothing to remember. */
export function breakerPath(stateDirectory: string): string {
  return join(stateDirectory, 'breaker.json');
}

/** The folder of the machine-wide history in a state folder. */
export function historyDir(stateDirectory: string): string {
  return join(stateDirectory, 'history');
}

/** The folders of a project, and of one epic where its name is given. @throws Failure (2) for a bad epic name. */
export function projectPaths(projectDir: string): ProjectPaths;
export function projectPaths(projectDir: string, epic: string): EpicPaths;
export function projectPaths(projectDir: string, epic?: string): ProjectPaths | EpicPaths {
  const root = resolve(projectDir);
  const project: ProjectPaths = {
    projectDir: root,
    epicsDir: join(root, '.claude', 'epics'),
    runsDir: join(root, '.claude-pm', 'runs'),
    logsDir: join(root, '.claude-pm', 'logs', 'memory'),
    checkpointsDir: join(root, '.claude', 'logs', 'checkpoints'),
    envDir: join(root, '.claude', 'env'),
  };
  if (epic === undefined) return project;

  checkName('epic', epic);
  const epicDir = join(project.epicsDir, epic);
  const runDir = join(project.runsDir, epic);
  // A run asks for the folder of each stream half a dozen times.
  const folders = new Map<string, string>();
  const streamDir = (key: string): string => {
    const folder = folders.get(key) ?? join(runDir, folderOfKey(epic, key));
    folders.set(key, folder);
    return folder;
  };
  return {
    ...project,
    epic,
    epicDir,
    coordinationDir: join(epicDir, 'coordination'),
    runDir,
    joblogPath: join(runDir, 'joblog.tsv'),
    streamDir,
  };
}

/**
 * `ISSUE-STREAM` as one folder name, different for different streams of an epic: a `-` of the issue's own is doubled,
 * so the first single one is the border (`a-b` + `C` -> `a--b-C`, `a` + `b-C` -> `a-b-C`). What is too long for a file
 * system ends in a digest behind `~`, which no name holds.
 * @throws Failure (2) for a key of another epic.
 */
export function folderOfKey(epic: string, key: string): string {
  const parts = parseKey(key);
  if (parts.epic !== epic) throw new Failure(`stream ${key} is none of epic ${epic}`);
  const folder = `${parts.issue.replaceAll('-', '--')}-${parts.id}`;
  if (folder.length <= LONGEST_FOLDER) return folder;
  const digest = createHash('sha256').update(folder).digest('hex').slice(0, 40);
  return `${folder.slice(0, LONGEST_FOLDER - 41)}~${digest}`;
}

/**
 * The file to which an agent appends how far it has come: `NAME.log`, for a stream's key `EPIC~ISSUE~STREAM.log`. A key that is
 * too long for a file system ends in a digest behind `~~`, so no two agents share a file.
 * @throws Failure (2) for what is neither a name nor a key.
 */
export function checkpointPath(projectDir: string, agent: string): string {
  const { checkpointsDir } = projectPaths(projectDir);
  if (!agent.includes('/')) return join(checkpointsDir, `${checkName('agent', agent)}.log`);
  const { epic, issue, id } = parseKey(agent);
  const name = `${epic}~${issue}~${id}`;
  if (name.length <= LONGEST_FOLDER) return join(checkpointsDir, `${name}.log`);
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 40);
  return join(checkpointsDir, `${name.slice(0, LONGEST_FOLDER - 42)}~~${digest}.log`);
}

/** The issue and stream of a folder name that `folderOfKey` made and did not shorten; undefined for anything else. */
export function partsOfFolder(folder: string): { issue: string; id: string } | undefined {
  const match = /^((?:[^-~]|--)+)-([^-~][^~]*)$/.exec(folder);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { issue: match[1].replaceAll('--', '-'), id: match[2] };
}
