/** What of ours is of no more use? Void leases, what dead agents left running, temporary files and locks of dead processes. */
import { basename, dirname, join } from 'node:path';
import { sweepGroups } from '../act/ceiling-group.ts';
import { fileFacts, isThere, listDir, readText, removeFile } from '../files.ts';
import type { Lease } from '../model.ts';
import { counts } from '../policy/charge.ts';
import { readIdentity } from '../probe/identity.ts';
import { readProcessTable } from '../probe/processes.ts';
import { ledgerPath, updateLedger, withoutLeases } from '../state/ledger.ts';
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
 * A runner that was killed right after a start could not write the agent's process down: it is the member that leads the
 * session which the runner had opened for it. Its lease is void no more.
 */
function adopt({ lease, life, members }: AgentTree): [string, Lease][] {
  if (counts(life) || lease.state !== 'starting') return [];
  const main = members.find(({ pid, sessionId }) => pid === sessionId);
  const owner = main && readIdentity(main.pid);
  return owner === undefined ? [] : [[lease.id, { ...lease, owner, state: 'running' }]];
}

/** Temporary files, and second locks whose holder is dead. */
function sweepFiles(dir: string, context: Context): string[] {
  const removed: string[] = [];
  for (const name of listDir(dir)) {
    const path = join(dir, name);
    const old = context.nowMs - (fileFacts(path)?.modifiedMs ?? context.nowMs) >= OLD_MS;
    const isTemporary = /\.\d+\.[0-9a-z.]+\.tmp$/.test(name);
    const isDeadTakeover = /\.lock\.[0-9a-f]{18}$/.test(name) && !isHeld(path, context);
    if (!old || (!isTemporary && !isDeadTakeover)) continue;
    removeFile(path);
    removed.push(basename(path));
  }
  return removed;
}

function isHeld(path: string, context: Context): boolean {
  const text = readText(path) ?? '';
  const pid = /"pid":(\d+)/.exec(text)?.[1];
  const startTicks = /"startTicks":(\d+)/.exec(text)?.[1];
  const { self, isAlive } = context.liveness();
  return (
    pid !== undefined &&
    startTicks !== undefined &&
    isAlive({ ...self, pid: Number(pid), startTicks: Number(startTicks) }) !== false
  );
}
