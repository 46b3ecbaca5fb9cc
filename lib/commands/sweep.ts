/** What of ours is of no more use? Void leases, what dead agents left running, temporary files and locks of dead processes. */
import { dirname, join, relative } from 'node:path';
import { sweepGroups } from '../act/ceiling-group.ts';
import { fileFacts, isThere, listDir, readText, removeFile } from '../files.ts';
import { tryLock } from '../lock.ts';
import type { Lease } from '../model.ts';
import { counts } from '../policy/charge.ts';
import { readIdentity } from '../probe/identity.ts';
import { readProcessTable } from '../probe/processes.ts';
import { readStarted } from '../state/attempts.ts';
import { ledgerPath, updateLedger, withoutLeases } from '../state/ledger.ts';
import { projectPaths } from '../state/paths.ts';
import { poolPath } from '../state/pool.ts';
import { readAgents, type AgentTree } from './agents.ts';
import type { Context } from './context.ts';
import { endAgents } from './end-agents.ts';

export interface Swept {
  /** Leases that counted nothing and went. */
  readonly leases: readonly { readonly key: string; readonly life: string }[];
  /** Processes that ended agents had left behind, and which were ended. */
  readonly processes: number;
  readonly freedBytes: number;
  readonly files: readonly string[];
}

type Here = Pick<Context, 'projectDir' | 'nowMs' | 'liveness'>;

/** Our temporary files are renamed within milliseconds; one this old was left by a kill. */
const OLD_MS = 60_000;

/** Gives back what the dead held. Only processes that a lease proves to be ours are ended; a live agent is left alone. */
export async function sweep(context: Context, isMine: (lease: Lease) => boolean): Promise<Swept> {
  const stateDir = context.stateDir();
  const liveness = context.liveness();
  const pooled = await cleanPoolIfThere(context);
  const dead = updateLedger(stateDir, liveness, (ledger) => {
    const mine = ledger.leases.filter(isMine);
    if (mine.length === 0) return { ledger, answer: [] };
    const agents = readAgents(mine, liveness.isAlive, Date.now(), readProcessTable());
    const orphans = new Map(agents.flatMap(adopt));
    const leases = ledger.leases.map((lease) => orphans.get(lease.id) ?? lease);
    return {
      ledger: orphans.size === 0 ? ledger : { ...ledger, leases },
      answer: agents.filter(({ lease, life }) => !counts(life) && !orphans.has(lease.id)),
    };
  });
  // A live runner cleans up after its own agents. One in another container cannot be looked at: where its lease is void
  // for want of renewal the lease goes, unless something of the agent is to be seen.
  const ours = dead.filter(({ lease: { runner }, members }) => {
    const alive = runner === undefined ? false : liveness.isAlive(runner);
    return alive === false || (alive === undefined && members.length === 0);
  });
  const remains = ours.filter(
    ({ members, lease }) => members.length > 0 && lease.role === 'agent' && lease.runner !== undefined,
  );
  const { ended, left, freedBytes } = await endAgents(
    context,
    remains.map(({ lease }) => lease),
    context.settings.cleanupTimeoutMs,
  );
  const gone = new Set(ours.map(({ lease }) => lease.id));
  if (left === 0 && gone.size > 0)
    updateLedger(stateDir, liveness, (ledger) => ({
      ledger: withoutLeases(ledger, gone),
      answer: undefined,
    }));
  sweepRunLocks(context);
  sweepGroups({ self: liveness.self, isAlive: liveness.isAlive, endsMembersOf: (id) => gone.has(id) });
  return {
    leases: left === 0 ? ours.map(({ lease, life }) => ({ key: lease.key, life })) : [],
    processes: ended + pooled,
    freedBytes: ended > 0 ? freedBytes : 0,
    files: sweepFiles(dirname(ledgerPath(stateDir)), context),
  };
}

/** The pool first: what its dead callers left becomes void by that. Answers how many of its agents were ended. */
async function cleanPoolIfThere(context: Context): Promise<number> {
  if (!isThere(poolPath(context.stateDir()))) return 0;
  const { cleanPoolOf } = await import('./agent-pool/clean.ts');
  const { ended, strays } = await cleanPoolOf(context, 'now');
  return ended.length + strays;
}

/**
 * A runner that was killed right after a start had not yet written the agent's process into its lease, but into the attempt's
 * spec.json. Where the kill came before that too, it is the oldest member that leads a session, as the runner opens one for
 * each agent. If it lives, its lease is void no more.
 */
function adopt({ lease, life, members }: AgentTree): [string, Lease][] {
  if (counts(life) || lease.state !== 'starting') return [];
  const started = readStartedOf(lease);
  const main = started
    ? members.find(({ pid, startTicks }) => pid === started.pid && startTicks === started.startTicks)
    : members
        .filter(({ pid, sessionId }) => pid === sessionId)
        .sort((one, other) => one.startTicks - other.startTicks)[0];
  const owner = main && readIdentity(main.pid);
  return owner === undefined ? [] : [[lease.id, { ...lease, owner, state: 'running' }]];
}

function readStartedOf({ id, epic, key, project }: Lease): ReturnType<typeof readStarted> {
  if (epic === undefined) return undefined;
  return readStarted(projectPaths(project, epic).streamDir(key), id);
}

/**
 * What a kill left of our own writing in the logs and the folders of runs: of one epic, or of all of the project. Answers
 * the names, from the project's folder on.
 */
export function sweepRecords(context: Here, epic?: string): string[] {
  const { logsDir, projectDir, runsDir } = projectPaths(context.projectDir);
  const runs = (epic === undefined ? listDir(runsDir) : [epic]).map((name) => join(runsDir, name));
  const streams = runs.flatMap((run) => listFolders(run));
  return [logsDir, ...runs, ...streams].flatMap((dir) =>
    sweepFiles(dir, context).map((name) => relative(projectDir, join(dir, name))),
  );
}

function listFolders(dir: string): string[] {
  return listDir(dir)
    .map((name) => join(dir, name))
    .filter((path) => fileFacts(path)?.isDirectory === true);
}

/** Of a taker who was killed while it took over a lock from the dead, or took over such a one: `x.lock.TOKEN`, `x.lock.TOKEN.TOKEN` … */
const TAKEOVER = /\.lock(?:\.(?:[0-9a-f]{18}|torn))+$/;

/** By which a process takes one lock again and again. */
const TICKET = /\.lock\.\d+\.[0-9a-f]{18}\.tmp$/;

/** Temporary files, tickets of the dead, and second locks whose holder is dead; the names of those that went. */
function sweepFiles(dir: string, context: Here): string[] {
  const removed: string[] = [];
  for (const name of listDir(dir)) {
    const isTemporary = /\.\d+\.[0-9a-z.]+\.tmp$/.test(name);
    if (!isTemporary && !TAKEOVER.test(name)) continue;
    const path = join(dir, name);
    const facts = fileFacts(path);
    if (facts?.isFile !== true) continue;
    // Nobody but its owner uses a ticket: that of a dead one goes at once.
    const alive = TICKET.test(name) ? isHolderAlive(path, context) : undefined;
    const isOld = context.nowMs - facts.modifiedMs >= OLD_MS;
    if (alive === true || (!isOld && alive !== false)) continue;
    if (isTemporary) removeFile(path);
    else if (!giveBack(path, context)) continue;
    removed.push(name);
  }
  return removed;
}

/** By the rule of all locks, so that nobody who takes it over at this moment loses it: whoever holds it may remove it. */
function giveBack(path: string, context: Here): boolean {
  const lock = tryLock(path, context.liveness());
  if (!('release' in lock)) return false;
  lock.release();
  return true;
}

/** A run that was killed left the lock of its epic: it is taken over, as the next run would do, and given back. */
function sweepRunLocks({ projectDir, liveness }: Here): void {
  const { runsDir } = projectPaths(projectDir);
  for (const epic of listDir(runsDir)) {
    const path = join(runsDir, epic, 'run.lock');
    if (!isThere(path)) continue;
    const lock = tryLock(path, liveness());
    if ('release' in lock) lock.release();
  }
}

/** undefined: it names nobody, or somebody who cannot be looked at from here. */
function isHolderAlive(path: string, context: Here): boolean | undefined {
  const text = readText(path) ?? '';
  const field = (name: string): string | undefined => new RegExp(`"${name}":"?([^",}]+)"?`).exec(text)?.[1];
  const { self, isAlive } = context.liveness();
  const [pid, startTicks] = [Number(field('pid')), Number(field('startTicks'))];
  if (!(pid > 0) || !(startTicks >= 0)) return undefined;
  const pidNamespace = field('pidNamespace') ?? self.pidNamespace;
  return isAlive({ bootId: field('bootId') ?? self.bootId, pidNamespace, pid, startTicks });
}
